//! `PagiAPIGateway`: from a request to its answer, and the records kept of it.
use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use http::{HeaderMap, HeaderValue, Request, Response, StatusCode};
use hyper::body::Incoming;
use pagi_protocol::event::new_id;
use pagi_protocol::{ErrorCode, PagiError};
use prometheus_client::registry::Registry;
use tokio::net::TcpListener;
use tokio::sync::mpsc::{self, Receiver, Sender};

use super::audit::{self, Audit};
use super::config::Config;
use super::finishing::Finishing;
use super::metrics::Metrics;
use super::publish::{Answer, Publish};
use super::respond::{self, Failure, X_REQUEST_ID};
use super::response_body::ResponseBody;
use super::server::{self, Bounds, Handler};
use super::stored::Record;
use super::submission::Outcomes;
use crate::core::framing::Refusal;
use crate::core::headers;
use crate::core::route::{self, Route};
use crate::proxy::Proxy;
use crate::router::PagiEventRouter;
use crate::shutdown::Shutdown;
use crate::telemetry::LogRate;

const PUBLISH: &str = "publish";
const TWIN_STATUS: &str = "twin_status";
/// The shortest time between two log lines about requests that failed on our side.
const FAILURE_LOG_INTERVAL: Duration = Duration::from_secs(1);

/// PAGI's front door: publishes events through the router and forwards requests through the proxy.
#[derive(Debug)]
pub struct PagiAPIGateway {
    handler: Arc<Requests>,
    config: Config,
    router: PagiEventRouter,
    audit_queue: Option<Receiver<audit::Entry>>,
    all_done: Receiver<Infallible>,
    shutdown: Shutdown,
}

impl PagiAPIGateway {
    /// A gateway that publishes with `router` and forwards with `proxy` until `shutdown`; its metrics
    /// go into `registry`.
    #[must_use]
    pub fn new(
        config: Config,
        router: PagiEventRouter,
        proxy: Proxy,
        registry: &mut Registry,
        shutdown: Shutdown,
    ) -> Self {
        let metrics = Metrics::new(registry);
        let (audit, audit_queue) = config.audit.then(|| Audit::new(metrics.clone())).unzip();
        let (under_way, all_done) = mpsc::channel(1);
        let handler = Arc::new(Requests {
            _under_way: under_way,
            publish: Publish::new(&config, router.clone(), shutdown.clone()),
            proxy,
            audit,
            metrics,
            failures: LogRate::new(FAILURE_LOG_INTERVAL),
        });
        Self { handler, config, router, audit_queue, all_done, shutdown }
    }

    /// Answers requests on `listener` until the shutdown, and returns when every request that was
    /// begun is answered and every audit event published. Dropping the future ends it at once.
    ///
    /// # Errors
    /// [`ErrorCode::Internal`] when the listener cannot be used.
    pub async fn serve(self, listener: std::net::TcpListener) -> Result<(), PagiError> {
        let Self { handler, config, router, audit_queue, mut all_done, shutdown } = self;
        let unusable = |error| PagiError::new(ErrorCode::Internal, format!("listener: {error}"));
        listener.set_nonblocking(true).map_err(unusable)?;
        let listener = TcpListener::from_std(listener).map_err(unusable)?;
        let metrics = handler.metrics.clone();
        let bounds = Bounds {
            connections_max: config.connections_max,
            idle_timeout: config.idle_timeout,
            open: metrics.connections.clone(),
            refused: metrics.connections_refused.clone(),
        };
        let requests = async {
            server::serve(listener, bounds, handler, shutdown).await;
            // Those of clients that have left, too.
            all_done.recv().await;
        };
        match audit_queue {
            None => requests.await,
            Some(queue) => {
                let publisher = audit::Publisher::new(router, metrics)?;
                // The queue ends when the last request has let go of it.
                tokio::join!(requests, publisher.run(queue));
            }
        }
        Ok(())
    }
}

/// What every request shares.
struct Requests {
    /// Nothing is sent: the channel ends with the last request.
    _under_way: Sender<Infallible>,
    publish: Publish,
    proxy: Proxy,
    audit: Option<Audit>,
    metrics: Metrics,
    failures: LogRate,
}

impl std::fmt::Debug for Requests {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Requests").field("proxy", &self.proxy).finish_non_exhaustive()
    }
}

/// What is known about a request before it is handled.
struct Context {
    started: Instant,
    request_id: HeaderValue,
    peer: SocketAddr,
}

/// A request whose answer is waited for. A publish is begun before that: what came in full is
/// published, whoever waits.
enum Begun<P> {
    Publish(P),
    TwinStatus { requests: Arc<Requests>, id: String, request: Request<Incoming>, context: Context },
    Refused(Response<ResponseBody>),
}

impl Handler for Arc<Requests> {
    fn handle(
        self,
        request: Request<Incoming>,
        peer: SocketAddr,
    ) -> impl Future<Output = Response<ResponseBody>> + Send + 'static {
        let request_id = request_id(request.headers());
        let context = Context { started: Instant::now(), request_id, peer };
        let begun = match route::route(request.method(), request.uri().path()) {
            Ok(Route::Publish) => Begun::Publish(self.begin_publish(request, context)),
            Ok(Route::TwinStatus { id }) => {
                let id = id.to_owned();
                Begun::TwinStatus { requests: self, id, request, context }
            }
            Err(no_route) => Begun::Refused(self.refused(&context, "none", &no_route.into())),
        };
        async move {
            match begun {
                Begun::Publish(publish) => publish.await,
                Begun::TwinStatus { requests, id, request, context } => {
                    requests.twin_status(&id, request, &context).await
                }
                Begun::Refused(response) => response,
            }
        }
    }

    fn refuse(&self, refusal: Refusal, peer: SocketAddr) -> Response<ResponseBody> {
        let request_id = request_id(&HeaderMap::new());
        let context = Context { started: Instant::now(), request_id, peer };
        self.refused(&context, "none", &refusal.into())
    }
}

