//! What an error of `rskafka` means for the records of the request: written or not, and what next.
//!
//! **Invariants.** [`Next::Again`], [`Next::Split`] and [`Next::Fail`] are only said of records
//! that are surely not written. Whatever leaves a doubt is [`Next::Unknown`].
//!
//! **References.** Kafka protocol guide, error codes.
use std::time::Duration;

use pagi_protocol::{ErrorCode, PagiError};
use rskafka::BackoffError;
use rskafka::client::error::{Error as KafkaError, ProtocolError, RequestError};

/// A call to a broker that went wrong.
#[derive(Debug, thiserror::Error)]
pub(super) enum CallError {
    /// The client reports an error.
    #[error("{}", describe(.0))]
    Kafka(#[from] KafkaError),
    /// No answer in time.
    #[error("no answer within {} ms", .0.as_millis())]
    Timeout(Duration),
    /// Not called at all, for a reason that is known already.
    #[error("{0}")]
    Told(String),
}

impl CallError {
    /// The broker's error code, if the broker answered with one.
    pub(super) fn code(&self) -> Option<ProtocolError> {
        match self {
            Self::Kafka(error) => code_of(error),
            Self::Timeout(_) | Self::Told(_) => None,
        }
    }
}

/// What to do with the records of a request that failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Next {
    /// Not written; the same request may succeed soon.
    Again,
    /// Not written, and a record in it is at fault: the others may succeed without it.
    Split,
    /// Not written, and a repeat will not help.
    Fail,
    /// May be written.
    Unknown,
}

/// What to do, and what to tell the caller if that was the last word.
#[derive(Debug, Clone)]
pub(super) struct Verdict {
    pub(super) next: Next,
    pub(super) error: PagiError,
}

impl Verdict {
    pub(super) fn new(next: Next, code: ErrorCode, detail: String) -> Self {
        Self { next, error: PagiError::new(code, detail) }
    }
}

/// The verdict on a call that carried no record: connecting, looking up a topic.
pub(super) fn before_sending(error: &CallError, what: &str) -> Verdict {
    let (next, code) = match error.code() {
        Some(code) => match classify(code) {
            (Next::Unknown, _) => (Next::Again, ErrorCode::BrokerUnavailable),
            (Next::Split, code) => (Next::Fail, code),
            other => other,
        },
        None => (Next::Again, ErrorCode::BrokerUnavailable),
    };
    Verdict::new(next, code, format!("{what}: {error}"))
}

/// The verdict on a produce request over a connection that was open.
pub(super) fn after_sending(error: &CallError, what: &str) -> Verdict {
    let (next, code) = match error {
        CallError::Told(_) => (Next::Again, ErrorCode::BrokerUnavailable),
        CallError::Timeout(_) => (Next::Unknown, ErrorCode::DeliveryUnknown),
        CallError::Kafka(kafka) => match root(kafka) {
            KafkaError::ServerError { protocol_error, .. } => classify(*protocol_error),
            // The request was not even put together.
            KafkaError::Request(
                RequestError::NoVersionMatch { .. } | RequestError::WriteError(_),
            ) => (Next::Fail, ErrorCode::Rejected),
            _ => (Next::Unknown, ErrorCode::DeliveryUnknown),
        },
    };
    Verdict::new(next, code, format!("{what}: {error}"))
}

/// What a broker's error code in the answer to a produce request says about the records.
const fn classify(code: ProtocolError) -> (Next, ErrorCode) {
    use ProtocolError as P;
    match code {
        P::UnknownTopicOrPartition => (Next::Again, ErrorCode::UnknownTopic),
        P::LeaderNotAvailable
        | P::NotLeaderOrFollower
        | P::BrokerNotAvailable
        | P::ReplicaNotAvailable
        | P::NotEnoughReplicas
        | P::InvalidReplicationFactor
        | P::FencedLeaderEpoch
        | P::UnknownLeaderEpoch
        | P::ListenerNotFound
        | P::OffsetNotAvailable
        | P::ThrottlingQuotaExceeded => (Next::Again, ErrorCode::BrokerUnavailable),
        P::MessageTooLarge | P::RecordListTooLarge => (Next::Split, ErrorCode::PayloadTooLarge),
        P::CorruptMessage
        | P::InvalidRecord
        | P::InvalidTimestamp
        | P::PolicyViolation
        | P::UnsupportedForMessageFormat => (Next::Split, ErrorCode::Rejected),
        P::InvalidTopicException => (Next::Fail, ErrorCode::InvalidTopic),
        P::KafkaStorageError => (Next::Fail, ErrorCode::StorageFull),
        P::TopicAuthorizationFailed
        | P::ClusterAuthorizationFailed
        | P::SaslAuthenticationFailed
        | P::InvalidRequiredAcks
        | P::UnsupportedVersion
        | P::UnsupportedCompressionType => (Next::Fail, ErrorCode::Rejected),
        // 7 (timed out), 20 (too few replicas after the append), -1 and whatever else may come.
        _ => (Next::Unknown, ErrorCode::DeliveryUnknown),
    }
}

