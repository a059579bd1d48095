//! What is measured: the appliance, or Apache Kafka beside it.
use std::net::SocketAddr;
use std::path::Path;

use crate::apache_kafka::Node;
use crate::appliance::Appliance;
use crate::failure::Outcome;

/// Below those that the system gives out, so that it is free.
const KAFKA_PORT: u16 = 19492;

/// A process to put a load on; it ends with this value.
#[derive(Debug)]
pub(super) struct Target {
    pub(super) name: &'static str,
    pub(super) kafka: SocketAddr,
    /// Where there is a gateway.
    pub(super) gateway: Option<SocketAddr>,
    pub(super) pid: u32,
    /// From the start until it said where it is, where that is known.
    pub(super) ready_ms: Option<f64>,
    _appliance: Option<Appliance>,
    _node: Option<Node>,
}

impl Target {
    pub(super) fn appliance(binary: &Path, folder: &Path, more: &[&str]) -> Outcome<Self> {
        let appliance = Appliance::start(binary, folder, more)?;
        Ok(Self {
            name: "pagi",
            kafka: appliance.kafka()?,
            gateway: appliance.addresses.gateway,
            pid: appliance.pid(),
            ready_ms: Some(appliance.ready_after.as_secs_f64() * 1e3),
            _appliance: Some(appliance),
            _node: None,
        })
    }

    /// Kafka as it comes, or with a flush for each record batch: the same promise as ours.
    pub(super) fn kafka(folder: &Path, flush_each: bool) -> Outcome<Self> {
        let properties = if flush_each { "log.flush.interval.messages=1" } else { "" };
        let node = Node::start(KAFKA_PORT, &folder.join("kafka"), properties)?;
        Ok(Self {
            name: if flush_each { "Kafka, flush each" } else { "Kafka, no flush" },
            kafka: node.address(),
            gateway: None,
            pid: node.pid(),
            ready_ms: None,
            _appliance: None,
            _node: Some(node),
        })
    }
}
