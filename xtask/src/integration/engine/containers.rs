//! Brokers in containers, by testcontainers.
//!
//! **Invariants.** No image is pulled on purpose: a tag that is there is used as it is. A container
//! ends with its value unless it is to be kept.
use std::io::{Read, Write};
use std::net::TcpListener;
use std::os::unix::net::UnixStream;
use std::time::Duration;

use testcontainers::core::{IntoContainerPort, WaitFor};
use testcontainers::runners::SyncRunner;
use testcontainers::{ContainerRequest, GenericImage, ImageExt};

use crate::failure::{Failure, Outcome, While};

const KAFKA: [&str; 2] = ["apache/kafka", "4.3.0"];
const REDPANDA: [&str; 2] = ["docker.redpanda.com/redpandadata/redpanda", "v26.1.14"];
/// The port inside the container.
const PORT: u16 = 9092;
const STARTUP_MAX: Duration = Duration::from_secs(180);
/// Below the range from which the system takes ports for outgoing connections.
const HOST_PORTS: std::ops::Range<u16> = 21_000..29_000;

/// A running container with a broker.
#[derive(Debug)]
pub(super) struct Container {
    pub(super) brokers: String,
    /// What the image really is, where it only answers to a name.
    pub(super) stand_in: Option<String>,
    _container: Option<testcontainers::Container<GenericImage>>,
}

/// Redpanda in its development mode.
pub(super) fn redpanda(keep: bool) -> Outcome<Container> {
    let port = free_port()?;
    let [name, tag] = REDPANDA;
    let ready = WaitFor::message_on_stderr("Successfully started Redpanda!");
    let advertised = format!("external://127.0.0.1:{port}");
    let request =
        GenericImage::new(name, tag).with_exposed_port(PORT.tcp()).with_wait_for(ready).with_cmd([
            "redpanda",
            "start",
            "--mode",
            "dev-container",
            "--smp",
            "1",
            "--memory",
            "1G",
            "--kafka-addr",
            &format!("external://0.0.0.0:{PORT}"),
            "--advertise-kafka-addr",
            &advertised,
        ]);
    start(REDPANDA, request, port, keep)
}

/// Apache Kafka, one node that is broker and controller.
pub(super) fn kafka(keep: bool) -> Outcome<Container> {
    let port = free_port()?;
    let [name, tag] = KAFKA;
    let mut request: ContainerRequest<GenericImage> = GenericImage::new(name, tag)
        .with_exposed_port(PORT.tcp())
        .with_wait_for(WaitFor::message_on_stdout("Kafka Server started"))
        .into();
    for (name, value) in [
        ("KAFKA_NODE_ID", "1"),
        ("KAFKA_PROCESS_ROLES", "broker,controller"),
        ("KAFKA_LISTENERS", &format!("PLAINTEXT://0.0.0.0:{PORT},CONTROLLER://127.0.0.1:9093")),
        ("KAFKA_ADVERTISED_LISTENERS", &format!("PLAINTEXT://127.0.0.1:{port}")),
        ("KAFKA_CONTROLLER_LISTENER_NAMES", "CONTROLLER"),
        ("KAFKA_LISTENER_SECURITY_PROTOCOL_MAP", "CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT"),
        ("KAFKA_CONTROLLER_QUORUM_VOTERS", "1@127.0.0.1:9093"),
        ("KAFKA_OFFSETS_TOPIC_REPLICATION_FACTOR", "1"),
        ("KAFKA_TRANSACTION_STATE_LOG_REPLICATION_FACTOR", "1"),
        ("KAFKA_TRANSACTION_STATE_LOG_MIN_ISR", "1"),
        ("KAFKA_GROUP_INITIAL_REBALANCE_DELAY_MS", "0"),
    ] {
        request = request.with_env_var(name, value);
    }
    start(KAFKA, request, port, keep)
}

fn start(
    [name, tag]: [&str; 2],
    request: impl Into<ContainerRequest<GenericImage>>,
    port: u16,
    keep: bool,
) -> Outcome<Container> {
    let request = request.into().with_mapped_port(port, PORT.tcp());
    let image = format!("{name}:{tag}");
    println!("starting {image}");
    let container =
        request.with_startup_timeout(STARTUP_MAX).start().on(format!("start {image}"))?;
    let brokers = format!("127.0.0.1:{port}");
    let stand_in = label(&image, "stand-in")?;
    println!("{image} answers at {brokers}");
    let container = if keep {
        println!("kept: `docker rm -f {}` removes it", container.id());
        std::mem::forget(container);
        None
    } else {
        Some(container)
    };
    Ok(Container { brokers, stand_in, _container: container })
}

fn free_port() -> Outcome<u16> {
    // Two runs at once begin their search at different places.
    let spread = u16::try_from(std::process::id() % 997).unwrap_or(0);
    let mut ports = HOST_PORTS.clone().skip(usize::from(spread) * 8);
    ports
        .find(|port| TcpListener::bind(("127.0.0.1", *port)).is_ok())
        .ok_or_else(|| Failure::new("no port is free"))
}

/// An image's label, asked of the engine itself.
fn label(image: &str, label: &str) -> Outcome<Option<String>> {
    let mut stream = UnixStream::connect("/var/run/docker.sock").on("reach the Docker engine")?;
    write!(stream, "GET /images/{image}/json HTTP/1.0\r\nhost: docker\r\n\r\n")?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).on("read the Docker engine's answer")?;
    let body = answer.split_once("\r\n\r\n").map_or("", |(_, body)| body);
    let image: serde_json::Value = serde_json::from_str(body).on("read the image's description")?;
    let label = image.get("Config").and_then(|c| c.get("Labels")?.get(label));
    Ok(label.and_then(|label| label.as_str()).map(str::to_owned))
}
