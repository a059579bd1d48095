//! From events that were read to what became of them: the one way, however they came.
//!
//! **Invariants.** Events are handed over in the order in which they came. Success is told only
//! after the router's durable acknowledgement. A topic at which handing over has just failed is not
//! asked again for every event that follows.
use std::time::Instant;

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue};
use pagi_protocol::http::{EventResult, PublishReceipt};
use pagi_protocol::{ErrorCode, PagiError, TopicName};

use super::publication::Publication;
use super::record::outgoing;
use super::respond::Failure;
use super::stored::Published;
use crate::core::headers::is_traceparent;
use crate::core::tally::Tally;
use crate::limits::PUBLISH_TOPIC_BAD_FOR;
use crate::router::{PagiEventRouter, Submission};

const TRACEPARENT: HeaderName = HeaderName::from_static("traceparent");

/// Hands over the events of one request.
pub(super) struct Submitter {
    router: PagiEventRouter,
    /// The record headers that lead from an event back to its request.
    origin: Vec<(&'static str, Bytes)>,
    /// The topic that was not there, or out of reach, and since when.
    failed: Option<(TopicName, PagiError, Instant)>,
}

/// An event whose outcome is open, or that could not be handed over.
pub(super) struct Submitted(Result<HandedOver, PagiError>);

struct HandedOver {
    id: String,
    payload_bytes: usize,
    submission: Submission,
}

impl Submitter {
    /// For the events of the request with this head.
    pub(super) fn new(
        router: PagiEventRouter,
        headers: &HeaderMap,
        request_id: &HeaderValue,
    ) -> Self {
        let mut origin = vec![("x-request-id", Bytes::copy_from_slice(request_id.as_bytes()))];
        let trace = headers.get(TRACEPARENT).filter(|value| is_traceparent(value.as_bytes()));
        origin.extend(trace.map(|value| ("traceparent", Bytes::copy_from_slice(value.as_bytes()))));
        Self { router, origin, failed: None }
    }

    /// Hands an event over, if it could be read. Its delivery timeout runs from `started`.
    pub(super) async fn submit(
        &mut self,
        publication: Result<Publication, PagiError>,
        started: Instant,
    ) -> Submitted {
        Submitted(match publication {
            Ok(publication) => self.hand_over(publication, started).await,
            Err(error) => Err(error),
        })
    }

    async fn hand_over(
        &mut self,
        publication: Publication,
        started: Instant,
    ) -> Result<HandedOver, PagiError> {
        let Publication { topic, key, event } = publication;
        if let Some((failed, error, at)) = &self.failed
            && *failed == topic
            && at.elapsed() < PUBLISH_TOPIC_BAD_FOR
        {
            return Err(error.clone());
        }
        let payload_bytes = event.data().map_or(0, Bytes::len);
        let record = outgoing(&event, key, self.origin.iter().cloned());
        match self.router.submit(&topic, record, started).await {
            Ok(submission) => {
                Ok(HandedOver { id: event.id().to_owned(), payload_bytes, submission })
            }
            Err(error) => {
                if is_of_topic(error.code()) {
                    self.failed = Some((topic, error.clone(), Instant::now()));
                }
                Err(error)
            }
        }
    }
}

/// Whether the next event for the same topic would meet the same error, after as long a wait.
const fn is_of_topic(code: ErrorCode) -> bool {
    matches!(code, ErrorCode::UnknownTopic | ErrorCode::BrokerUnavailable)
}

impl Submitted {
    /// Waits for the outcome.
    pub(super) async fn outcome(self) -> Result<Published, Failure> {
        let HandedOver { id, payload_bytes, submission } = self.0?;
        match submission.outcome().await {
            Ok(stored) => {
                let topic = stored.topic.as_str().to_owned();
                let (partition, offset) = (stored.partition, stored.offset);
                let receipt = PublishReceipt { id, topic, partition, offset };
                Ok(Published { receipt, payload_bytes })
            }
            Err(error) if error.code() == ErrorCode::DeliveryUnknown => {
                Err(Failure::from(error).of_event(&id))
            }
            Err(error) => Err(error.into()),
        }
    }
}

/// What became of the events of one request, so far.
#[derive(Default)]
pub(super) struct Outcomes {
    pub(super) tally: Tally,
    pub(super) payload_bytes: usize,
}

impl Outcomes {
    /// Counts one more, and says it as a result.
    pub(super) fn add(
        &mut self,
        outcome: Result<Published, Failure>,
        request_id: &HeaderValue,
    ) -> EventResult {
        match outcome {
            Ok(Published { receipt, payload_bytes }) => {
                self.tally.add_stored();
                self.payload_bytes += payload_bytes;
                EventResult::stored(receipt)
            }
            Err(failure) => {
                self.tally.add_failed(failure.error.code());
                EventResult::Failed(failure.document(request_id))
            }
        }
    }
}
