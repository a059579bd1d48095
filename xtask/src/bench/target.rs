//! What is measured: the appliance, or Apache Kafka beside it.
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::appliance::Appliance;
use crate::failure::{Failure, Outcome};
use crate::project;

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
    _node: Option<KafkaNode>,
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
        let (node, pid) = KafkaNode::start(folder, flush_each)?;
        Ok(Self {
            name: if flush_each { "Kafka, flush each" } else { "Kafka, no flush" },
            kafka: format!("127.0.0.1:{}", KafkaNode::PORT).parse()?,
            gateway: None,
            pid,
            ready_ms: None,
            _appliance: None,
            _node: Some(node),
        })
    }
}

/// The script for one Kafka node, if there is one: `kafka start PORT FOLDER`, `kafka stop PORT`.
pub(super) fn kafka_script() -> Option<PathBuf> {
    let folder = PathBuf::from(std::env::var_os("PAGI_MACHINE_DIR")?);
    Some(project::root().join(folder).join("kafka")).filter(|script| script.exists())
}

/// A Kafka node that the script started.
#[derive(Debug)]
struct KafkaNode {
    script: PathBuf,
}

impl KafkaNode {
    const PORT: &'static str = "19492";

    fn start(folder: &Path, flush_each: bool) -> Outcome<(Self, u32)> {
        let script = kafka_script().ok_or_else(|| Failure::new("there is no script for Kafka"))?;
        let mut start = Command::new(&script);
        start.args(["start", Self::PORT]).arg(folder.join("kafka"));
        if flush_each {
            start.env("KAFKA_OPTS_EXTRA", "log.flush.interval.messages=1");
        }
        let said = project::output(&mut start)?;
        let node = Self { script };
        let pid = said.split_once("(pid ").and_then(|(_, r)| r.split(',').next()?.parse().ok());
        Ok((node, pid.ok_or_else(|| Failure::new(format!("no pid in {said:?}")))?))
    }
}

impl Drop for KafkaNode {
    fn drop(&mut self) {
        // Nothing can be done about a script that fails.
        let _ = Command::new(&self.script).args(["stop", Self::PORT]).status();
    }
}
