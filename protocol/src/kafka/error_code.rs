//! Kafka's error codes, as far as they are given or understood here.

macro_rules! codes {
    ($($(#[$about:meta])* $name:ident = $code:literal $(, retriable $retriable:literal)?;)*) => {
        /// An error code.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        pub enum KafkaCode {
            $($(#[$about])* $name,)*
        }

        impl KafkaCode {
            /// The number on the wire.
            #[must_use]
            pub const fn number(self) -> i16 {
                match self { $(Self::$name => $code,)* }
            }

            /// The code with this number; `None` when it is not one of these.
            #[must_use]
            pub const fn from_number(number: i16) -> Option<Self> {
                match number { $($code => Some(Self::$name),)* _ => None }
            }

            /// Whether the same request may succeed later.
            #[must_use]
            pub const fn retriable(self) -> bool {
                match self { $(Self::$name => false $(|| $retriable)?,)* }
            }
        }
    };
}

codes! {
    /// All is well.
    None = 0;
    /// A defect of the broker.
    UnknownServerError = -1;
    /// The offset is before the log start or behind the high watermark.
    OffsetOutOfRange = 1;
    /// A record batch is damaged.
    CorruptMessage = 2, retriable true;
    /// No such topic or partition here.
    UnknownTopicOrPartition = 3, retriable true;
    /// There is no leader at the moment.
    LeaderNotAvailable = 5, retriable true;
    /// This broker does not lead the partition.
    NotLeaderOrFollower = 6, retriable true;
    /// It took too long; it may have been done.
    RequestTimedOut = 7, retriable true;
    /// A record batch is larger than the broker takes.
    MessageTooLarge = 10;
    /// The words beside a committed offset are too long.
    OffsetMetadataTooLarge = 12;
    /// The coordinator is still reading what it keeps.
    CoordinatorLoadInProgress = 14, retriable true;
    /// There is no coordinator at the moment.
    CoordinatorNotAvailable = 15, retriable true;
    /// Another broker keeps this group.
    NotCoordinator = 16, retriable true;
    /// Not a topic name.
    InvalidTopicException = 17;
    /// More bytes than a segment holds.
    RecordListTooLarge = 18;
    /// Too few replicas are in step.
    NotEnoughReplicas = 19, retriable true;
    /// It was written, but to too few replicas.
    NotEnoughReplicasAfterAppend = 20, retriable true;
    /// Not 0, 1 or -1.
    InvalidRequiredAcks = 21;
    /// The group has gone on to another generation.
    IllegalGeneration = 22;
    /// Not a group id.
    InvalidGroupId = 24;
    /// The group does not know this member.
    UnknownMemberId = 25;
    /// The group is sharing out its partitions.
    RebalanceInProgress = 27;
    /// Not permitted for this topic.
    TopicAuthorizationFailed = 29;
    /// Not permitted for this group.
    GroupAuthorizationFailed = 30;
    /// The API or its version is not spoken.
    UnsupportedVersion = 35;
    /// A topic of this name exists.
    TopicAlreadyExists = 36;
    /// Not a number of partitions.
    InvalidPartitions = 37;
    /// Not a number of replicas.
    InvalidReplicationFactor = 38;
    /// Not an assignment of replicas.
    InvalidReplicaAssignment = 39;
    /// Not a setting, or not a value for it.
    InvalidConfig = 40;
    /// The request makes no sense.
    InvalidRequest = 42;
    /// The message format is too old.
    UnsupportedForMessageFormat = 43;
    /// The broker's rules forbid it.
    PolicyViolation = 44;
    /// Records of this producer are missing before this batch.
    OutOfOrderSequenceNumber = 45;
    /// The batch is stored, at an offset that is no longer known.
    DuplicateSequenceNumber = 46;
    /// A newer incarnation of this producer exists.
    InvalidProducerEpoch = 47;
    /// Not permitted for this transactional id.
    TransactionalIdAuthorizationFailed = 53;
    /// The broker's disk failed, or is full.
    KafkaStorageError = 56, retriable true;
    /// There is no such fetch session.
    FetchSessionIdNotFound = 70, retriable true;
    /// The client knows an older leader epoch.
    FencedLeaderEpoch = 74, retriable true;
    /// The client knows a newer leader epoch.
    UnknownLeaderEpoch = 75, retriable true;
    /// The codec of the batch is not known.
    UnsupportedCompressionType = 76;
    /// A newer member of the same static name exists.
    FencedInstanceId = 82;
    /// A record breaks a rule.
    InvalidRecord = 87;
    /// No topic has this id.
    UnknownTopicId = 100, retriable true;
}

#[cfg(test)]
mod tests {
    use kafka_protocol::error::ResponseError;

    use super::*;

    #[test]
    fn codes_are_as_kafka_has_them() {
        for number in (-1..=200).filter(|number| *number != 0) {
            let Some(code) = KafkaCode::from_number(number) else { continue };
            let theirs = ResponseError::try_from_code(number).unwrap();
            assert_eq!(format!("{code:?}"), format!("{theirs:?}"));
            assert_eq!(code.retriable(), theirs.is_retriable(), "{code:?}");
            assert_eq!(code.number(), number);
        }
    }
}
