//! One HTTP listener: accepting, bounding and draining connections.
//!
//! **Invariants.** At most `connections_max` connections are open; one more is told so and closed.
//! After a request to stop nothing is accepted, what was begun is finished, and idle connections
//! are closed. A failed accept does not end the listener.
//!
//! **References.** RFC 9112 section 9.6 (tear-down).
use std::convert::Infallible;
use std::io::Write as _;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use http::{Request, Response};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::gauge::Gauge;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio::time::timeout;

use super::response_body::ResponseBody;
use super::strict_stream::{self, RefusalCell, StrictStream};
use crate::core::framing::Refusal;
use crate::limits;
use crate::shutdown::Shutdown;

const TOO_MANY: &[u8] = b"HTTP/1.1 503 Service Unavailable\r\n\
    content-type: application/problem+json\r\nretry-after: 1\r\nconnection: close\r\n\
    content-length: 135\r\n\r\n\
    {\"type\":\"urn:pagi:problem:overloaded\",\"title\":\"Too many connections\",\
    \"status\":503,\"code\":\"overloaded\",\"retryable\":true,\"request_id\":\"\"}";

/// Answers requests.
pub(super) trait Handler: Clone + Send + Sync + 'static {
    /// Answers one request from `peer`. The future is dropped if the client leaves, even before it
    /// was polled.
    fn handle(
        self,
        request: Request<Incoming>,
        peer: SocketAddr,
    ) -> impl Future<Output = Response<ResponseBody>> + Send + 'static;

    /// Answers a request from `peer` whose framing cannot be trusted.
    fn refuse(&self, refusal: Refusal, peer: SocketAddr) -> Response<ResponseBody>;
}

/// What a listener is allowed, and what it counts.
pub(super) struct Bounds {
    pub(super) connections_max: usize,
    pub(super) idle_timeout: Duration,
    pub(super) open: Gauge,
    pub(super) refused: Counter,
}

/// Serves connections until `shutdown`, and returns when the last one is done. Dropping the future
/// closes those that are left.
pub(super) async fn serve<H: Handler>(
    listener: TcpListener,
    bounds: Bounds,
    handler: H,
    shutdown: Shutdown,
) {
    let slots = Arc::new(Semaphore::new(bounds.connections_max));
    let http = http(bounds.idle_timeout);
    let mut connections = JoinSet::new();
    loop {
        let accepted = tokio::select! {
            () = shutdown.requested() => break,
            accepted = listener.accept() => accepted,
            Some(_) = connections.join_next() => continue,
        };
        let (stream, peer) = match accepted {
            Ok(accepted) => accepted,
            Err(error) => {
                tracing::warn!(%error, "a connection could not be accepted");
                tokio::time::sleep(limits::ACCEPT_RETRY_PAUSE).await;
                continue;
            }
        };
        let Ok(slot) = Arc::clone(&slots).try_acquire_owned() else {
            bounds.refused.inc();
            refuse(stream);
            continue;
        };
        let (http, handler, shutdown) = (http.clone(), handler.clone(), shutdown.clone());
        let (open, idle_timeout) = (bounds.open.clone(), bounds.idle_timeout);
        connections.spawn(async move {
            open.inc();
            if has_begun(&stream, idle_timeout, &shutdown).await {
                converse(&http, stream, peer, handler, &shutdown).await;
            }
            open.dec();
            drop(slot);
        });
    }
    drop(listener);
    while connections.join_next().await.is_some() {}
}

fn http(idle_timeout: Duration) -> http1::Builder {
    let mut http = http1::Builder::new();
    // The header timer also runs while a connection waits for its next request.
    http.timer(TokioTimer::new())
        .header_read_timeout(idle_timeout)
        .max_headers(limits::HTTP_HEADERS_MAX)
        .max_header_size(limits::HTTP_HEAD_BYTES_MAX)
        .max_buf_size(limits::HTTP_BUFFER_BYTES_MAX);
    http
}

/// Waits for a first byte. The buffers of a conversation are 16 KiB: silence does not get them.
async fn has_begun(stream: &TcpStream, idle_timeout: Duration, shutdown: &Shutdown) -> bool {
    tokio::select! {
        biased;
        readable = timeout(idle_timeout, stream.readable()) => matches!(readable, Ok(Ok(()))),
        () = shutdown.requested() => false,
    }
}

async fn converse<H: Handler>(
    http: &http1::Builder,
    stream: TcpStream,
    peer: SocketAddr,
    handler: H,
    shutdown: &Shutdown,
) {
    prepare(&stream);
    let refusal = RefusalCell::default();
    let stream = StrictStream::new(stream, Arc::clone(&refusal));
    let service = service_fn(move |request: Request<Incoming>| {
        let refusal = refusal.get().copied();
        let refusal = refusal.filter(|_| request.method().as_str() == strict_stream::REFUSED);
        let answer = match refusal {
            Some(refusal) => Err(handler.refuse(refusal, peer)),
            None => Ok(handler.clone().handle(request, peer)),
        };
        async move {
            match answer {
                Ok(answer) => Ok::<_, Infallible>(answer.await),
                Err(refused) => Ok(refused),
            }
        }
    });
    let mut connection = std::pin::pin!(http.serve_connection(TokioIo::new(stream), service));
    let ended = tokio::select! {
        ended = connection.as_mut() => ended,
        () = shutdown.requested() => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    if let Err(error) = ended {
        tracing::debug!(%peer, %error, "connection ended early");
    }
}

/// Answers at once, and notices within bounded time that a peer has gone or reads nothing.
fn prepare(stream: &TcpStream) {
    let timeout_ms = u32::try_from(limits::HTTP_PEER_TIMEOUT.as_millis()).unwrap_or(u32::MAX);
    // Without them only latency and patience are lost.
    let _ = stream.set_nodelay(true);
    let _ = rustix::net::sockopt::set_tcp_user_timeout(stream, timeout_ms);
}

/// Says why, without waiting: the answer fits into an empty send buffer.
fn refuse(stream: TcpStream) {
    if let Ok(mut stream) = stream.into_std() {
        let _ = stream.write(TOO_MANY);
        let _ = stream.shutdown(std::net::Shutdown::Write);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_canned_answer_has_the_length_it_says() {
        let text = std::str::from_utf8(TOO_MANY).unwrap();
        let (head, body) = text.split_once("\r\n\r\n").unwrap();
        assert!(head.contains(&format!("content-length: {}", body.len())));
        assert!(serde_json::from_str::<serde_json::Value>(body).is_ok());
    }
}
