//! One request to an upstream service and its answer back, both streamed.
//!
//! **Invariants.** A request is tried again at most once, and only where that cannot do harm: with
//! another instance where no connection could be made, and on a new connection where an old one had
//! been closed meanwhile: GET or HEAD without a body, with no answer begun.
//!
//! **References.** RFC 9110 sections 9.2.2 (idempotent methods) and 7.6 (forwarding).
use std::net::IpAddr;
use std::sync::Arc;

use http::header::TRANSFER_ENCODING;
use http::{HeaderValue, Method, Request, Response, StatusCode, request, response};
use hyper::body::{Body as _, Incoming};
use prometheus_client::registry::Registry;
use tokio::time::{Instant, timeout_at};

use super::config::{Config, UpstreamUrl};
use super::error::{BodyError, ProxyError};
use super::health;
use super::metrics::Metrics;
use super::pool::Checkout;
use super::request_body::RequestBody;
use super::upstream_body::UpstreamBody;
use super::upstreams::{Picked, Upstreams};
use crate::core::headers;

/// Forwards requests to the identity service.
#[derive(Clone)]
pub struct Proxy {
    upstreams: Arc<Upstreams>,
    config: Arc<Config>,
    metrics: Metrics,
}

impl std::fmt::Debug for Proxy {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Proxy").field("config", &self.config).finish_non_exhaustive()
    }
}

impl Proxy {
    /// A proxy that has not connected yet; its metrics go into `registry`. To be called within a
    /// runtime, on which health is checked where a path for that is configured.
    #[must_use]
    pub fn new(config: Config, registry: &mut Registry) -> Self {
        let metrics = Metrics::new(registry);
        let upstreams = Arc::new(Upstreams::new(&config));
        health::watch(&upstreams, &config);
        Self { upstreams, config: Arc::new(config), metrics }
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
        let path = match request.uri().query() {
            Some(query) => format!("/twin/{id}/status?{query}"),
            None => format!("/twin/{id}/status"),
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
        let bodiless = body.is_empty();
        let repeatable = bodiless && matches!(head.method, Method::GET | Method::HEAD);

        let (mut picked, mut checkout, tried_again) = self.connect().await?;
        let mut head = upstream_head(picked.url(), path, head, client_ip)?;
        if !bodiless && body.size_hint().exact().is_none() {
            // Else hyper leaves the body of a GET out, since it cannot know its length.
            head.headers.insert(TRANSFER_ENCODING, HeaderValue::from_static("chunked"));
        }
        let spare = (repeatable && checkout.reused && !tried_again).then(|| head.clone());
        let request = Request::from_parts(head, body);
        let mut answer = self.send(&mut checkout, request, deadline).await;
        if let (Err(ProxyError::Broken(error)), Some(head)) = (&answer, spare)
            && !error.is_parse()
            && self.upstreams.may_repeat()
        {
            self.metrics.retries.inc();
            drop(checkout);
            checkout = picked.pool().connect().await.inspect_err(|_| picked.failed())?;
            let request = Request::from_parts(head, RequestBody::Empty);
            answer = self.send(&mut checkout, request, deadline).await;
        }
        let answer = answer.and_then(downstream);
        judge(&mut picked, &answer);
        // A body that was sent may not have been read to its end: that connection is not reused.
        answer.map(|(head, body)| {
            let body = UpstreamBody::new(body, deadline, picked, bodiless, checkout);
            Response::from_parts(head, body)
        })
    }

    /// A connection to some instance of the service, and whether it is the second that was tried.
    async fn connect(&self) -> Result<(Picked, Checkout, bool), ProxyError> {
        let mut picked = self.upstreams.choose()?;
        let error = match picked.pool().checkout().await {
            Ok(checkout) => return Ok((picked, checkout, false)),
            Err(error) => error,
        };
        picked.failed();
        let mut other = self.upstreams.choose_again(&picked).ok_or(error)?;
        self.metrics.retries.inc();
        let checkout = other.pool().checkout().await.inspect_err(|_| other.failed())?;
        Ok((other, checkout, true))
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
}

fn upstream_head(
    upstream: &UpstreamUrl,
    path: &str,
    mut head: request::Parts,
    client_ip: IpAddr,
) -> Result<request::Parts, ProxyError> {
    let client_ip = client_ip.to_canonical().to_string();
    headers::to_upstream(&mut head.headers, upstream.authority(), &client_ip);
    let uri = match upstream.prefix() {
        "" => path.parse(),
        prefix => format!("{prefix}{path}").parse(),
    };
    head.uri = uri.map_err(|error| ProxyError::Request(http::Error::from(error)))?;
    head.version = http::Version::HTTP_11;
    head.extensions.clear();
    Ok(head)
}

/// What of an answer is passed on.
fn downstream(answer: Response<Incoming>) -> Result<(response::Parts, Incoming), ProxyError> {
    if answer.status() == StatusCode::SWITCHING_PROTOCOLS {
        return Err(ProxyError::UnexpectedStatus(answer.status()));
    }
    let (mut head, body) = answer.into_parts();
    headers::strip_hop_by_hop(&mut head.headers);
    head.version = http::Version::HTTP_11;
    head.extensions.clear();
    Ok((head, body))
}

/// What an answer, or that there is none, says about the instance.
fn judge(picked: &mut Picked, answer: &Result<(response::Parts, Incoming), ProxyError>) {
    const CANNOT: [StatusCode; 3] =
        [StatusCode::BAD_GATEWAY, StatusCode::SERVICE_UNAVAILABLE, StatusCode::GATEWAY_TIMEOUT];
    match answer {
        Ok((head, _)) if CANNOT.contains(&head.status) => picked.failed(),
        Ok(_) => picked.answered(),
        Err(error) if error.blames_service() => picked.failed(),
        Err(_) => {}
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
