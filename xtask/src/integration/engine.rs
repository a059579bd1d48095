//! The brokers that can be tested against.
#[cfg(feature = "containers")]
mod containers;

use std::fmt;
use std::os::unix::net::UnixStream;
use std::str::FromStr;

use super::cluster::Cluster;
use crate::failure::{Failure, Outcome};
use crate::{apache_kafka, project};

/// A broker to test against.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Engine {
    /// The broker inside the appliance.
    Embedded,
    /// Redpanda in a container.
    Redpanda,
    /// Apache Kafka in a container.
    Kafka,
    /// Apache Kafka on this machine, without a container.
    KafkaLocal,
    /// Three nodes of it, with three replicas of everything.
    Cluster,
    /// One that runs already, at this address.
    Running(String),
}

impl Engine {
    pub(super) const fn needs_containers(&self) -> bool {
        matches!(self, Self::Redpanda | Self::Kafka)
    }
}

impl fmt::Display for Engine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Embedded => f.write_str("embedded"),
            Self::Redpanda => f.write_str("redpanda"),
            Self::Kafka => f.write_str("kafka"),
            Self::KafkaLocal => f.write_str("kafka-local"),
            Self::Cluster => f.write_str("cluster"),
            Self::Running(brokers) => f.write_str(brokers),
        }
    }
}

impl FromStr for Engine {
    type Err = String;

    fn from_str(name: &str) -> Result<Self, String> {
        [Self::Embedded, Self::Redpanda, Self::Kafka, Self::KafkaLocal, Self::Cluster]
            .into_iter()
            .find(|engine| engine.to_string() == name)
            .ok_or_else(|| {
                "there are redpanda, kafka, kafka-local, cluster and embedded".to_owned()
            })
    }
}

/// A broker that answers, as long as this value lives.
#[derive(Debug)]
pub(super) struct Running {
    /// For the table.
    pub(super) name: String,
    /// None: the appliance starts its own.
    pub(super) brokers: Option<String>,
    /// What a reader of the results has to know.
    pub(super) note: Option<String>,
    /// A broker of this cluster may be killed.
    pub(super) cluster: Option<Cluster>,
    _node: Option<(apache_kafka::Node, tempfile::TempDir)>,
    #[cfg(feature = "containers")]
    _container: Option<containers::Container>,
}

impl Running {
    fn outside(name: String, brokers: Option<String>) -> Self {
        Self {
            name,
            brokers,
            note: None,
            cluster: None,
            _node: None,
            #[cfg(feature = "containers")]
            _container: None,
        }
    }
}

/// Starts `engine` unless it runs already, and waits until it is ready.
pub(super) fn start(engine: &Engine, keep: bool) -> Outcome<Running> {
    match engine {
        Engine::Embedded => Ok(Running::outside(engine.to_string(), None)),
        Engine::Running(brokers) => Ok(Running::outside(engine.to_string(), Some(brokers.clone()))),
        Engine::KafkaLocal => {
            script(engine)?;
            let folder = tempfile::tempdir_in(project::target())?;
            let [port] = apache_kafka::free_ports()?;
            let node = apache_kafka::Node::start(port, &folder.path().join("data"), "")?;
            let running = Running::outside(engine.to_string(), Some(node.address().to_string()));
            Ok(Running { _node: Some((node, folder)), ..running })
        }
        Engine::Cluster => {
            script(engine)?;
            let cluster = Cluster::start()?;
            let running = Running::outside(engine.to_string(), Some(cluster.brokers(None)));
            Ok(Running { cluster: Some(cluster), ..running })
        }
        Engine::Redpanda | Engine::Kafka => {
            docker_answers()?;
            start_container(engine, keep)
        }
    }
}

#[cfg(not(feature = "containers"))]
fn start_container(engine: &Engine, _keep: bool) -> Outcome<Running> {
    Err(Failure::new(format!("{engine} needs the feature `containers`")))
}

#[cfg(feature = "containers")]
fn start_container(engine: &Engine, keep: bool) -> Outcome<Running> {
    let container = match engine {
        Engine::Kafka => containers::kafka(keep)?,
        _ => containers::redpanda(keep)?,
    };
    let mut name = engine.to_string();
    if let Some(what) = &container.stand_in {
        name.push_str(&format!(" (stand-in: {what})"));
    }
    let note = container.stand_in.as_ref().map(|what| {
        format!(
            "the image that answers to {engine}'s name is a stand-in ({what}): this shows that the \
                 harness drives the container rightly, nothing about {engine} itself"
        )
    });
    let brokers = Some(container.brokers.clone());
    Ok(Running { note, _container: Some(container), ..Running::outside(name, brokers) })
}

/// Fails with what to run instead when nothing can start Apache Kafka here.
fn script(engine: &Engine) -> Outcome {
    if apache_kafka::script().is_some() {
        return Ok(());
    }
    Err(Failure::new(format!(
        "{engine} needs a script that starts Apache Kafka: set PAGI_MACHINE_DIR to the folder that has \
         `kafka`.\nOr start a broker yourself and run `cargo xtask integration --brokers HOST:PORT`"
    )))
}

/// Fails with what to run instead when no Docker engine answers.
pub(super) fn docker_answers() -> Outcome {
    let host = std::env::var("DOCKER_HOST").unwrap_or_default();
    let socket = match host.strip_prefix("unix://") {
        Some(path) => path.to_owned(),
        None if host.is_empty() => "/var/run/docker.sock".to_owned(),
        None => return Ok(()), // over TCP: the client finds out
    };
    if UnixStream::connect(&socket).is_ok() {
        return Ok(());
    }
    Err(Failure::new(format!(
        "no Docker engine answers at {socket}, and redpanda and kafka run in containers.\n\
         Run `cargo xtask integration --engine embedded`, or start a broker yourself and run \
         `cargo xtask integration --brokers HOST:PORT`"
    )))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn engines_are_known_by_name() {
        for name in ["embedded", "redpanda", "kafka", "kafka-local", "cluster"] {
            assert_eq!(name.parse::<Engine>().unwrap().to_string(), name);
        }
        assert!("rabbit".parse::<Engine>().is_err());
    }
}
