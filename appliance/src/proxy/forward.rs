//! One request to an upstream service and its answer back, both streamed.
//!
//! **Invariants.** A request is sent again at most once, and only where that cannot do harm: GET or
//! HEAD without a body, on a connection that had carried a request before (so the service may have
//! closed it meanwhile), with no answer begun.
//!
//! **References.** RFC 9110 sections 9.2.2 (idempotent methods) and 7.6 (forwarding).
use std::net::IpAddr;
use std::sync::Arc;

use http::header::TRANSFER_ENCODING;
use http::{HeaderValue, Method, Request, Response, StatusCode, request};
use hyper::body::{Body as _, Incoming};
use prometheus_client::registry::Registry;
use tokio::time::{Instant, timeout_at};

use super::config::Config;
use super::error::{BodyError, ProxyError};
use super::metrics::Metrics;
use super::pool::{Checkout, Pool};
use super::request_body::RequestBody;
use super::upstream_body::UpstreamBody;
use crate::core::headers;

/// Forwards requests to the identity service.
#[derive(Clone)]
pub struct Proxy {
    pool: Arc<Pool>,
    config: Arc<Config>,
    metrics: Metrics,
}

impl std::fmt::Debug for Proxy {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Proxy").field("config", &self.config).finish_non_exhaustive()
    }
}

impl Proxy {
    /// A proxy that has not connected yet; its metrics go into `registry`.
    #[must_use]
    pub fn new(config: Config, registry: &mut Registry) -> Self {
        let metrics = Metrics::new(registry);
        Self { pool: Arc::new(Pool::new(&config)), config: Arc::new(config), metrics }
    }

    /// Asks the identity service for a twin's status. `id` must be one plain path segment, as
    /// [`core::route`](crate::core::route) gives it.
    ///
    /// # Errors
    /// [`ProxyError`] when no answer began. An answer that breaks off later is an error of its body.
    pub async fn twin_status(
        &self,
        id: &str,
        request: Request<Incoming>,
        client_ip: IpAddr,
    ) -> Result<Response<UpstreamBody>, ProxyError> {
        let prefix = self.config.identity_url.prefix();
        let path = match request.uri().query() {
            Some(query) => format!("{prefix}/twin/{id}/status?{query}"),
            None => format!("{prefix}/twin/{id}/status"),
        };
        let answer = self.forward(&path, request, client_ip).await;
        self.metrics.count(answer.as_ref().err());
        answer
    }

    async fn forward(
        &self,
        path: &str,
        request: Request<Incoming>,
        client_ip: IpAddr,
    ) -> Result<Response<UpstreamBody>, ProxyError> {
        let deadline = Instant::now() + self.config.total_timeout;
        let (head, body) = request.into_parts();
        let bytes_max = self.config.request_bytes_max;
        let body =
            RequestBody::new(body, bytes_max).ok_or(ProxyError::RequestTooLarge(bytes_max))?;
        let mut head = self.upstream_head(path, head, client_ip)?;
        let bodiless = body.is_empty();
        if !bodiless && body.size_hint().exact().is_none() {
            // Else hyper leaves the body of a GET out, since it cannot know its length.
            head.headers.insert(TRANSFER_ENCODING, HeaderValue::from_static("chunked"));
        }
        let repeatable = bodiless && matches!(head.method, Method::GET | Method::HEAD);

        let mut checkout = self.pool.checkout().await?;
        let spare = (repeatable && checkout.reused).then(|| head.clone());
        let request = Request::from_parts(head, body);
        let mut answer = self.send(&mut checkout, request, deadline).await;
        if let (Err(ProxyError::Broken(error)), Some(head)) = (&answer, spare)
            && !error.is_parse()
        {
            self.metrics.retries.inc();
            checkout = self.pool.replace(checkout).await?;
            let request = Request::from_parts(head, RequestBody::Empty);
            answer = self.send(&mut checkout, request, deadline).await;
        }
        self.downstream(answer?, checkout, deadline, bodiless)
    }

    fn upstream_head(
        &self,
        path: &str,
        mut head: request::Parts,
        client_ip: IpAddr,
    ) -> Result<request::Parts, ProxyError> {
        let authority = self.config.identity_url.authority();
        headers::to_upstream(&mut head.headers, authority, &client_ip.to_canonical().to_string());
        head.uri = path.parse().map_err(|error| ProxyError::Request(http::Error::from(error)))?;
        head.version = http::Version::HTTP_11;
        head.extensions.clear();
        Ok(head)
    }

    async fn send(
        &self,
        checkout: &mut Checkout,
        request: Request<RequestBody>,
        deadline: Instant,
    ) -> Result<Response<Incoming>, ProxyError> {
        let first_byte = deadline.min(Instant::now() + self.config.first_byte_timeout);
        match timeout_at(first_byte, checkout.connection.sender.send_request(request)).await {
            Ok(answer) => answer.map_err(broken),
            Err(_) => Err(ProxyError::FirstByteTimeout),
        }
    }

    fn downstream(
        &self,
        answer: Response<Incoming>,
        checkout: Checkout,
        deadline: Instant,
        reusable: bool,
    ) -> Result<Response<UpstreamBody>, ProxyError> {
        if answer.status() == StatusCode::SWITCHING_PROTOCOLS {
            return Err(ProxyError::UnexpectedStatus(answer.status()));
        }
        let (mut head, body) = answer.into_parts();
        headers::strip_hop_by_hop(&mut head.headers);
        head.version = http::Version::HTTP_11;
        head.extensions.clear();
        // A body that was sent may not have been read to its end: that connection is not reused.
        let pool = reusable.then(|| Arc::clone(&self.pool));
        Ok(Response::from_parts(head, UpstreamBody::new(body, deadline, pool, checkout)))
    }
}

/// Whose fault it is that there is no answer.
fn broken(error: hyper::Error) -> ProxyError {
    if !error.is_user() {
        return ProxyError::Broken(error);
    }
    let source = std::error::Error::source(&error).and_then(|source| source.downcast_ref());
    match source {
        Some(BodyError::TooLarge(bytes_max)) => ProxyError::RequestTooLarge(*bytes_max),
        _ => ProxyError::RequestBroken(error),
    }
}
