//! A service behind the proxy, which does exactly what it is told, byte by byte.
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;

/// What to do with one request, which has been read up to the end of its head.
pub(crate) type Script = dyn Fn(usize, &mut TcpStream) -> Then + Send + Sync;

/// What to do with the connection after that.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Then {
    /// Wait for the next request on it.
    KeepOpen,
    /// Close it.
    Close,
}

/// A running service.
pub(crate) struct Upstream {
    pub(crate) address: SocketAddr,
    seen: Arc<Mutex<Seen>>,
}

#[derive(Default)]
struct Seen {
    connections: usize,
    closed: usize,
    heads: Vec<String>,
}

impl Upstream {
    /// Answers each request as `script` does; its first argument counts requests from 0.
    pub(crate) fn start(
        script: impl Fn(usize, &mut TcpStream) -> Then + Send + Sync + 'static,
    ) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let seen = Arc::new(Mutex::new(Seen::default()));
        let (shared, script): (_, Arc<Script>) = (Arc::clone(&seen), Arc::new(script));
        // Both kinds of thread end with the test process.
        thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                shared.lock().unwrap().connections += 1;
                let (seen, script) = (Arc::clone(&shared), Arc::clone(&script));
                thread::spawn(move || {
                    converse(stream, &seen, &*script);
                    seen.lock().unwrap().closed += 1;
                });
            }
        });
        Self { address, seen }
    }

    /// Answers every request with these bytes, and keeps the connection.
    pub(crate) fn answering(response: &'static [u8]) -> Self {
        Self::start(move |_, stream| {
            let _ = stream.write_all(response);
            Then::KeepOpen
        })
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// The head of every request so far, as it came.
    pub(crate) fn heads(&self) -> Vec<String> {
        self.seen.lock().unwrap().heads.clone()
    }

    /// How many connections were made so far.
    pub(crate) fn connections(&self) -> usize {
        self.seen.lock().unwrap().connections
    }

    /// How many of them have ended.
    pub(crate) fn closed(&self) -> usize {
        self.seen.lock().unwrap().closed
    }
}

fn converse(mut stream: TcpStream, seen: &Mutex<Seen>, script: &Script) {
    while let Some(head) = head(&mut stream) {
        let number = {
            let mut seen = seen.lock().unwrap();
            seen.heads.push(head);
            seen.heads.len() - 1
        };
        if script(number, &mut stream) == Then::Close {
            return;
        }
    }
}

fn head(stream: &mut TcpStream) -> Option<String> {
    let mut bytes = Vec::new();
    let mut byte = [0];
    while !bytes.ends_with(b"\r\n\r\n") {
        stream.read_exact(&mut byte).ok()?;
        bytes.push(byte[0]);
    }
    String::from_utf8(bytes).ok()
}
