//! What a user may set about the broker.
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use crate::limits::{
    MESSAGE_BYTES_MAX_DEFAULT, PARTITIONS_PER_TOPIC_MAX, RETENTION_CHECK_INTERVAL,
};

/// The broker's settings.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Config {
    /// The data folder; made when it is not there.
    pub data_dir: PathBuf,
    /// Whether a topic is made when a client first asks for it.
    pub auto_create_topics: bool,
    /// How many partitions a topic gets when the client does not say: 1 to
    /// [`PARTITIONS_PER_TOPIC_MAX`].
    pub default_partitions: u32,
    /// Bytes that the data folder may take; else the whole disk.
    pub disk_budget_bytes: Option<u64>,
    /// How often to look for records that are no longer to be kept.
    pub retention_check_interval: Duration,
    /// The largest record batch taken, in bytes.
    pub message_bytes_max: usize,
    /// `host:port` that clients are told to connect to. Without it they are told the address
    /// that they reached.
    pub advertised: Option<String>,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            data_dir: PathBuf::from("./pagi-data"),
            auto_create_topics: true,
            default_partitions: 1,
            disk_budget_bytes: None,
            retention_check_interval: RETENTION_CHECK_INTERVAL,
            message_bytes_max: MESSAGE_BYTES_MAX_DEFAULT,
            advertised: None,
        }
    }
}

/// A setting that makes no sense.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ConfigError {
    /// The number of partitions is off limits.
    #[error("default partitions: {0} is not in 1 to {PARTITIONS_PER_TOPIC_MAX}")]
    Partitions(u32),
    /// The advertised address has no port.
    #[error("advertised address: \"{0}\" is not host:port")]
    Advertised(String),
}

/// Where clients are told to connect to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Endpoint {
    /// A host name or address.
    pub host: String,
    /// A port.
    pub port: u16,
}

impl Config {
    /// The advertised address, taken apart.
    ///
    /// # Errors
    /// [`ConfigError`] for the first setting that makes no sense.
    pub fn validate(&self) -> Result<Option<Endpoint>, ConfigError> {
        if self.default_partitions == 0 || self.default_partitions > PARTITIONS_PER_TOPIC_MAX {
            return Err(ConfigError::Partitions(self.default_partitions));
        }
        let Some(advertised) = &self.advertised else { return Ok(None) };
        let endpoint = advertised.rsplit_once(':').and_then(|(host, port)| {
            let host = host.trim_start_matches('[').trim_end_matches(']');
            let port = port.parse().ok().filter(|port| *port > 0)?;
            (!host.is_empty()).then(|| Endpoint { host: host.to_owned(), port })
        });
        endpoint.map(Some).ok_or_else(|| ConfigError::Advertised(advertised.clone()))
    }
}

impl From<SocketAddr> for Endpoint {
    fn from(address: SocketAddr) -> Self {
        Self { host: address.ip().to_canonical().to_string(), port: address.port() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_advertised_address_is_a_host_and_a_port() {
        let advertised = |text: &str| {
            Config { advertised: Some(text.to_owned()), ..Config::default() }.validate()
        };
        let endpoint = |host: &str, port| Ok(Some(Endpoint { host: host.to_owned(), port }));
        assert_eq!(advertised("vm1.example:9092"), endpoint("vm1.example", 9092));
        assert_eq!(advertised("[::1]:9092"), endpoint("::1", 9092));
        for wrong in ["vm1", ":9092", "vm1:0", "vm1:70000", ""] {
            assert!(advertised(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn the_number_of_partitions_is_bounded() {
        for wrong in [0, PARTITIONS_PER_TOPIC_MAX + 1] {
            let config = Config { default_partitions: wrong, ..Config::default() };
            assert_eq!(config.validate(), Err(ConfigError::Partitions(wrong)));
        }
    }
}
