//! A proxy between Kafka clients and a broker that knows where frames begin and end.
//!
//! A broker tells its clients where it is. So it must be told to name the proxy's address
//! (`--advertised-address` of the appliance, `advertised.listeners` of Apache Kafka): [`bind`] first,
//! start the broker with [`Listener::address`], then [`Listener::forward`] to it.
//!
//! **Invariants.** A frame is passed on whole and unchanged, or not at all. An observer sees a
//! request before its answer. All threads and connections end with the [`Proxy`].
use std::collections::HashMap;
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};

use bytes::Bytes;
use pagi_wiretap::recording::Direction;
use pagi_wiretap::stream::{read_frame, write_frame};

use super::flaky::{Flaky, correlation_id};
use crate::failure::{Outcome, While};

/// Sees every frame that is passed on.
pub(crate) trait Observer: Send + Sync {
    /// A frame, without its length, is about to be passed on. Connections count from 0.
    fn frame(&self, connection: u32, direction: Direction, frame: &Bytes);
}

impl<O: Observer> Observer for Arc<O> {
    fn frame(&self, connection: u32, direction: Direction, frame: &Bytes) {
        self.as_ref().frame(connection, direction, frame);
    }
}

/// Where clients will connect to; they wait until it is known where the broker is.
#[derive(Debug)]
pub(crate) struct Listener {
    socket: TcpListener,
    address: SocketAddr,
}

/// A running proxy; it ends with this value.
pub(crate) struct Proxy {
    shared: Arc<Shared>,
    address: SocketAddr,
    acceptor: Option<JoinHandle<()>>,
}

struct Shared {
    upstream: SocketAddr,
    observer: Mutex<Option<Arc<dyn Observer>>>,
    flaky: Option<Flaky>,
    connections: AtomicU32,
    open: Mutex<HashMap<u32, [TcpStream; 2]>>,
    ended: AtomicBool,
}

/// Listens at `listen`; port 0 takes a free one.
pub(crate) fn bind(listen: SocketAddr) -> Outcome<Listener> {
    let socket = TcpListener::bind(listen).on(format!("listen at {listen}"))?;
    let address = socket.local_addr()?;
    Ok(Listener { socket, address })
}

impl Listener {
    /// What the broker must tell its clients.
    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// Passes frames between clients and the broker at `upstream`. Those of Produce requests that
    /// `flaky` picks are not answered: their connection is cut.
    pub(crate) fn forward(self, upstream: SocketAddr, flaky: Option<Flaky>) -> Outcome<Proxy> {
        let shared = Arc::new(Shared {
            upstream,
            observer: Mutex::new(None),
            flaky,
            connections: AtomicU32::new(0),
            open: Mutex::new(HashMap::new()),
            ended: AtomicBool::new(false),
        });
        let (accepting, socket) = (Arc::clone(&shared), self.socket);
        let acceptor = thread::Builder::new()
            .name("proxy".to_owned())
            .spawn(move || accept(&accepting, &socket))
            .on("start a thread")?;
        Ok(Proxy { shared, address: self.address, acceptor: Some(acceptor) })
    }
}

impl Proxy {
    /// Shows the frames of all connections from now on to `observer`, or to nobody.
    pub(crate) fn observe(&self, observer: Option<Arc<dyn Observer>>) {
        *lock(&self.shared.observer) = observer;
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.shared.ended.store(true, Ordering::SeqCst);
        // It waits for the next client: this is the last one.
        let _ = TcpStream::connect(self.address);
        if let Some(acceptor) = self.acceptor.take() {
            let _ = acceptor.join();
        }
        lock(&self.shared.open).values().flatten().for_each(hang_up);
    }
}

fn accept(shared: &Arc<Shared>, socket: &TcpListener) {
    for client in socket.incoming() {
        if shared.ended.load(Ordering::SeqCst) {
            return;
        }
        let Ok(client) = client else { continue };
        let shared = Arc::clone(shared);
        let connection = shared.connections.fetch_add(1, Ordering::SeqCst);
        let serve = move || {
            // The client sees that its connection ends, which is all there is to say.
            let _ = serve(&shared, connection, &client);
            if let Some(both) = lock(&shared.open).remove(&connection) {
                both.iter().for_each(hang_up);
            }
        };
        // Without a thread the client is dropped, and sees that its connection ends.
        let _ = thread::Builder::new().name(format!("proxy-{connection}")).spawn(serve);
    }
}

/// Passes on the frames of one connection until either side ends it.
fn serve(shared: &Arc<Shared>, connection: u32, client: &TcpStream) -> Outcome {
    let broker = TcpStream::connect(shared.upstream)?;
    client.set_nodelay(true)?;
    broker.set_nodelay(true)?;
    lock(&shared.open).insert(connection, [client.try_clone()?, broker.try_clone()?]);
    if shared.ended.load(Ordering::SeqCst) {
        return Ok(());
    }
    let tap = Arc::new(Tap {
        connection,
        observer: lock(&shared.observer).clone(),
        cut: Mutex::new(Vec::new()),
    });
    let answers = {
        let (tap, client, broker) = (Arc::clone(&tap), client.try_clone()?, broker.try_clone()?);
        move || {
            let _ = tap.pass_answers(&broker, &client);
            hang_up(&client);
            hang_up(&broker);
        }
    };
    let answers =
        thread::Builder::new().name(format!("proxy-{connection}-answers")).spawn(answers)?;
    let _ = tap.pass_requests(client, &broker, shared.flaky.as_ref());
    // What was asked may still be answered.
    let _ = broker.shutdown(Shutdown::Write);
    let _ = answers.join();
    Ok(())
}

