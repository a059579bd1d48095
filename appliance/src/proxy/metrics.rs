//! What the proxy counts.
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::registry::Registry;

use super::error::ProxyError;

#[derive(Clone)]
pub(super) struct Metrics {
    requests: Family<Outcome, Counter>,
    pub(super) retries: Counter,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Outcome {
    outcome: &'static str,
}

impl Metrics {
    pub(super) fn new(registry: &mut Registry) -> Self {
        let metrics = Self { requests: Family::default(), retries: Counter::default() };
        registry.register(
            "pagi_proxy_requests",
            "Requests to upstream services, by outcome: answered, or why not (RFC 9209 names)",
            metrics.requests.clone(),
        );
        registry.register(
            "pagi_proxy_retries",
            "Requests sent again on a new connection, since the old one had been closed",
            metrics.retries.clone(),
        );
        metrics
    }

    pub(super) fn count(&self, error: Option<&ProxyError>) {
        let outcome = match error {
            None => "answered",
            Some(error) => error.proxy_status().unwrap_or("refused"),
        };
        self.requests.get_or_create(&Outcome { outcome }).inc();
    }
}
