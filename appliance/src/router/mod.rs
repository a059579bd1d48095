//! Publishing to and consuming from any Kafka broker, through `rskafka`.
mod batches;
mod cluster;
pub mod commands;
mod config;
mod connection;
pub mod consumer;
mod consumer_config;
mod consumer_loop;
mod coordinator;
mod dead_letter;
mod dead_letters;
mod delivery;
mod discovery;
pub mod dlq;
#[cfg(test)]
mod edges;
mod event;
mod event_router;
mod exec_handler;
#[cfg(test)]
mod fake_batch;
#[cfg(test)]
mod fake_broker;
mod fetcher;
mod group_client;
pub mod handler;
mod json_line;
mod leader;
mod log_handler;
mod lookup;
mod member;
mod membership;
mod metrics;
mod nodelay;
mod queue;
mod readers;
mod record;
mod routes;
mod sender;
mod sharing;
mod starts;
mod sync;
mod topic_partition;
mod verdict;
mod webhook;
mod webhook_args;

pub use config::Config;
pub(crate) use connection::Connection;
pub use consumer_config::{
    Assignment, Assignor, ConsumerConfig, Ended, OutOfRange, StartFrom, Summary,
};
pub use consumer_loop::{ConsumerLoop, start_consumer_loop};
pub use event::Event;
pub use event_router::{PagiEventRouter, Submission};
pub use exec_handler::ExecHandler;
pub use log_handler::LogHandler;
pub use lookup::{AUDIT_TOPIC, HEALTH_TOPIC};
pub use record::{OutgoingRecord, Receipt};
pub use webhook::{
    Mode as WebhookMode, Secret as WebhookSecret, WebhookConfig, WebhookHandler, WebhookUrl,
};