fn code_of(error: &KafkaError) -> Option<ProtocolError> {
    match root(error) {
        KafkaError::ServerError { protocol_error, .. } => Some(*protocol_error),
        _ => None,
    }
}

/// The error under the wrappers that tell of retries.
fn root(error: &KafkaError) -> &KafkaError {
    match error {
        KafkaError::RetryFailed(BackoffError::DeadlineExceded { source, .. }) => {
            source.downcast_ref().map_or(error, root)
        }
        other => other,
    }
}

/// The error in words, without those about retries, which are ours to tell.
fn describe(error: &KafkaError) -> String {
    if let Some(code) = code_of(error) {
        return format!("the broker answers {code:?}");
    }
    let message = error.to_string();
    match root(error) {
        KafkaError::Request(RequestError::Poisoned(_) | RequestError::IO(_)) => {
            let why = message.rsplit(": ").next().unwrap_or_default();
            format!("the connection broke ({why})")
        }
        _ => message.rsplit("Source: ").next().unwrap_or_default().to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use rskafka::client::error::RequestContext;

    use super::*;

    fn server(protocol_error: ProtocolError) -> KafkaError {
        KafkaError::ServerError {
            protocol_error,
            error_message: None,
            request: RequestContext::Partition("t".to_owned(), 0),
            response: None,
            is_virtual: false,
        }
    }

    fn wrapped(error: KafkaError) -> KafkaError {
        KafkaError::RetryFailed(BackoffError::DeadlineExceded {
            deadline: Duration::ZERO,
            source: Box::new(error),
        })
    }

    #[test]
    fn what_leaves_a_doubt_is_unknown() {
        let broken = || std::io::Error::from(std::io::ErrorKind::ConnectionReset);
        for error in [
            CallError::Timeout(Duration::from_secs(1)),
            CallError::Kafka(wrapped(KafkaError::Request(RequestError::IO(broken())))),
            CallError::Kafka(KafkaError::InvalidResponse("nonsense".to_owned())),
            CallError::Kafka(server(ProtocolError::RequestTimedOut)),
            CallError::Kafka(server(ProtocolError::NotEnoughReplicasAfterAppend)),
            CallError::Kafka(server(ProtocolError::UnknownServerError)),
            CallError::Kafka(server(ProtocolError::Unknown(4711))),
        ] {
            let verdict = after_sending(&error, "produce");
            assert_eq!(verdict.next, Next::Unknown, "{error}");
            assert_eq!(verdict.error.code(), ErrorCode::DeliveryUnknown, "{error}");
        }
    }

    #[test]
    fn a_brokers_refusal_is_told_as_what_it_is() {
        for (code, next, told) in [
            (ProtocolError::NotLeaderOrFollower, Next::Again, ErrorCode::BrokerUnavailable),
            (ProtocolError::UnknownTopicOrPartition, Next::Again, ErrorCode::UnknownTopic),
            (ProtocolError::MessageTooLarge, Next::Split, ErrorCode::PayloadTooLarge),
            (ProtocolError::InvalidRecord, Next::Split, ErrorCode::Rejected),
            (ProtocolError::KafkaStorageError, Next::Fail, ErrorCode::StorageFull),
            (ProtocolError::InvalidTopicException, Next::Fail, ErrorCode::InvalidTopic),
        ] {
            let verdict = after_sending(&CallError::Kafka(wrapped(server(code))), "produce");
            assert_eq!((verdict.next, verdict.error.code()), (next, told), "{code:?}");
        }
    }

    #[test]
    fn an_error_is_told_without_the_words_of_the_client() {
        let refused = CallError::Kafka(wrapped(server(ProtocolError::InvalidRecord)));
        let verdict = after_sending(&refused, "no acknowledgement from b:1 for t/0");
        let detail = "no acknowledgement from b:1 for t/0: the broker answers InvalidRecord";
        assert_eq!(verdict.error.detail(), detail);
    }

    #[test]
    fn nothing_is_in_doubt_before_a_record_was_sent() {
        let verdict = before_sending(&CallError::Timeout(Duration::from_secs(1)), "connect");
        assert_eq!(verdict.next, Next::Again);
        assert_eq!(verdict.error.detail(), "connect: no answer within 1000 ms");
        let timed_out = CallError::Kafka(server(ProtocolError::RequestTimedOut));
        assert_eq!(before_sending(&timed_out, "connect").next, Next::Again);
    }
}
