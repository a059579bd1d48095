//! Every setting with its flag, its `PAGI_` variable and its default. The TOML key is the flag's
//! name with `_` for `-`.
use std::net::{Ipv4Addr, SocketAddr};
use std::num::NonZeroU32;
use std::path::PathBuf;

use clap::{ArgAction, Args};
use pagi_protocol::TopicName;

use crate::core::json_pointer::JsonPointer;
use crate::core::units::{DiskSize, Size, Span};
use crate::limits;
use crate::proxy::{IDENTITY_URL, UpstreamUrl};

fn topic_name(text: &str) -> Result<TopicName, String> {
    TopicName::parse(text).map_err(|error| error.detail().to_owned())
}

const fn loopback(port: u16) -> SocketAddr {
    SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::LOCALHOST), port)
}

/// What every server command may be told.
#[derive(Debug, Clone, Args)]
pub struct ProcessOptions {
    /// Address of /livez, /readyz and /metrics
    #[arg(long, env = "PAGI_ADMIN_LISTEN", value_name = "ADDR", default_value_t = loopback(9600))]
    pub admin_listen: SocketAddr,
    /// How long accepted work may take to finish after SIGTERM or ctrl-c
    #[arg(long, env = "PAGI_DRAIN_TIMEOUT", value_name = "TIME",
        default_value_t = Span(limits::DRAIN_TIMEOUT))]
    pub drain_timeout: Span,
    /// Listen on addresses that other machines can reach, although nobody is asked who they are:
    /// this version has no TLS and no credentials
    #[arg(long, env = "PAGI_INSECURE_LISTEN_ANYWHERE", value_name = "BOOL", action = ArgAction::Set,
        num_args = 0..=1, require_equals = true, default_value_t = false,
        default_missing_value = "true")]
    pub insecure_listen_anywhere: bool,
}

/// What the embedded broker may be told.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Embedded broker")]
pub struct BrokerOptions {
    /// Address for Kafka clients
    #[arg(long, env = "PAGI_KAFKA_LISTEN", value_name = "ADDR", default_value_t = loopback(9092))]
    pub kafka_listen: SocketAddr,
    /// Folder of the log; one process at a time
    #[arg(long, env = "PAGI_DATA_DIR", value_name = "DIR", default_value = "./pagi-data")]
    pub data_dir: PathBuf,
    /// Create a topic when it is first used
    #[arg(long, env = "PAGI_AUTO_CREATE_TOPICS", value_name = "BOOL", action = ArgAction::Set,
        num_args = 0..=1, require_equals = true, default_value_t = true,
        default_missing_value = "true")]
    pub auto_create_topics: bool,
    /// Partitions of a topic that is created without saying how many
    #[arg(long, env = "PAGI_DEFAULT_PARTITIONS", value_name = "N", default_value_t = 1,
        value_parser = clap::value_parser!(u32).range(1..=i64::from(limits::PARTITIONS_PER_TOPIC_MAX)))]
    pub default_partitions: u32,
    /// Bytes that the data folder may take; producers are refused beyond [default: the whole disk]
    #[arg(long, env = "PAGI_DISK_BUDGET", value_name = "SIZE")]
    pub disk_budget: Option<DiskSize>,
    /// How often to look for records that are no longer to be kept
    #[arg(long, env = "PAGI_RETENTION_CHECK_INTERVAL", value_name = "TIME",
        default_value_t = Span(limits::RETENTION_CHECK_INTERVAL))]
    pub retention_check_interval: Span,
    /// host:port that Kafka clients are told to connect to [default: the address they reached]
    #[arg(long, env = "PAGI_ADVERTISED_ADDRESS", value_name = "HOST:PORT")]
    pub advertised_address: Option<String>,
}

