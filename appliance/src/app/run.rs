//! Building, supervising and draining a server process.
//!
//! **Invariants.** Everything is up before it is announced. On a request to stop, `/readyz` says no
//! first; then nothing new is accepted and what was accepted is finished, from the outside in:
//! HTTP, router, broker; the admin listener goes last. A broker that cannot go on ends the process.
use std::io::Write as _;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use pagi_protocol::{ErrorCode, PagiError};
use prometheus_client::registry::Registry;
use tokio::task::JoinHandle;
use tokio::time::{Instant, timeout, timeout_at};

use super::banner::{self, Places};
use super::error::AppError;
use super::listeners::Listeners;
use crate::broker::PagiEmbeddedBroker;
use crate::config::Config;
use crate::gateway::{Admin, PagiAPIGateway, Readiness};
use crate::limits::{ADMIN_STOP_TIMEOUT, BROKER_STOP_TIMEOUT};
use crate::proxy::Proxy;
use crate::router::PagiEventRouter;
use crate::shutdown::{self, Shutdown, Trigger};

type Part = JoinHandle<Result<(), PagiError>>;

/// Runs what `config` asks for on `listeners` until `shutdown`, then drains it.
///
/// # Errors
/// [`AppError`] when it cannot start, cannot go on, or cannot finish its work in time.
pub async fn run(config: Config, listeners: Listeners, shutdown: Shutdown) -> Result<(), AppError> {
    let drain_timeout = config.drain_timeout;
    let mut running = Running::start(config, listeners)?;
    let asked_to_stop = tokio::select! {
        () = shutdown.requested() => Ok(()),
        failure = running.failed() => Err(failure),
    };
    match asked_to_stop {
        Ok(()) => running.drain(drain_timeout).await,
        Err(failure) => Err(failure),
    }
}

/// Everything that runs.
struct Running {
    broker: Option<PagiEmbeddedBroker>,
    router: Option<PagiEventRouter>,
    gateway: Option<Part>,
    admin: Part,
    draining: Trigger,
    admin_stop: Trigger,
}

impl Running {
    fn start(config: Config, listeners: Listeners) -> Result<Self, AppError> {
        let Listeners { http, kafka, admin } = listeners;
        let mut registry = Registry::default();
        let data_dir = config.broker.as_ref().map(|part| part.broker.data_dir.clone());
        let broker = match (config.broker, kafka) {
            (Some(part), Some(listener)) => {
                Some(PagiEmbeddedBroker::start(part.broker, listener, &mut registry)?)
            }
            _ => None,
        };
        let kafka_address = broker.as_ref().map(PagiEmbeddedBroker::local_addr);
        let http_address = address("--http-listen", http.as_ref())?;
        let admin_address = address("--admin-listen", Some(&admin))?;

        let (draining, drain) = shutdown::channel();
        let mut brokers = Vec::new();
        let mut gateway = None;
        let mut router = None;
        if let (Some(mut part), Some(listener)) = (config.gateway, http) {
            if let Some(address) = kafka_address {
                part.router.brokers = vec![reachable(address).to_string()];
            }
            brokers.clone_from(&part.router.brokers);
            let events = PagiEventRouter::new(part.router, &mut registry);
            let proxy = Proxy::new(part.proxy, &mut registry);
            let front = PagiAPIGateway::new(
                part.gateway,
                events.clone(),
                proxy,
                &mut registry,
                drain.clone(),
            );
            gateway = Some((front, listener));
            router = Some(events);
        }
        let readiness = router.clone().map_or(Readiness::Running, Readiness::Router);
        let (admin_stop, stop) = shutdown::channel();
        let operators = Admin::new(Arc::new(registry), readiness, drain.clone());
        let running = Self {
            broker,
            router,
            gateway: gateway.map(|(front, listener)| tokio::spawn(front.serve(listener))),
            admin: tokio::spawn(operators.serve(admin, stop)),
            draining,
            admin_stop,
        };
        let places = (http_address, kafka_address, admin_address);
        report(config.announce, places, data_dir.as_deref(), &brokers);
        Ok(running)
    }

    /// Waits for a part to fail that should not.
    async fn failed(&mut self) -> AppError {
        let broker = async {
            match &self.broker {
                Some(broker) => broker.failed().await,
                None => std::future::pending().await,
            }
        };
        let gateway = async {
            match &mut self.gateway {
                Some(gateway) => gateway.await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            why = broker => AppError::BrokerFailed(why),
            ended = gateway => AppError::PartEnded("the gateway", why_ended(ended)),
            ended = &mut self.admin => AppError::PartEnded("the admin listener", why_ended(ended)),
        }
    }

    async fn drain(self, drain_timeout: Duration) -> Result<(), AppError> {
        let deadline = Instant::now() + drain_timeout;
        self.draining.request();
        let mut complete = true;
        if let Some(mut gateway) = self.gateway
            && timeout_at(deadline, &mut gateway).await.is_err()
        {
            complete = false;
            gateway.abort();
        }
        if let Some(router) = self.router {
            router.drain(deadline.saturating_duration_since(Instant::now())).await;
        }
        if let Some(broker) = self.broker
            && timeout(BROKER_STOP_TIMEOUT, broker.shutdown()).await.is_err()
        {
            tracing::warn!("the broker took too long to stop; it will recover when started again");
        }
        self.admin_stop.request();
        let _ = timeout(ADMIN_STOP_TIMEOUT, self.admin).await;
        if complete { Ok(()) } else { Err(AppError::DrainIncomplete) }
    }
}

fn why_ended(ended: Result<Result<(), PagiError>, tokio::task::JoinError>) -> PagiError {
    match ended {
        Ok(Err(error)) => error,
        Ok(Ok(())) => PagiError::new(ErrorCode::Internal, "without having been asked"),
        Err(error) => PagiError::new(ErrorCode::Internal, error.to_string()),
    }
}

fn address(
    flag: &'static str,
    listener: Option<&std::net::TcpListener>,
) -> Result<Option<SocketAddr>, AppError> {
    let unknown = SocketAddr::new(IpAddr::V4(Ipv4Addr::UNSPECIFIED), 0);
    let address = listener.map(std::net::TcpListener::local_addr).transpose();
    address.map_err(|source| AppError::Listen { flag, address: unknown, source })
}

/// Where a listener on `address` can be reached from this machine.
fn reachable(mut address: SocketAddr) -> SocketAddr {
    if address.ip().is_unspecified() {
        address.set_ip(match address.ip() {
            IpAddr::V4(_) => IpAddr::V4(Ipv4Addr::LOCALHOST),
            IpAddr::V6(_) => IpAddr::V6(Ipv6Addr::LOCALHOST),
        });
    }
    address
}

fn report(
    announce: bool,
    (http, kafka, admin): (Option<SocketAddr>, Option<SocketAddr>, Option<SocketAddr>),
    data_dir: Option<&Path>,
    brokers: &[String],
) {
    tracing::info!(
        http = http.map(tracing::field::display),
        kafka = kafka.map(tracing::field::display),
        admin = admin.map(tracing::field::display),
        data_dir = data_dir.map(|dir| tracing::field::display(dir.display())),
        brokers = brokers.join(","),
        "ready"
    );
    if let (true, Some(admin)) = (announce, admin) {
        let text = banner::lines(&Places { http, kafka, admin, data_dir, brokers });
        // A closed stdout is no reason not to serve.
        let _ = std::io::stdout().lock().write_all(text.as_bytes());
    }
}
