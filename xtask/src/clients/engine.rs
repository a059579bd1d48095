//! The brokers that clients are run against, each behind a proxy whose address it advertises.
use std::net::{Ipv4Addr, SocketAddr, ToSocketAddrs};
use std::path::Path;
use std::sync::Arc;

use crate::apache_kafka::{Node, free_ports};
use crate::appliance::Appliance;
use crate::failure::{Failure, Outcome, While};
use crate::wire::flaky::Flaky;
use crate::wire::proxy::{self, Proxy};
use crate::wire::recorder::Recorder;

/// A broker to run clients against; it ends with this value.
pub(super) struct Engine {
    pub(super) name: &'static str,
    /// Where clients connect to.
    pub(super) bootstrap: SocketAddr,
    proxy: Proxy,
    appliance: Option<Appliance>,
    node: Option<Node>,
}

impl Engine {
    /// The broker inside the appliance.
    pub(super) fn embedded(binary: &Path, folder: &Path) -> Outcome<Self> {
        let listener = listen()?;
        let bootstrap = listener.address();
        let advertised = bootstrap.to_string();
        let appliance = Appliance::start(binary, folder, &["--advertised-address", &advertised])?;
        let proxy = listener.forward(appliance.kafka()?, Some(Flaky::default()))?;
        Ok(Self { name: "embedded", bootstrap, proxy, appliance: Some(appliance), node: None })
    }

    /// Apache Kafka on this machine.
    pub(super) fn kafka(folder: &Path) -> Outcome<Self> {
        let listener = listen()?;
        let bootstrap = listener.address();
        let advertised = format!("advertised.listeners=PLAINTEXT://{bootstrap}");
        let [port] = free_ports()?;
        let node = Node::start(port, &folder.join("kafka"), &advertised)?;
        let proxy = listener.forward(node.address(), Some(Flaky::default()))?;
        Ok(Self { name: "kafka", bootstrap, proxy, appliance: None, node: Some(node) })
    }

    /// A broker that runs already. Clients find its own address in its answers: only their first
    /// connection goes through the proxy.
    pub(super) fn yours(brokers: &str) -> Outcome<Self> {
        let mut addresses = brokers.to_socket_addrs().on(format_args!("resolve {brokers}"))?;
        let broker = addresses.next().ok_or_else(|| Failure::new("no such broker"))?;
        let listener = listen()?;
        let bootstrap = listener.address();
        let proxy = listener.forward(broker, None)?;
        Ok(Self { name: "yours", bootstrap, proxy, appliance: None, node: None })
    }

    /// Writes down what passes on connections that begin from now on.
    pub(super) fn record(&self, file: &Path) -> Outcome {
        self.proxy.observe(Some(Arc::new(Recorder::create(file)?)));
        Ok(())
    }

    /// What names on this broker begin with: a broker that goes on running knows those of earlier
    /// runs.
    pub(super) fn name_prefix(&self) -> String {
        let new = self.appliance.is_some() || self.node.is_some();
        if new { String::new() } else { format!("run-{}-", std::process::id()) }
    }
}

fn listen() -> Outcome<proxy::Listener> {
    proxy::bind((Ipv4Addr::LOCALHOST, 0).into())
}
