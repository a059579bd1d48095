//! What the publisher counts.
use pagi_protocol::PagiError;
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::{Histogram, exponential_buckets};
use prometheus_client::registry::Registry;

/// The publisher's metrics. Clones count together.
#[derive(Debug, Clone)]
pub(super) struct Metrics {
    publishes: Family<OutcomeLabel, Counter>,
    /// From the call until the outcome, for acknowledged records.
    pub(super) publish_seconds: Histogram,
    /// Records in each produce request.
    pub(super) batch_records: Histogram,
    /// Bytes of records whose outcome is open.
    pub(super) open_bytes: Gauge,
    /// Produce requests and connections that had to be tried again.
    pub(super) retries: Counter,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct OutcomeLabel {
    outcome: &'static str,
}

impl Metrics {
    /// Registers everything.
    pub(super) fn new(registry: &mut Registry) -> Self {
        let metrics = Self {
            publishes: Family::default(),
            publish_seconds: Histogram::new(exponential_buckets(0.000_25, 2.0, 17)),
            batch_records: Histogram::new(exponential_buckets(1.0, 4.0, 7)),
            open_bytes: Gauge::default(),
            retries: Counter::default(),
        };
        let registry = registry.sub_registry_with_prefix("pagi_router");
        registry.register(
            "publishes",
            "Records published, by outcome: acknowledged, or the error code",
            metrics.publishes.clone(),
        );
        registry.register(
            "publish_seconds",
            "From the call to publish until the acknowledgement",
            metrics.publish_seconds.clone(),
        );
        registry.register(
            "batch_records",
            "Records in each produce request",
            metrics.batch_records.clone(),
        );
        registry.register(
            "open_bytes",
            "Bytes of records whose outcome is not known yet",
            metrics.open_bytes.clone(),
        );
        registry.register(
            "retries",
            "Produce requests and connections tried again",
            metrics.retries.clone(),
        );
        metrics
    }

    /// Counts one publish.
    pub(super) fn count<T>(&self, result: Result<&T, &PagiError>) {
        let outcome = result.map_or_else(|e| e.code().as_str(), |_| "acknowledged");
        self.publishes.get_or_create(&OutcomeLabel { outcome }).inc();
    }
}
