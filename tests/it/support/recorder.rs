//! A service behind the proxy that records what reaches it, to the last byte.
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;

/// One request as it arrived.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Recorded {
    /// The first line.
    pub(crate) line: String,
    /// The other lines of the head, sorted.
    pub(crate) fields: Vec<String>,
    /// The bytes behind the head, without chunk sizes.
    pub(crate) body: Vec<u8>,
}

/// A running service.
pub(crate) struct Recorder {
    pub(crate) address: SocketAddr,
    requests: Arc<Mutex<Vec<Recorded>>>,
}

impl Recorder {
    /// Answers every request with 200 and `ok`.
    pub(crate) fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let requests = Arc::new(Mutex::new(Vec::new()));
        let shared = Arc::clone(&requests);
        // Both kinds of thread end with the test process.
        thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                let shared = Arc::clone(&shared);
                thread::spawn(move || converse(stream, &shared));
            }
        });
        Self { address, requests }
    }

    /// Every whole request since the last call.
    pub(crate) fn take(&self) -> Vec<Recorded> {
        std::mem::take(&mut self.requests.lock().unwrap())
    }
}

fn converse(mut stream: TcpStream, requests: &Mutex<Vec<Recorded>>) {
    while let Some(request) = request(&mut stream) {
        requests.lock().unwrap().push(request);
        if stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok").is_err() {
            return;
        }
    }
}

fn request(stream: &mut TcpStream) -> Option<Recorded> {
    let head = until(stream, b"\r\n\r\n")?;
    let head = String::from_utf8_lossy(&head).into_owned();
    let mut lines = head.trim_end().split("\r\n").map(str::to_owned);
    let line = lines.next()?;
    let mut fields: Vec<String> = lines.collect();
    fields.sort();
    let mut body = Vec::new();
    if let Some(length) = fields.iter().find_map(|field| field.strip_prefix("content-length: ")) {
        body.resize(length.parse().ok()?, 0);
        stream.read_exact(&mut body).ok()?;
    } else if fields.iter().any(|field| field == "transfer-encoding: chunked") {
        loop {
            let size = String::from_utf8(until(stream, b"\r\n")?).ok()?;
            let mut chunk = vec![0; usize::from_str_radix(size.trim_end(), 16).ok()?];
            stream.read_exact(&mut chunk).ok()?;
            assert_eq!(until(stream, b"\r\n")?, b"\r\n", "a chunk ends where its size says");
            if chunk.is_empty() {
                break;
            }
            body.extend(chunk);
        }
    }
    Some(Recorded { line, fields, body })
}

fn until(stream: &mut TcpStream, end: &[u8]) -> Option<Vec<u8>> {
    let mut bytes = Vec::new();
    let mut byte = [0];
    while !bytes.ends_with(end) {
        stream.read_exact(&mut byte).ok()?;
        bytes.push(byte[0]);
    }
    Some(bytes)
}
