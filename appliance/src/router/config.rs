//! What a publisher can be told.
use std::time::Duration;

use crate::limits;

/// The publisher's configuration.
#[derive(Debug, Clone)]
pub struct Config {
    /// Where to ask for the cluster, as `host:port`; any that answers will do.
    pub brokers: Vec<String>,
    /// How the client names itself to the broker.
    pub client_id: String,
    /// The longest a publish may take until its outcome is told.
    pub delivery_timeout: Duration,
    /// The largest record, in bytes: key, value, headers and a small overhead.
    pub record_bytes_max: usize,
    /// The most bytes of records whose outcome is open; above, publishing is refused.
    pub queue_bytes_max: usize,
    /// The most bytes in one produce request; a larger record travels alone.
    pub batch_bytes_max: usize,
    /// The most records in one produce request.
    pub batch_records_max: usize,
    /// A partition unused for so long gives its connection back.
    pub idle_timeout: Duration,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            brokers: vec!["127.0.0.1:9092".to_owned()],
            client_id: "pagi-router".to_owned(),
            delivery_timeout: limits::DELIVERY_TIMEOUT,
            record_bytes_max: limits::RECORD_BYTES_MAX,
            queue_bytes_max: limits::PUBLISH_QUEUE_BYTES_MAX,
            batch_bytes_max: limits::PUBLISH_BATCH_BYTES_MAX,
            batch_records_max: limits::PUBLISH_BATCH_RECORDS_MAX,
            idle_timeout: limits::PARTITION_IDLE_TIMEOUT,
        }
    }
}