/// What the gateway may be told.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Gateway")]
pub struct GatewayOptions {
    /// Address for HTTP clients
    #[arg(long, env = "PAGI_HTTP_LISTEN", value_name = "ADDR", default_value_t = loopback(8080))]
    pub http_listen: SocketAddr,
    /// Kafka brokers to use instead of the embedded one, which then stays off
    #[arg(long, env = "PAGI_BROKERS", value_name = "HOST:PORT,..", value_delimiter = ',')]
    pub brokers: Vec<String>,
    /// Record every published and proxied request in the topic pagi.audit
    #[arg(long, env = "PAGI_AUDIT", value_name = "BOOL", action = ArgAction::Set, num_args = 0..=1,
        require_equals = true, default_value_t = false, default_missing_value = "true")]
    pub audit: bool,
    /// Topic of events that name none [default: they are refused]
    #[arg(long, env = "PAGI_DEFAULT_TOPIC", value_name = "TOPIC", value_parser = topic_name)]
    pub default_topic: Option<TopicName>,
    /// Where in a JSON payload its key is, as in /twin/id, where nothing else names one
    #[arg(long, env = "PAGI_KEY_POINTER", value_name = "POINTER")]
    pub key_pointer: Option<JsonPointer>,
    /// How long a publish may take until its outcome is told
    #[arg(long, env = "PAGI_DELIVERY_TIMEOUT", value_name = "TIME",
        default_value_t = Span(limits::DELIVERY_TIMEOUT))]
    pub delivery_timeout: Span,
    /// Connections at once
    #[arg(long, env = "PAGI_HTTP_CONNECTIONS_MAX", value_name = "N",
        default_value_t = limits::HTTP_CONNECTIONS_MAX)]
    pub http_connections_max: usize,
    /// How long a connection may be idle, or take to send a request's head
    #[arg(long, env = "PAGI_HTTP_IDLE_TIMEOUT", value_name = "TIME",
        default_value_t = Span(limits::HTTP_IDLE_TIMEOUT))]
    pub http_idle_timeout: Span,
    /// How long a request's body may take to arrive
    #[arg(long, env = "PAGI_HTTP_BODY_TIMEOUT", value_name = "TIME",
        default_value_t = Span(limits::HTTP_BODY_TIMEOUT))]
    pub http_body_timeout: Span,
    /// Largest body of a publish request
    #[arg(long, env = "PAGI_PUBLISH_BODY_BYTES_MAX", value_name = "SIZE",
        default_value_t = Size(limits::PUBLISH_BODY_BYTES_MAX))]
    pub publish_body_bytes_max: Size,
    /// Publish requests under way at once, streams among them
    #[arg(long, env = "PAGI_PUBLISH_REQUESTS_MAX", value_name = "N",
        default_value_t = limits::PUBLISH_REQUESTS_MAX)]
    pub publish_requests_max: usize,
    /// Events a second that one client address may publish [default: as many as it likes]
    #[arg(long, env = "PAGI_CLIENT_RATE", value_name = "N")]
    pub client_rate: Option<NonZeroU32>,
    /// Events that it may publish at once after a silence [default: as many as in a second]
    #[arg(long, env = "PAGI_CLIENT_BURST", value_name = "N", requires = "client_rate")]
    pub client_burst: Option<NonZeroU32>,
    /// Bytes of all publish requests at once
    #[arg(long, env = "PAGI_PUBLISH_IN_FLIGHT_BYTES_MAX", value_name = "SIZE",
        default_value_t = Size(limits::PUBLISH_IN_FLIGHT_BYTES_MAX))]
    pub publish_in_flight_bytes_max: Size,
}

/// What the proxy to the identity service may be told.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Identity service")]
pub struct ProxyOptions {
    /// Base URL of the identity service; of each of its instances, where there are several
    #[arg(long, env = "PAGI_IDENTITY_URL", value_name = "URL,..", value_delimiter = ',',
        default_value = IDENTITY_URL)]
    pub identity_url: Vec<UpstreamUrl>,
    /// Path at which each instance says whether it is well [default: it is not asked]
    #[arg(long, env = "PAGI_IDENTITY_HEALTH_PATH", value_name = "PATH")]
    pub identity_health_path: Option<String>,
    /// How long connecting to it may take
    #[arg(long, env = "PAGI_IDENTITY_CONNECT_TIMEOUT", value_name = "TIME",
        default_value_t = Span(limits::UPSTREAM_CONNECT_TIMEOUT))]
    pub identity_connect_timeout: Span,
    /// How long it may take to begin its answer
    #[arg(long, env = "PAGI_IDENTITY_FIRST_BYTE_TIMEOUT", value_name = "TIME",
        default_value_t = Span(limits::UPSTREAM_FIRST_BYTE_TIMEOUT))]
    pub identity_first_byte_timeout: Span,
    /// How long a request to it may take, to the last byte of the answer
    #[arg(long, env = "PAGI_IDENTITY_TOTAL_TIMEOUT", value_name = "TIME",
        default_value_t = Span(limits::UPSTREAM_TOTAL_TIMEOUT))]
    pub identity_total_timeout: Span,
}
