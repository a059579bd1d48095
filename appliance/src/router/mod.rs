//! Publishing to and consuming from any Kafka broker, through `rskafka`.
mod cluster;
mod config;
mod event_router;
mod lookup;
mod metrics;
mod queue;
mod record;
mod routes;
mod sender;
mod sync;
mod verdict;

pub use config::Config;
pub use event_router::{HEALTH_TOPIC, PagiEventRouter};
pub use record::{OutgoingRecord, Receipt};
