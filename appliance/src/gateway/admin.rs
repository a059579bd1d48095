//! The admin listener: `/livez`, `/readyz`, `/metrics`. Never served from the gateway's port.
use std::net::SocketAddr;
use std::sync::Arc;

use bytes::Bytes;
use http::{HeaderValue, Method, Request, Response, StatusCode};
use hyper::body::Incoming;
use pagi_protocol::event::new_id;
use pagi_protocol::{ErrorCode, PagiError};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;
use tokio::net::TcpListener;
use tokio::time::timeout;

use super::respond;
use super::response_body::ResponseBody;
use super::server::{self, Bounds, Handler};
use crate::core::framing::Refusal;
use crate::core::route::NoRoute;
use crate::limits;
use crate::router::PagiEventRouter;
use crate::shutdown::Shutdown;

const TEXT: &str = "text/plain; charset=utf-8";
const OPEN_METRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// What decides whether work should be sent here.
#[derive(Debug, Clone)]
pub enum Readiness {
    /// Whether an event can be published, by publishing one.
    Router(PagiEventRouter),
    /// Nothing but whether the process is stopping.
    Running,
}

/// Tells operators how the process does.
#[derive(Debug, Clone)]
pub struct Admin {
    registry: Arc<Registry>,
    readiness: Readiness,
    draining: Shutdown,
}

impl Admin {
    /// An admin service over `registry`; not ready once `draining` is requested.
    #[must_use]
    pub const fn new(registry: Arc<Registry>, readiness: Readiness, draining: Shutdown) -> Self {
        Self { registry, readiness, draining }
    }

    /// Answers requests on `listener` until `stop`, which comes after everything else has stopped.
    ///
    /// # Errors
    /// [`ErrorCode::Internal`] when the listener cannot be used.
    pub async fn serve(
        self,
        listener: std::net::TcpListener,
        stop: Shutdown,
    ) -> Result<(), PagiError> {
        let unusable = |error| PagiError::new(ErrorCode::Internal, format!("listener: {error}"));
        listener.set_nonblocking(true).map_err(unusable)?;
        let listener = TcpListener::from_std(listener).map_err(unusable)?;
        let bounds = Bounds {
            connections_max: limits::ADMIN_CONNECTIONS_MAX,
            idle_timeout: limits::HTTP_IDLE_TIMEOUT,
            open: Gauge::default(),
            refused: Counter::default(),
        };
        server::serve(listener, bounds, self, stop).await;
        Ok(())
    }

    async fn ready(&self) -> Result<(), PagiError> {
        if self.draining.is_requested() {
            return Err(PagiError::new(ErrorCode::ShuttingDown, "draining"));
        }
        match &self.readiness {
            Readiness::Running => Ok(()),
            Readiness::Router(router) => {
                timeout(limits::READINESS_TIMEOUT, router.check()).await.unwrap_or_else(|_| {
                    let detail = "the check of the publish path did not end in time";
                    Err(PagiError::new(ErrorCode::BrokerUnavailable, detail))
                })
            }
        }
    }

    fn metrics(&self) -> Response<ResponseBody> {
        let mut text = String::new();
        match prometheus_client::encoding::text::encode(&mut text, &self.registry) {
            Ok(()) => respond::text(StatusCode::OK, OPEN_METRICS, Bytes::from(text)),
            Err(error) => failure(PagiError::new(ErrorCode::Internal, error.to_string())),
        }
    }
}

impl Handler for Admin {
    async fn handle(self, request: Request<Incoming>, _: SocketAddr) -> Response<ResponseBody> {
        let path = request.uri().path();
        if !matches!(path, "/livez" | "/readyz" | "/metrics") {
            return failure(NoRoute::NotFound);
        }
        if !matches!(*request.method(), Method::GET | Method::HEAD) {
            return failure(NoRoute::MethodNotAllowed { allow: "GET, HEAD" });
        }
        match path {
            "/metrics" => self.metrics(),
            "/readyz" => match self.ready().await {
                Ok(()) => respond::text(StatusCode::OK, TEXT, Bytes::from_static(b"ready\n")),
                Err(error) => {
                    tracing::debug!(%error, "not ready");
                    failure(PagiError::new(not_ready(error.code()), error.detail()))
                }
            },
            _ => respond::text(StatusCode::OK, TEXT, Bytes::from_static(b"alive\n")),
        }
    }

    fn refuse(&self, refusal: Refusal, _: SocketAddr) -> Response<ResponseBody> {
        failure(refusal)
    }
}

/// Whatever the reason, "not ready" is a 503.
const fn not_ready(code: ErrorCode) -> ErrorCode {
    match code {
        ErrorCode::ShuttingDown => ErrorCode::ShuttingDown,
        ErrorCode::Overloaded => ErrorCode::Overloaded,
        _ => ErrorCode::BrokerUnavailable,
    }
}

fn failure(failure: impl Into<respond::Failure>) -> Response<ResponseBody> {
    let request_id = HeaderValue::try_from(new_id());
    let request_id = request_id.unwrap_or(HeaderValue::from_static("none"));
    respond::problem(&failure.into(), &request_id)
}
