//! Connections to one upstream service, kept for the next request.
//!
//! **Invariants.** At most `idle_connections_max` are idle. A connection comes back only after a
//! whole answer was read, and while it is young, so that a name that moves is followed; one that is
//! dropped instead is closed.
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;

use hyper::client::conn::http1::{self, SendRequest};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tokio::task::AbortHandle;
use tokio::time::{Instant, timeout};

use super::config::{Config, UpstreamUrl};
use super::error::ProxyError;
use super::request_body::RequestBody;
use crate::limits;

/// The pool. Dropping it closes the idle connections.
pub(super) struct Pool {
    upstream: UpstreamUrl,
    connect_timeout: Duration,
    idle_timeout: Duration,
    idle_connections_max: usize,
    connection_age_max: Duration,
    idle: Mutex<Idle>,
}

/// Oldest first; the youngest is taken first, so that those not needed grow old.
#[derive(Default)]
struct Idle {
    connections: Vec<(Instant, Connection)>,
    reaper_runs: bool,
}

/// One connection.
pub(super) struct Connection {
    pub(super) sender: SendRequest<RequestBody>,
    opened: Instant,
    task: AbortHandle,
}

impl Drop for Connection {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// A connection in use.
pub(super) struct Checkout {
    pub(super) connection: Connection,
    /// Whether it carried a request before this one.
    pub(super) reused: bool,
}

impl Pool {
    pub(super) fn new(upstream: UpstreamUrl, config: &Config) -> Self {
        Self {
            upstream,
            connect_timeout: config.connect_timeout,
            idle_timeout: config.idle_timeout,
            idle_connections_max: config.idle_connections_max,
            connection_age_max: config.connection_age_max,
            idle: Mutex::default(),
        }
    }

    /// Where the connections lead.
    pub(super) const fn url(&self) -> &UpstreamUrl {
        &self.upstream
    }

    /// An idle connection that still lives, or else a new one.
    pub(super) async fn checkout(&self) -> Result<Checkout, ProxyError> {
        while let Some(mut connection) = self.take_idle() {
            // Ready at once, but for the moment in which its last answer is being wound up.
            let ready = timeout(self.connect_timeout, connection.sender.ready()).await;
            if matches!(ready, Ok(Ok(()))) {
                return Ok(Checkout { connection, reused: true });
            }
        }
        self.connect().await
    }

    /// Keeps the connection for the next request. Its answer must have been read to the end.
    pub(super) fn give_back(self: &Arc<Self>, checkout: Checkout) {
        let connection = checkout.connection;
        let young = connection.opened.elapsed() < self.connection_age_max;
        if young && !connection.sender.is_closed() {
            let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
            if idle.connections.len() < self.idle_connections_max {
                idle.connections.push((Instant::now(), connection));
                if !idle.reaper_runs {
                    idle.reaper_runs = true;
                    tokio::spawn(reap(Arc::downgrade(self), self.idle_timeout));
                }
            }
        }
    }

    fn take_idle(&self) -> Option<Connection> {
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        let (since, connection) = idle.connections.pop()?;
        if since.elapsed() < self.idle_timeout {
            return Some(connection);
        }
        // The youngest is too old, so all are.
        idle.connections.clear();
        None
    }

    /// A new connection.
    pub(super) async fn connect(&self) -> Result<Checkout, ProxyError> {
        let connection = timeout(self.connect_timeout, self.open())
            .await
            .map_err(|_| ProxyError::ConnectTimeout)??;
        Ok(Checkout { connection, reused: false })
    }

    /// A new connection that is not counted and not kept, in whatever time it takes.
    pub(super) async fn open(&self) -> Result<Connection, ProxyError> {
        let address = (self.upstream.host(), self.upstream.port());
        let mut addresses = tokio::net::lookup_host(address).await.map_err(ProxyError::Dns)?;
        let none = std::io::Error::new(std::io::ErrorKind::NotFound, "no address");
        let mut failure = ProxyError::Dns(none);
        let stream = loop {
            let Some(address) = addresses.next() else { return Err(failure) };
            match TcpStream::connect(address).await {
                Ok(stream) => break stream,
                Err(error) => failure = ProxyError::Connect(error),
            }
        };
        // Only latency is lost without it.
        let _ = stream.set_nodelay(true);
        let (sender, driver) = http1::Builder::new()
            .max_headers(limits::HTTP_HEADERS_MAX)
            .max_header_size(limits::HTTP_HEAD_BYTES_MAX)
            .max_buf_size(limits::HTTP_BUFFER_BYTES_MAX)
            .handshake(TokioIo::new(stream))
            .await
            .map_err(ProxyError::Broken)?;
        // Whoever waits for the answer sees the error too.
        let task = tokio::spawn(async move { drop(driver.await) }).abort_handle();
        Ok(Connection { sender, opened: Instant::now(), task })
    }
}

/// Closes connections that were idle for too long, until none is left.
async fn reap(pool: Weak<Pool>, idle_timeout: Duration) {
    loop {
        tokio::time::sleep(idle_timeout).await;
        let Some(pool) = pool.upgrade() else { return };
        let mut idle = pool.idle.lock().unwrap_or_else(PoisonError::into_inner);
        idle.connections.retain(|(since, connection)| {
            since.elapsed() < idle_timeout && !connection.sender.is_closed()
        });
        if idle.connections.is_empty() {
            idle.reaper_runs = false;
            return;
        }
    }
}
