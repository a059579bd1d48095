//! `PagiEmbeddedBroker`: the broker as a part of the process.
use std::io;
use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::time::{Duration, Instant};

use prometheus_client::registry::Registry;
use tokio::sync::Semaphore;
use tokio::task::{JoinHandle, JoinSet};
use tracing::{info, warn};

use super::config::{Config, ConfigError};
use super::connection::serve;
use super::context::Context;
use super::disk;
use super::group;
use super::metrics::Metrics;
use super::retention;
use super::store::layout::wal_file;
use super::store::open::Recovery;
use super::store::sizes::Sizes;
use super::store::threads::Failure;
use super::store::{Running, Store, StoreError};
use crate::limits::KAFKA_CONNECTIONS_MAX;
use crate::shutdown::{self, Shutdown, Trigger};

/// Why the broker could not be started.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// A setting makes no sense.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// The data folder cannot be used.
    #[error("data folder {path}: {error}")]
    Store {
        /// The folder.
        path: String,
        /// Why not.
        error: Box<StoreError>,
    },
    /// The listener cannot be used.
    #[error("Kafka listener: {0}")]
    Listener(#[from] io::Error),
}

/// A running broker: a durable log that speaks the Kafka protocol. Any Kafka client can use it.
#[derive(Debug)]
pub struct PagiEmbeddedBroker {
    address: SocketAddr,
    trigger: Trigger,
    accepting: JoinHandle<()>,
    background: JoinSet<()>,
    running: Running,
    failure: Failure,
}

impl PagiEmbeddedBroker {
    /// Opens the log, recovering it where that is needed, and serves clients on `listener` in
    /// tasks of the current tokio runtime.
    ///
    /// # Errors
    /// [`StartError`].
    pub fn start(
        config: Config,
        listener: TcpListener,
        registry: &mut Registry,
    ) -> Result<Self, StartError> {
        let advertised = config.validate()?;
        let path = config.data_dir.clone();
        let retention_check_interval = config.retention_check_interval;
        let failed =
            |error| StartError::Store { path: path.display().to_string(), error: Box::new(error) };
        let begin = Instant::now();
        let (store, running) =
            Store::open(&path, Sizes::default(), config.disk_budget_bytes).map_err(failed)?;
        tell(&running.recovery, begin.elapsed());
        listener.set_nonblocking(true)?;
        let address = listener.local_addr()?;
        let listener = tokio::net::TcpListener::from_std(listener)?;
        let (trigger, shutdown) = shutdown::channel();
        let metrics = Metrics::register(registry);
        let context = Arc::new(Context::new(store, config, advertised, metrics, shutdown.clone()));
        let (groups, store) = (Arc::clone(&context.groups), context.store.clone());
        let mut background = JoinSet::new();
        background.spawn(group::expiry::run(Arc::clone(&groups), store, shutdown.clone()));
        background.spawn(groups.run(shutdown.clone()));
        let store = context.store.clone();
        background.spawn(disk::run(store.clone(), context.metrics.clone(), shutdown.clone()));
        background.spawn(retention::run(store, retention_check_interval, shutdown.clone()));
        let accepting = tokio::spawn(accept(context, listener, shutdown));
        let failure = running.failure.clone();
        Ok(Self { address, trigger, accepting, background, running, failure })
    }

    /// Where it listens.
    #[must_use]
    pub const fn local_addr(&self) -> SocketAddr {
        self.address
    }

    /// Waits until the log cannot go on, and says why. The process must then end, with an error:
    /// the next start recovers the log. Cancel-safe.
    pub async fn failed(&self) -> String {
        let mut failure = self.failure.clone();
        match failure.wait_for(Option::is_some).await {
            Ok(reason) => reason.clone().unwrap_or_default(),
            Err(_) => "the log's threads have ended".to_owned(),
        }
    }

    /// Whether the log can go on.
    #[must_use]
    pub fn is_healthy(&self) -> bool {
        self.failure.borrow().is_none() && self.failure.has_changed().is_ok()
    }

    /// Answers what was asked, closes all connections and then the log.
    pub async fn shutdown(self) {
        self.trigger.request();
        if self.accepting.await.is_err() {
            warn!("the Kafka listener ended in a panic");
        }
        self.background.join_all().await;
        let running = self.running;
        if tokio::task::spawn_blocking(move || running.close()).await.is_err() {
            warn!("the log did not close");
        }
    }
}

/// Says what was found at the start: nothing of it needs anybody to do anything.
fn tell(recovery: &Recovery, took: Duration) {
    let (rounds, bytes) = (recovery.rounds, recovery.bytes);
    let took_ms = took.as_millis();
    match recovery.torn {
        Some(torn) => {
            let (file, at, round) = (wal_file(torn.at.file), torn.at.offset, torn.round.0);
            info!(
                rounds,
                bytes,
                took_ms,
                file,
                at,
                "the log was recovered: round {round} at its end was not written completely, so it \
                 was never acknowledged, and was cut off"
            );
        }
        None if rounds > 0 => {
            info!(
                rounds,
                bytes, took_ms, "the log was recovered from the rounds after the checkpoint"
            );
        }
        None => info!(took_ms, "the log is open: the checkpoint holds everything"),
    }
}

async fn accept(context: Arc<Context>, listener: tokio::net::TcpListener, shutdown: Shutdown) {
    let permits = Arc::new(Semaphore::new(KAFKA_CONNECTIONS_MAX));
    let mut connections = JoinSet::new();
    loop {
        while connections.try_join_next().is_some() {}
        let accepted = tokio::select! {
            accepted = next(&listener, &permits) => accepted,
            () = shutdown.requested() => break,
        };
        match accepted {
            Ok((stream, peer, permit)) => {
                let context = Arc::clone(&context);
                connections.spawn(async move {
                    serve(context, stream, peer).await;
                    drop(permit);
                });
            }
            Err(error) => {
                // Out of descriptors, most likely: connections that end give some back.
                warn!(%error, "a Kafka connection could not be accepted");
                tokio::time::sleep(ACCEPT_RETRY).await;
            }
        }
    }
    drop(listener);
    while connections.join_next().await.is_some() {}
}

const ACCEPT_RETRY: Duration = Duration::from_millis(100);

type Accepted = (tokio::net::TcpStream, SocketAddr, tokio::sync::OwnedSemaphorePermit);

/// The next connection, when there is room for one more.
async fn next(
    listener: &tokio::net::TcpListener,
    permits: &Arc<Semaphore>,
) -> io::Result<Accepted> {
    let permit = Arc::clone(permits).acquire_owned().await.map_err(io::Error::other)?;
    let (stream, peer) = listener.accept().await?;
    Ok((stream, peer, permit))
}
