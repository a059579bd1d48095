//! What the gateway counts.
use std::time::Duration;

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::{Registry, Unit};

/// Upper bounds of the duration buckets, in seconds: a durable answer takes a few milliseconds.
const DURATION_BUCKETS: [f64; 14] =
    [0.0005, 0.001, 0.002, 0.004, 0.008, 0.016, 0.032, 0.064, 0.128, 0.25, 0.5, 1.0, 5.0, 30.0];

#[derive(Clone)]
pub(super) struct Metrics {
    requests: Family<Answered, Counter>,
    durations: Family<Timed, Histogram, fn() -> Histogram>,
    audit: Family<AuditOutcome, Counter>,
    payload_bytes: Counter,
    pub(super) clients_left: Counter,
    pub(super) connections: Gauge,
    pub(super) connections_refused: Counter,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Answered {
    route: &'static str,
    status: u16,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Timed {
    route: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct AuditOutcome {
    outcome: &'static str,
}

impl Metrics {
    pub(super) fn new(registry: &mut Registry) -> Self {
        let metrics = Self {
            requests: Family::default(),
            durations: Family::new_with_constructor(|| Histogram::new(DURATION_BUCKETS)),
            audit: Family::default(),
            payload_bytes: Counter::default(),
            clients_left: Counter::default(),
            connections: Gauge::default(),
            connections_refused: Counter::default(),
        };
        registry.register(
            "pagi_http_requests",
            "Requests answered, by route and status",
            metrics.requests.clone(),
        );
        registry.register_with_unit(
            "pagi_http_request_duration",
            "Time from a request's head to the head of its answer",
            Unit::Seconds,
            metrics.durations.clone(),
        );
        registry.register_with_unit(
            "pagi_publish_payload",
            "Payload of the events that were published and are durable",
            Unit::Bytes,
            metrics.payload_bytes.clone(),
        );
        registry.register(
            "pagi_publish_clients_left",
            "Publish requests whose client left before the answer; they are counted as requests, too",
            metrics.clients_left.clone(),
        );
        registry.register(
            "pagi_http_connections",
            "Connections that are open on the gateway's listener",
            metrics.connections.clone(),
        );
        registry.register(
            "pagi_http_connections_refused",
            "Connections answered 503 and closed, since too many were open",
            metrics.connections_refused.clone(),
        );
        registry.register(
            "pagi_audit_events",
            "Audit events, by outcome: published, failed, or dropped from a full queue",
            metrics.audit.clone(),
        );
        metrics
    }

    pub(super) fn published(&self, payload_bytes: usize) {
        self.payload_bytes.inc_by(u64::try_from(payload_bytes).unwrap_or(u64::MAX));
    }

    pub(super) fn answered(&self, route: &'static str, status: u16, took: Duration) {
        self.requests.get_or_create(&Answered { route, status }).inc();
        self.durations.get_or_create(&Timed { route }).observe(took.as_secs_f64());
    }

    pub(super) fn audited(&self, outcome: &'static str) {
        self.audit.get_or_create(&AuditOutcome { outcome }).inc();
    }
}