impl Requests {
    /// A publish that goes on without its client.
    fn begin_publish(
        self: Arc<Self>,
        request: Request<Incoming>,
        context: Context,
    ) -> impl Future<Output = Response<ResponseBody>> + Send + 'static {
        let (observer, id) = (Arc::clone(&self), context.request_id.clone());
        Finishing::new(self.publish(request, context), move |response| {
            observer.left(&id, &response);
        })
    }

    async fn publish(
        self: Arc<Self>,
        request: Request<Incoming>,
        context: Context,
    ) -> Response<ResponseBody> {
        let path = self.audit.as_ref().map(|_| request.uri().path().to_owned());
        match self.publish.handle(request, context.peer.ip(), &context.request_id).await {
            Ok(Answer::Whole(stored)) => {
                self.metrics.published(stored.payload_bytes());
                let response = respond::published(&stored, &context.request_id);
                let status = response.status();
                self.metrics.answered(PUBLISH, status.as_u16(), context.started.elapsed());
                self.audit(&context, PUBLISH, path, status, None, stored.into_record());
                response
            }
            Ok(Answer::Lines(begun)) => {
                let (body, rest) = begun.into_parts();
                let response = respond::lines(body, &context.request_id);
                let status = response.status();
                self.metrics.answered(PUBLISH, status.as_u16(), context.started.elapsed());
                tokio::spawn(async move {
                    let Outcomes { tally, payload_bytes } = rest.await;
                    self.metrics.published(payload_bytes);
                    let record = Record::of_several(tally);
                    self.audit(&context, PUBLISH, path, status, None, record);
                });
                response
            }
            Err(failure) => {
                let response = self.refused(&context, PUBLISH, &failure);
                self.audit(
                    &context,
                    PUBLISH,
                    path,
                    response.status(),
                    Some(&failure),
                    Record::default(),
                );
                response
            }
        }
    }

    /// The outcome of a publish whose client has left. It was counted as any other.
    fn left(&self, request_id: &HeaderValue, response: &Response<ResponseBody>) {
        self.metrics.clients_left.inc();
        let (id, status) = (request_id.to_str().unwrap_or_default(), response.status().as_u16());
        tracing::debug!(request_id = id, status, "the client left before it could be answered");
    }

    async fn twin_status(
        &self,
        id: &str,
        request: Request<Incoming>,
        context: &Context,
    ) -> Response<ResponseBody> {
        let path = self.audit.as_ref().map(|_| request.uri().path().to_owned());
        match self.proxy.twin_status(id, request, context.peer.ip()).await {
            Ok(response) => {
                let response = respond::proxied(response, &context.request_id);
                self.metrics.answered(
                    TWIN_STATUS,
                    response.status().as_u16(),
                    context.started.elapsed(),
                );
                self.audit(context, TWIN_STATUS, path, response.status(), None, Record::default());
                response
            }
            Err(error) => {
                let failure = error.into();
                let response = self.refused(context, TWIN_STATUS, &failure);
                self.audit(
                    context,
                    TWIN_STATUS,
                    path,
                    response.status(),
                    Some(&failure),
                    Record::default(),
                );
                response
            }
        }
    }

    fn refused(
        &self,
        context: &Context,
        route: &'static str,
        failure: &Failure,
    ) -> Response<ResponseBody> {
        let response = respond::problem(failure, &context.request_id);
        let status = response.status();
        self.metrics.answered(route, status.as_u16(), context.started.elapsed());
        let id = context.request_id.to_str().unwrap_or_default();
        let error = &failure.error;
        if !status.is_server_error() {
            tracing::debug!(request_id = id, route, %error, "request refused");
        } else if let Some(more) = self.failures.admit(Instant::now()) {
            tracing::warn!(request_id = id, route, %error, more, "request failed");
        }
        response
    }

    fn audit(
        &self,
        context: &Context,
        route: &'static str,
        path: Option<String>,
        status: StatusCode,
        failure: Option<&Failure>,
        record: Record,
    ) {
        let Some(audit) = &self.audit else { return };
        audit.record(audit::Entry {
            request_id: context.request_id.to_str().unwrap_or_default().to_owned(),
            client_ip: context.peer.ip().to_canonical(),
            route,
            path: path.unwrap_or_default(),
            status: status.as_u16(),
            code: failure.map(|failure| failure.error.code().as_str()),
            record,
            duration_us: u64::try_from(context.started.elapsed().as_micros()).unwrap_or(u64::MAX),
            at: SystemTime::now(),
        });
    }
}

/// The client's request id where it is an acceptable one, else a new one.
fn request_id(headers: &HeaderMap) -> HeaderValue {
    let mut given = headers.get_all(X_REQUEST_ID).iter();
    match (given.next(), given.next()) {
        (Some(id), None) if headers::is_request_id(id.as_bytes()) => id.clone(),
        _ => HeaderValue::try_from(new_id()).unwrap_or(HeaderValue::from_static("none")),
    }
}
