//! Sends dead letters back to where they came from.
//!
//! **Invariants.** A dead letter counts as sent only when the broker has acknowledged it. One that
//! cannot be sent stops everything, so that none is left behind unnoticed. What does not tell where
//! it came from is told and passed over: it is not ours.
use std::io::Write as _;

use pagi_protocol::TopicName;

use crate::router::dead_letter::{restored, told};
use crate::router::event::Event;
use crate::router::event_router::PagiEventRouter;
use crate::router::handler::{Answer, Handler, HandlerError};
use crate::router::sync::now_ms;

/// Publishes each dead letter to the topic it came from, and prints a line about it.
pub(super) struct Redrive {
    pub(super) router: PagiEventRouter,
}

impl Redrive {
    async fn send(&self, letter: &Event) -> Result<(), HandlerError> {
        let Event { topic, partition, offset, .. } = letter;
        let Some(Ok(to)) = told(letter, "topic").map(TopicName::parse) else {
            tracing::warn!(%topic, partition, offset, "no dead letter of ours: it is passed over");
            return Ok(());
        };
        let failed = |why: String| {
            HandlerError::Failed(format!("{topic}/{partition}:{offset} is not sent back: {why}"))
        };
        let receipt = self.router.publish(&to, restored(letter, now_ms())).await;
        let at = receipt.map_err(|error| failed(error.to_string()))?;
        let line =
            format!("{topic}/{partition}:{offset} -> {}/{}:{}", at.topic, at.partition, at.offset);
        // It is sent, whether or not anybody reads about it.
        let _ = writeln!(std::io::stdout(), "{line}");
        Ok(())
    }
}

impl Handler for Redrive {
    async fn handle(&mut self, events: &[Event]) -> Result<Vec<Answer>, HandlerError> {
        for letter in events {
            self.send(letter).await?;
        }
        Ok(vec![Answer::Done; events.len()])
    }

    /// So that one which fails takes none with it that was sent.
    fn events_max(&self) -> usize {
        1
    }
}
