//! One connection to a webhook, kept for the next event.
//!
//! **Invariants.** A connection is kept only after a whole answer was read from it. No answer
//! takes more memory than it may.
use bytes::{Bytes, BytesMut};
use http::{Request, StatusCode, header};
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper::client::conn::http1::{self, SendRequest};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tokio::task::AbortHandle;
use tokio::time::timeout;

use super::url::WebhookUrl;
use crate::limits::{
    HTTP_BUFFER_BYTES_MAX, HTTP_HEAD_BYTES_MAX, HTTP_HEADERS_MAX, WEBHOOK_ANSWER_BYTES_MAX,
    WEBHOOK_CONNECT_TIMEOUT,
};

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub(super) enum Trouble {
    /// The host has no address, or nobody listens there.
    #[error("no connection to the webhook: {0}")]
    Connect(#[source] std::io::Error),
    /// It took too long.
    #[error("no connection to the webhook within {WEBHOOK_CONNECT_TIMEOUT:?}")]
    ConnectTimeout,
    /// It broke off, or what came was not HTTP.
    #[error("the webhook broke off or does not speak HTTP: {0}")]
    Broken(#[from] hyper::Error),
}

/// An answer, as far as it matters.
#[derive(Debug)]
pub(super) struct Reply {
    pub(super) status: StatusCode,
    pub(super) retry_after: Option<String>,
    /// Its beginning.
    pub(super) body: Bytes,
}

/// A connection.
pub(super) struct Connection {
    sender: SendRequest<Full<Bytes>>,
    task: AbortHandle,
}

impl Drop for Connection {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Connection {
    /// Connects.
    pub(super) async fn open(url: &WebhookUrl) -> Result<Self, Trouble> {
        let address = (url.host.as_str(), url.port);
        let connecting = timeout(WEBHOOK_CONNECT_TIMEOUT, TcpStream::connect(address));
        let connected = connecting.await.map_err(|_| Trouble::ConnectTimeout)?;
        let stream = connected.map_err(Trouble::Connect)?;
        // Only latency is lost without it.
        let _ = stream.set_nodelay(true);
        let (sender, driver) = http1::Builder::new()
            .max_headers(HTTP_HEADERS_MAX)
            .max_header_size(HTTP_HEAD_BYTES_MAX)
            .max_buf_size(HTTP_BUFFER_BYTES_MAX)
            .handshake(TokioIo::new(stream))
            .await?;
        // Whoever waits for the answer sees the error too.
        let task = tokio::spawn(async move { drop(driver.await) }).abort_handle();
        Ok(Self { sender, task })
    }

    /// Whether it can carry another request. What closes it in the same moment is not seen.
    pub(super) async fn is_alive(&mut self) -> bool {
        self.sender.ready().await.is_ok()
    }

    /// Sends a request and reads the answer; gives the connection back if it can be used again.
    pub(super) async fn exchange(
        mut self,
        request: Request<Full<Bytes>>,
    ) -> Result<(Reply, Option<Self>), Trouble> {
        let (head, body) = self.sender.send_request(request).await?.into_parts();
        let retry_after = head.headers.get(header::RETRY_AFTER);
        let retry_after = retry_after.and_then(|value| value.to_str().ok()).map(ToOwned::to_owned);
        let (body, whole) = read(body).await;
        let keep = whole && !self.sender.is_closed();
        Ok((Reply { status: head.status, retry_after, body }, keep.then_some(self)))
    }
}

/// Reads a body, and tells whether to its end: the status alone decides, so one that breaks off
/// or does not end costs the connection and nothing else.
async fn read(mut body: Incoming) -> (Bytes, bool) {
    let mut whole = BytesMut::new();
    loop {
        match body.frame().await {
            None => return (whole.freeze(), true),
            Some(Err(_)) => return (whole.freeze(), false),
            Some(Ok(frame)) => {
                let Some(data) = frame.data_ref() else { continue };
                if whole.len() + data.len() > WEBHOOK_ANSWER_BYTES_MAX {
                    return (whole.freeze(), false);
                }
                whole.extend_from_slice(data);
            }
        }
    }
}
