//! What a publish made durable.
//!
//! **Invariants.** There is none without a durable event, but for an empty batch.
use pagi_protocol::http::{EventResult, PublishReceipt};

use crate::core::tally::Tally;

/// What is durable of a request's events.
pub(super) enum Stored {
    /// The one event.
    One(Published),
    /// Some of several, and what became of each.
    Several { tally: Tally, payload_bytes: usize, results: Vec<EventResult> },
}

impl Stored {
    pub(super) const fn payload_bytes(&self) -> usize {
        match self {
            Self::One(published) => published.payload_bytes,
            Self::Several { payload_bytes, .. } => *payload_bytes,
        }
    }

    /// For the audit: where the one event is, or how several fared.
    pub(super) fn into_record(self) -> (Option<PublishReceipt>, Option<Tally>) {
        match self {
            Self::One(published) => (Some(published.receipt), None),
            Self::Several { tally, .. } => (None, Some(tally)),
        }
    }
}

/// A durable event.
pub(super) struct Published {
    pub(super) receipt: PublishReceipt,
    pub(super) payload_bytes: usize,
}
