//! A handler of one's own: it reads what twins say about their mood, and publishes an alert for
//! each that is furious.
//!
//! **Invariants.** An event is done only when the alert that follows from it is durable, so a crash
//! at any moment loses no alert. It may repeat some: they have the same `id` then.
use pagi_appliance::router::handler::{Answer, Handler, HandlerError};
use pagi_appliance::router::{Event, PagiEventRouter};
use serde::{Deserialize, Serialize};

/// Where alerts go.
pub const ALERTS: &str = "twin.alerts";

/// What a twin says; other members are its own business.
#[derive(Debug, Deserialize)]
struct Said {
    mood: String,
}

/// What is published about a furious twin, under the twin's key.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Alert {
    /// The place of the event that it follows from: who has seen it drops a repeat.
    pub id: String,
    /// The twin.
    pub twin: String,
}

/// Publishes alerts through this router.
#[derive(Clone)]
pub struct MoodAlerts {
    router: PagiEventRouter,
}

impl MoodAlerts {
    /// A handler that publishes through `router`, to the brokers that the router was told.
    #[must_use]
    pub const fn new(router: PagiEventRouter) -> Self {
        Self { router }
    }

    async fn answer(&self, event: &Event) -> Answer {
        let said: Said = match serde_json::from_slice(event.value.as_deref().unwrap_or_default()) {
            Ok(said) => said,
            // It never gets better: a dead letter, which says why.
            Err(error) => return Answer::Reject { reason: format!("not about a mood: {error}") },
        };
        if said.mood != "furious" {
            return Answer::Done;
        }
        let id = format!("{}:{}:{}", event.topic, event.partition, event.offset);
        let twin = String::from_utf8_lossy(event.key.as_deref().unwrap_or_default()).into_owned();
        let alert = Alert { id, twin };
        match self.router.publish_event(ALERTS, &alert.twin, &alert).await {
            Ok(()) => Answer::Done,
            // Perhaps the broker is away. Perhaps it has the alert: then it comes twice.
            Err(error) => Answer::Retry { why: error.to_string(), after: None },
        }
    }
}

impl Handler for MoodAlerts {
    async fn handle(&mut self, events: &[Event]) -> Result<Vec<Answer>, HandlerError> {
        let mut answers = Vec::new();
        for event in events {
            let answer = self.answer(event).await;
            let waits = matches!(answer, Answer::Retry { .. });
            answers.push(answer);
            if waits {
                break;
            }
        }
        Ok(answers)
    }
}
