//! Kafka's error codes, as far as clients of the spoken APIs meet them.

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
    /// The member's ways of assigning are not those of the group.
    InconsistentGroupProtocol = 23;
    /// Not a group id.
    InvalidGroupId = 24;
    /// The group does not know this member.
    UnknownMemberId = 25;
    /// Shorter or longer than the broker lets members be silent.
    InvalidSessionTimeout = 26;
    /// The group is sharing out its partitions.
    RebalanceInProgress = 27;
    /// The offsets are too large to be kept.
    InvalidCommitOffsetSize = 28;
    /// Not permitted for this topic.
    TopicAuthorizationFailed = 29;
    /// Not permitted for this group.
    GroupAuthorizationFailed = 30;
    /// Not permitted for the cluster.
    ClusterAuthorizationFailed = 31;
    /// A record's time is too far from the broker's.
    InvalidTimestamp = 32;
    /// Not a way to authenticate here.
    UnsupportedSaslMechanism = 33;
    /// Not what comes next in authenticating.
    IllegalSaslState = 34;
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
    /// Another broker is the controller.
    NotController = 41, retriable true;
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
    /// The transaction is not where this could be done.
    InvalidTxnState = 48;
    /// The transactional id has another producer id.
    InvalidProducerIdMapping = 49;
    /// The transaction may not take so long.
    InvalidTransactionTimeout = 50;
    /// The transaction's last change is not done yet.
    ConcurrentTransactions = 51;
    /// Not permitted for this transactional id.
    TransactionalIdAuthorizationFailed = 53;
    /// There are no access rules here.
    SecurityDisabled = 54;
    /// Not tried, since another part of the request failed.
    OperationNotAttempted = 55;
    /// The broker's disk failed, or is full.
    KafkaStorageError = 56, retriable true;
    /// No such log directory.
    LogDirNotFound = 57;
    /// Not the right credentials.
    SaslAuthenticationFailed = 58;
    /// Nothing is known of this producer.
    UnknownProducerId = 59;
    /// The partition is being moved.
    ReassignmentInProgress = 60;
    /// The group has members.
    NonEmptyGroup = 68;
    /// No such group.
    GroupIdNotFound = 69;
    /// There is no such fetch session.
    FetchSessionIdNotFound = 70, retriable true;
    /// Not what comes next in the fetch session.
    InvalidFetchSessionEpoch = 71, retriable true;
    /// The leader has no address for this client.
    ListenerNotFound = 72, retriable true;
    /// Topics cannot be deleted here.
    TopicDeletionDisabled = 73;
    /// The client knows an older leader epoch.
    FencedLeaderEpoch = 74, retriable true;
    /// The client knows a newer leader epoch.
    UnknownLeaderEpoch = 75, retriable true;
    /// The codec of the batch is not known.
    UnsupportedCompressionType = 76;
    /// The leader does not know yet how far the log is durable.
    OffsetNotAvailable = 78, retriable true;
    /// The member is to join again with the id that it now has.
    MemberIdRequired = 79;
    /// The group has as many members as it may.
    GroupMaxSizeReached = 81;
    /// A newer member of the same static name exists.
    FencedInstanceId = 82;
    /// The group consumes this topic at the moment.
    GroupSubscribedToTopic = 86;
    /// A record breaks a rule.
    InvalidRecord = 87;
    /// A transaction is about to change the offset.
    UnstableOffsetCommit = 88, retriable true;
    /// The client asks for too much.
    ThrottlingQuotaExceeded = 89, retriable true;
    /// A newer incarnation of this transactional producer exists.
    ProducerFenced = 90;
    /// No such resource.
    ResourceNotFound = 91;
    /// A resource is named twice.
    DuplicateResource = 92;
    /// No topic has this id.
    UnknownTopicId = 100, retriable true;
    /// The topic's name and id are not of one topic.
    InconsistentTopicId = 103, retriable true;
    /// No such transactional id.
    TransactionalIdNotFound = 105;
    /// The fetch session has topics by name and by id.
    FetchSessionTopicIdError = 106, retriable true;
    /// The member is behind its group.
    FencedMemberEpoch = 110;
    /// The static name is still taken.
    UnreleasedInstanceId = 111;
    /// The group does not know this way of assigning.
    UnsupportedAssignor = 112;
    /// The member is to learn its new epoch first.
    StaleMemberEpoch = 113;
    /// A broker was asked for what a controller knows, or the other way round.
    MismatchedEndpointType = 114;
    /// Not a type of endpoint.
    UnsupportedEndpointType = 115;
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
