//! Who published and who asked what, in the topic `pagi.audit`.
//!
//! **Invariants.** No request waits for its audit event: a full queue drops it, counts it and says
//! so. What is queued when the gateway stops is still published, within the drain deadline.
use std::net::IpAddr;
use std::sync::Arc;
use std::time::{Instant, SystemTime};

use bytes::Bytes;
use pagi_protocol::event::{EventTime, new_id};
use pagi_protocol::{PagiBaseEvent, PagiError, TopicName};
use serde::Serialize;
use tokio::sync::mpsc::{self, Receiver, Sender};
use tokio::task::JoinSet;

use super::metrics::Metrics;
use super::record::outgoing;
use super::stored::Record;
use crate::limits;
use crate::router::{AUDIT_TOPIC, PagiEventRouter};
use crate::telemetry::LogRate;

const SOURCE: &str = "/pagi/gateway";

/// What happened to one request.
#[derive(Debug, Serialize)]
pub(super) struct Entry {
    pub(super) request_id: String,
    pub(super) client_ip: IpAddr,
    /// `publish` or `twin_status`.
    pub(super) route: &'static str,
    pub(super) path: String,
    pub(super) status: u16,
    /// The error's code, when it was one.
    pub(super) code: Option<&'static str>,
    #[serde(flatten)]
    pub(super) record: Record,
    pub(super) duration_us: u64,
    #[serde(skip)]
    pub(super) at: SystemTime,
}

/// Where requests leave their entries. Cheap to clone.
#[derive(Clone)]
pub(super) struct Audit {
    queue: Sender<Entry>,
    metrics: Metrics,
    rate: Arc<LogRate>,
}

impl Audit {
    /// The two ends of a bounded queue.
    pub(super) fn new(metrics: Metrics) -> (Self, Receiver<Entry>) {
        let (queue, receiver) = mpsc::channel(limits::AUDIT_QUEUE_EVENTS_MAX);
        let rate = Arc::new(LogRate::new(limits::AUDIT_DROP_LOG_INTERVAL));
        (Self { queue, metrics, rate }, receiver)
    }

    /// Queues an entry, or drops it when the queue is full.
    pub(super) fn record(&self, entry: Entry) {
        if self.queue.try_send(entry).is_err() {
            self.metrics.audited("dropped");
            if let Some(more) = self.rate.admit(Instant::now()) {
                tracing::warn!(more, "audit queue full: an audit event was dropped");
            }
        }
    }
}

/// Publishes entries.
pub(super) struct Publisher {
    topic: TopicName,
    router: PagiEventRouter,
    metrics: Metrics,
    rate: LogRate,
}

impl Publisher {
    pub(super) fn new(router: PagiEventRouter, metrics: Metrics) -> Result<Arc<Self>, PagiError> {
        let rate = LogRate::new(limits::AUDIT_DROP_LOG_INTERVAL);
        Ok(Arc::new(Self { topic: TopicName::parse(AUDIT_TOPIC)?, router, metrics, rate }))
    }

    /// Publishes what is queued until every [`Audit`] is gone and the queue is empty.
    pub(super) async fn run(self: Arc<Self>, mut queue: Receiver<Entry>) {
        let mut under_way = JoinSet::new();
        while let Some(entry) = queue.recv().await {
            while under_way.try_join_next().is_some() {}
            if under_way.len() >= limits::AUDIT_IN_FLIGHT_MAX {
                under_way.join_next().await;
            }
            let publisher = Arc::clone(&self);
            under_way.spawn(async move { publisher.publish(&entry).await });
        }
        while under_way.join_next().await.is_some() {}
    }

    async fn publish(&self, entry: &Entry) {
        let published = match event(entry) {
            Ok(event) => self.router.publish(&self.topic, outgoing(&event, None, [])).await,
            Err(error) => Err(error),
        };
        match published {
            Ok(_) => self.metrics.audited("published"),
            Err(error) => {
                self.metrics.audited("failed");
                if let Some(more) = self.rate.admit(Instant::now()) {
                    tracing::warn!(%error, more, "an audit event could not be published");
                }
            }
        }
    }
}

fn event(entry: &Entry) -> Result<PagiBaseEvent, PagiError> {
    let data = serde_json::to_vec(entry).map(Bytes::from).unwrap_or_default();
    Ok(PagiBaseEvent::new(new_id(), SOURCE, format!("pagi.audit.{}", entry.route))?
        .with_subject(entry.path.as_str())?
        .with_time(EventTime::from(entry.at))
        .with_data_content_type("application/json")?
        .with_data(data))
}
