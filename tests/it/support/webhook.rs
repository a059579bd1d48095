//! An HTTP endpoint that keeps what it is sent, and answers as it is told.
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;

/// A request that came.
#[derive(Debug, Clone)]
pub(crate) struct Received {
    /// Counts requests from 0.
    pub(crate) number: usize,
    pub(crate) target: String,
    /// Names in lower case.
    headers: Vec<(String, String)>,
    pub(crate) body: String,
}

impl Received {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }
}

/// An answer without a body; none closes the connection.
pub(crate) type Script = dyn Fn(&Received) -> Option<&'static str> + Send + Sync;

/// The endpoint. Its threads end with the test process.
pub(crate) struct Webhook {
    pub(crate) address: SocketAddr,
    seen: Arc<Mutex<(usize, Vec<Received>)>>,
}

impl Webhook {
    /// Answers each request with the status, and perhaps headers, that `script` gives.
    pub(crate) fn start(
        script: impl Fn(&Received) -> Option<&'static str> + Send + Sync + 'static,
    ) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let seen = Arc::new(Mutex::new((0, Vec::new())));
        let (shared, script): (_, Arc<Script>) = (Arc::clone(&seen), Arc::new(script));
        thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                shared.lock().unwrap().0 += 1;
                let (seen, script) = (Arc::clone(&shared), Arc::clone(&script));
                thread::spawn(move || converse(stream, &seen, &*script));
            }
        });
        Self { address, seen }
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}/in?x=1", self.address)
    }

    /// Every request so far.
    pub(crate) fn received(&self) -> Vec<Received> {
        self.seen.lock().unwrap().1.clone()
    }

    /// How many connections were made so far.
    pub(crate) fn connections(&self) -> usize {
        self.seen.lock().unwrap().0
    }
}

fn converse(stream: TcpStream, seen: &Mutex<(usize, Vec<Received>)>, script: &Script) {
    let mut stream = BufReader::new(stream);
    while let Some(mut received) = read(&mut stream) {
        {
            let mut seen = seen.lock().unwrap();
            received.number = seen.1.len();
            seen.1.push(received.clone());
        }
        let Some(answer) = script(&received) else { return };
        let answer = format!("HTTP/1.1 {answer}\r\ncontent-length: 0\r\n\r\n");
        if stream.get_mut().write_all(answer.as_bytes()).is_err() {
            return;
        }
    }
}

fn read(stream: &mut BufReader<TcpStream>) -> Option<Received> {
    let mut first = String::new();
    stream.read_line(&mut first).ok()?;
    let target = first.strip_prefix("POST ")?.split(' ').next()?.to_owned();
    let mut headers = Vec::new();
    loop {
        let mut line = String::new();
        stream.read_line(&mut line).ok()?;
        let Some((name, value)) = line.split_once(':') else { break };
        headers.push((name.to_ascii_lowercase(), value.trim().to_owned()));
    }
    let mut received = Received { number: 0, target, headers, body: String::new() };
    let length = received.header("content-length")?.parse().ok()?;
    stream.take(length).read_to_string(&mut received.body).ok()?;
    Some(received)
}