/// What both directions of a connection share.
struct Tap {
    connection: u32,
    observer: Option<Arc<dyn Observer>>,
    /// The correlation ids of the requests whose answers are not to be passed on.
    cut: Mutex<Vec<i32>>,
}

impl Tap {
    fn pass_requests(
        &self,
        mut client: &TcpStream,
        mut broker: &TcpStream,
        flaky: Option<&Flaky>,
    ) -> Outcome {
        while let Some(frame) = read_frame(&mut client)? {
            lock(&self.cut).extend(flaky.and_then(|flaky| flaky.picks(&frame)));
            self.show(Direction::Request, &frame);
            write_frame(&mut broker, &frame)?;
        }
        Ok(())
    }

    fn pass_answers(&self, mut broker: &TcpStream, mut client: &TcpStream) -> Outcome {
        while let Some(frame) = read_frame(&mut broker)? {
            let id = correlation_id(&frame);
            if lock(&self.cut).iter().any(|cut| Some(*cut) == id) {
                return Ok(());
            }
            self.show(Direction::Answer, &frame);
            write_frame(&mut client, &frame)?;
        }
        Ok(())
    }

    fn show(&self, direction: Direction, frame: &Bytes) {
        if let Some(observer) = &self.observer {
            observer.frame(self.connection, direction, frame);
        }
    }
}

fn hang_up(stream: &TcpStream) {
    // It may have ended already.
    let _ = stream.shutdown(Shutdown::Both);
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Answers each request with its correlation id and the request itself.
    fn echo() -> SocketAddr {
        let socket = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = socket.local_addr().unwrap();
        thread::spawn(move || {
            for stream in socket.incoming().map_while(Result::ok) {
                thread::spawn(move || {
                    while let Ok(Some(frame)) = read_frame(&mut &stream) {
                        write_frame(&mut &stream, &[&frame[4..8], &frame].concat()).unwrap();
                    }
                });
            }
        });
        address
    }

    fn request(api_key: u8, correlation_id: u8, body: &str) -> Bytes {
        let head = [0, api_key, 0, 7, 0, 0, 0, correlation_id];
        [head.as_slice(), body.as_bytes()].concat().into()
    }

    fn ask(stream: &TcpStream, request: &Bytes) -> Option<Bytes> {
        write_frame(&mut &*stream, request).unwrap();
        read_frame(&mut &*stream).ok().flatten()
    }

    fn start(flaky: Option<Flaky>) -> Proxy {
        bind("127.0.0.1:0".parse().unwrap()).unwrap().forward(echo(), flaky).unwrap()
    }

    #[derive(Default)]
    struct Seen(Mutex<Vec<(u32, Direction, Bytes)>>);

    impl Observer for Seen {
        fn frame(&self, connection: u32, direction: Direction, frame: &Bytes) {
            lock(&self.0).push((connection, direction, frame.clone()));
        }
    }

    #[test]
    fn frames_pass_unchanged_and_are_seen_in_their_order() {
        let proxy = start(None);
        let seen = Arc::new(Seen::default());
        proxy.observe(Some(seen.clone()));
        let request = request(3, 1, "metadata");
        let answer = Bytes::from([b"\0\0\0\x01", request.as_ref()].concat());
        for connection in 0..2 {
            let client = TcpStream::connect(proxy.address).unwrap();
            assert_eq!(ask(&client, &request).as_ref(), Some(&answer));
            let passed = [
                (connection, Direction::Request, request.clone()),
                (connection, Direction::Answer, answer.clone()),
            ];
            assert_eq!(std::mem::take(&mut *lock(&seen.0)), passed);
        }
    }

    #[test]
    fn the_answer_to_every_fourth_flaky_produce_request_is_cut_off_with_its_connection() {
        let proxy = start(Some(Flaky::default()));
        let mut cut = Vec::new();
        let mut client = TcpStream::connect(proxy.address).unwrap();
        for id in 0..10 {
            assert!(ask(&client, &request(1, id, "a fetch of flaky records")).is_some());
            assert!(ask(&client, &request(0, id, "records")).is_some());
            if ask(&client, &request(0, id, "flaky records")).is_none() {
                cut.push(id);
                client = TcpStream::connect(proxy.address).unwrap();
            }
        }
        assert_eq!(cut, [3, 7]);
    }

    #[test]
    fn connections_end_with_the_proxy() {
        let proxy = start(None);
        let client = TcpStream::connect(proxy.address).unwrap();
        assert!(ask(&client, &request(3, 1, "")).is_some());
        let address = proxy.address;
        drop(proxy);
        assert!(matches!(read_frame(&mut &client), Ok(None) | Err(_)));
        assert!(TcpStream::connect(address).is_err());
    }
}
