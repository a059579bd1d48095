//! What the broker counts.
use pagi_protocol::kafka::api::ApiKey;
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;

use super::store::storage::Space;

/// The broker's metrics. Cheap to clone.
#[derive(Debug, Clone, Default)]
pub struct Metrics {
    /// Open connections.
    pub connections: Gauge,
    /// Connections that were closed because of what they sent.
    pub refused_connections: Counter,
    requests: Family<ApiLabel, Counter>,
    groups: Family<StateLabel, Gauge>,
    /// Members of consumer groups.
    pub group_members: Gauge,
    /// Generations that consumer groups have begun.
    pub group_generations: Counter,
    /// Bytes of record batches that were acknowledged.
    pub produced_bytes: Counter,
    /// Records that were acknowledged.
    pub produced_records: Counter,
    disk_free_bytes: Gauge,
    disk_total_bytes: Gauge,
    /// Bytes of record batches that were given to consumers.
    pub fetched_bytes: Counter,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ApiLabel {
    api: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct StateLabel {
    state: &'static str,
}

impl Metrics {
    /// Makes the metrics known to `registry`.
    #[must_use]
    pub fn register(registry: &mut Registry) -> Self {
        let metrics = Self::default();
        registry.register(
            "pagi_broker_connections",
            "Open Kafka connections",
            metrics.connections.clone(),
        );
        registry.register(
            "pagi_broker_refused_connections",
            "Kafka connections closed because of what they sent",
            metrics.refused_connections.clone(),
        );
        registry.register("pagi_broker_requests", "Kafka requests", metrics.requests.clone());
        registry.register(
            "pagi_broker_produced_bytes",
            "Bytes of record batches acknowledged as durable",
            metrics.produced_bytes.clone(),
        );
        registry.register(
            "pagi_broker_produced_records",
            "Records acknowledged as durable",
            metrics.produced_records.clone(),
        );
        registry.register(
            "pagi_broker_fetched_bytes",
            "Bytes of record batches given to consumers",
            metrics.fetched_bytes.clone(),
        );
        registry.register(
            "pagi_broker_disk_free_bytes",
            "Bytes that the data folder may still take",
            metrics.disk_free_bytes.clone(),
        );
        registry.register(
            "pagi_broker_disk_total_bytes",
            "Bytes of the data folder's disk, or of its budget where that is less",
            metrics.disk_total_bytes.clone(),
        );
        registry.register(
            "pagi_broker_groups",
            "Consumer groups that have or had members, by state",
            metrics.groups.clone(),
        );
        registry.register(
            "pagi_broker_group_members",
            "Members of consumer groups",
            metrics.group_members.clone(),
        );
        registry.register(
            "pagi_broker_group_generations",
            "Generations that consumer groups have begun: each is a rebalance",
            metrics.group_generations.clone(),
        );
        metrics
    }

    /// Takes note of the room on the disk.
    pub fn disk(&self, space: Space) {
        let number = |bytes| i64::try_from(bytes).unwrap_or(i64::MAX);
        self.disk_free_bytes.set(number(space.free_bytes));
        self.disk_total_bytes.set(number(space.total_bytes));
    }

    /// The groups in a state.
    #[must_use]
    pub fn groups(&self, state: &'static str) -> Gauge {
        self.groups.get_or_create(&StateLabel { state }).clone()
    }

    /// Counts a request.
    pub fn count(&self, api: ApiKey) {
        self.requests.get_or_create(&ApiLabel { api: format!("{api:?}") }).inc();
    }
}
