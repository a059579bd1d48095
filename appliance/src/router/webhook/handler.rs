//! Delivers events over one connection, one after the other.
//!
//! **Invariants.** An event counts as done only when the webhook said so with a status 2xx. It is
//! sent again without counting as another try only where a connection from before turned out to be
//! closed. No delivery takes longer than [`WEBHOOK_TIMEOUT`].
use std::sync::Arc;

use tokio::time::timeout;

use super::connection::{Connection, Reply, Trouble};
use super::request::{self, Mode};
use super::signature::Secret;
use super::url::WebhookUrl;
use super::{answer, connection};
use crate::limits::WEBHOOK_TIMEOUT;
use crate::router::event::Event;
use crate::router::handler::{Answer, Handler, HandlerError};
use crate::router::sync::now_ms;

/// Where and how to deliver events.
#[derive(Debug, Clone)]
pub struct WebhookConfig {
    /// The webhook.
    pub url: WebhookUrl,
    /// How an event is written into a request.
    pub mode: Mode,
    /// Signs each request, if there is one.
    pub secret: Option<Secret>,
}

/// Posts each event to a webhook, as a CloudEvent. One delivery is under way at a time; for more,
/// take several.
pub struct WebhookHandler {
    config: Arc<WebhookConfig>,
    connection: Option<Connection>,
}

impl WebhookHandler {
    /// Connects when the first event comes.
    #[must_use]
    pub const fn new(config: Arc<WebhookConfig>) -> Self {
        Self { config, connection: None }
    }

    async fn deliver(&mut self, event: &Event) -> Answer {
        let delivery = timeout(WEBHOOK_TIMEOUT, self.post(event));
        let reply = match delivery.await {
            Ok(Ok(reply)) => reply,
            Ok(Err(Failure::Request(reason))) => return Answer::Reject { reason },
            Ok(Err(Failure::Trouble(trouble))) => {
                return Answer::Retry { why: trouble.to_string(), after: None };
            }
            Err(_) => {
                let why = format!("the webhook did not answer within {WEBHOOK_TIMEOUT:?}");
                return Answer::Retry { why, after: None };
            }
        };
        let Reply { status, retry_after, body } = reply;
        answer::classify(status, retry_after.as_deref(), &body, now_ms())
    }

    async fn post(&mut self, event: &Event) -> Result<Reply, Failure> {
        let WebhookConfig { url, mode, secret } = &*self.config;
        let request = || {
            request::of(event, url, *mode, secret.as_ref(), now_ms())
                .map_err(|error| Failure::Request(error.to_string()))
        };
        if let Some(mut connection) = self.connection.take()
            && connection.is_alive().await
        {
            match connection.exchange(request()?).await {
                Ok((reply, connection)) => {
                    self.connection = connection;
                    return Ok(reply);
                }
                Err(connection::Trouble::Broken(error)) if !error.is_parse() => {
                    tracing::debug!(%error, "the webhook has closed its connection meanwhile");
                }
                Err(trouble) => return Err(trouble.into()),
            }
        }
        let connection = Connection::open(url).await?;
        let (reply, connection) = connection.exchange(request()?).await?;
        self.connection = connection;
        Ok(reply)
    }
}

impl std::fmt::Debug for WebhookHandler {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("WebhookHandler").field("config", &self.config).finish_non_exhaustive()
    }
}

impl Handler for WebhookHandler {
    async fn handle(&mut self, events: &[Event]) -> Result<Vec<Answer>, HandlerError> {
        let mut answers = Vec::with_capacity(events.len());
        for event in events {
            answers.push(self.deliver(event).await);
            if matches!(answers.last(), Some(Answer::Retry { .. })) {
                break;
            }
        }
        Ok(answers)
    }

    /// So that what is done is committed, and other keys have their turn, after each.
    fn events_max(&self) -> usize {
        1
    }
}

/// Why an event was not answered.
enum Failure {
    Request(String),
    Trouble(Trouble),
}

impl From<Trouble> for Failure {
    fn from(trouble: Trouble) -> Self {
        Self::Trouble(trouble)
    }
}
