//! What a publish made durable.
//!
//! **Invariants.** There is none without a durable event, but for an empty batch.
use pagi_protocol::http::{EventResult, PublishReceipt};
use serde::Serialize;

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

    pub(super) fn into_record(self) -> Record {
        match self {
            Self::One(published) => Record { receipt: Some(published.receipt), events: None },
            Self::Several { tally, .. } => Record::of_several(tally),
        }
    }
}

/// What the audit says of it.
#[derive(Debug, Default, Serialize)]
pub(super) struct Record {
    /// Where the event is, when it was one.
    receipt: Option<PublishReceipt>,
    /// How several events fared.
    #[serde(skip_serializing_if = "Option::is_none")]
    events: Option<Tally>,
}

impl Record {
    pub(super) const fn of_several(tally: Tally) -> Self {
        Self { receipt: None, events: Some(tally) }
    }
}

/// A durable event.
pub(super) struct Published {
    pub(super) receipt: PublishReceipt,
    pub(super) payload_bytes: usize,
}
