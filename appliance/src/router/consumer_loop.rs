//! `start_consumer_loop`: the consumer in a task of its own, with the `log` handler.
use std::sync::Arc;

use pagi_protocol::{ErrorCode, PagiError, TopicName};
use tokio::task::JoinHandle;

use super::consumer;
use super::consumer_config::{ConsumerConfig, Summary};
use super::log_handler::LogHandler;
use crate::shutdown::{self, Trigger};

/// A consumer that runs in a task of its own. Dropping this leaves it running.
#[derive(Debug)]
pub struct ConsumerLoop {
    trigger: Arc<Trigger>,
    task: JoinHandle<Result<Summary, PagiError>>,
}

impl ConsumerLoop {
    /// Asks the consumer to stop, and waits until it has committed what is done.
    ///
    /// # Errors
    /// As [`consumer::run`].
    pub async fn stop(self) -> Result<Summary, PagiError> {
        self.trigger.request();
        self.ended().await
    }

    /// Waits until the consumer has ended by itself, which it does only when it cannot go on.
    ///
    /// # Errors
    /// As [`consumer::run`].
    pub async fn ended(self) -> Result<Summary, PagiError> {
        self.task.await.unwrap_or_else(|error| {
            Err(PagiError::new(ErrorCode::Internal, format!("the consumer failed: {error}")))
        })
    }
}

/// Starts a task that polls `topics` without end, writes each event's topic, key, headers and
/// payload to standard output as a line of JSON, and commits, under `group_id`, offsets only of
/// what was written. `brokers` are `host:port`, separated by commas; as long as none answers it
/// keeps trying.
///
/// # Errors
/// [`ErrorCode::InvalidTopic`] and [`ErrorCode::InvalidConfig`], before anything is started.
pub async fn start_consumer_loop(
    brokers: String,
    group_id: String,
    topics: &[&str],
) -> Result<ConsumerLoop, PagiError> {
    let topics = topics.iter().map(|topic| TopicName::parse(topic));
    let topics = topics.collect::<Result<Vec<_>, _>>()?;
    let brokers = brokers.split(',').map(str::trim).filter(|broker| !broker.is_empty());
    let config = ConsumerConfig::new(brokers.map(ToOwned::to_owned).collect(), group_id, topics);
    config.validate()?;
    let handler = LogHandler::stdout()
        .map_err(|error| PagiError::new(ErrorCode::Internal, error.to_string()))?;
    let (trigger, shutdown) = shutdown::channel();
    let trigger = Arc::new(trigger);
    let kept = Arc::clone(&trigger);
    let task = tokio::spawn(async move {
        let result = consumer::run(config, handler, shutdown).await;
        if let Err(error) = &result {
            tracing::error!(%error, "the consumer cannot go on");
        }
        // Held until here: dropping the last trigger would be a request to stop.
        drop(kept);
        result
    });
    Ok(ConsumerLoop { trigger, task })
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn refusal(brokers: &str, topics: &[&str]) -> ErrorCode {
        let result = start_consumer_loop(brokers.to_owned(), "g".to_owned(), topics).await;
        result.unwrap_err().code()
    }

    #[tokio::test]
    async fn nonsense_is_refused_before_anything_starts() {
        assert_eq!(refusal("localhost:9092", &["a/b"]).await, ErrorCode::InvalidTopic);
        assert_eq!(refusal("localhost:9092", &[]).await, ErrorCode::InvalidConfig);
        assert_eq!(refusal(" , ", &["a"]).await, ErrorCode::InvalidConfig);
    }

    #[tokio::test]
    async fn it_keeps_trying_without_a_broker_and_stops_when_asked() {
        // Nothing listens on port 1.
        let consumer =
            start_consumer_loop("127.0.0.1:1".to_owned(), "g".to_owned(), &["a"]).await.unwrap();
        let summary = consumer.stop().await.unwrap();
        assert_eq!(summary.events, 0);
    }
}
