//! What consumers say to each other through a group's coordinator, which does not look into it:
//! their subscriptions when they join, and their assignments when they are in.
//!
//! **Invariants.** Whatever version a member speaks is read as far as this one knows it, as all
//! clients do.
//!
//! **References.** Kafka's `ConsumerProtocolSubscription` and `ConsumerProtocolAssignment`; KIP-429
//! (owned partitions), KIP-792 (their generation).
use bytes::Bytes;

use super::cursor::{Cursor, DecodeError};
use super::encoder::Encoder;
use super::wire::{Version, Wire, message};

/// What consumer groups call themselves when they join.
pub const PROTOCOL_TYPE: &str = "consumer";

const SUBSCRIPTION_VERSION: i16 = 2;
const ASSIGNMENT_VERSION: i16 = 0;

message! {
    /// What a consumer wants, and what it has.
    ConsumerSubscription {
        /// The topics it reads.
        topics: Vec<String>, 0;
        /// What its way of assigning adds.
        user_data: Option<Bytes>, 0;
        /// What it holds on to while it joins.
        owned_partitions: Vec<ConsumerPartitions>, 1;
        /// The generation in which it got that, or -1.
        generation_id: i32, 2, or -1;
    }
}

message! {
    /// Partitions of one topic.
    ConsumerPartitions {
        /// The topic.
        topic: String, 0;
        /// The partitions.
        partitions: Vec<i32>, 0;
    }
}

message! {
    /// What a consumer gets.
    ConsumerAssignment {
        /// The partitions that are its own from now on.
        assigned_partitions: Vec<ConsumerPartitions>, 0;
        /// What its way of assigning adds.
        user_data: Option<Bytes>, 0;
    }
}

impl ConsumerSubscription {
    /// Reads a member's metadata.
    ///
    /// # Errors
    /// [`DecodeError`].
    pub fn parse(bytes: &Bytes) -> Result<Self, DecodeError> {
        parse(bytes, SUBSCRIPTION_VERSION)
    }

    /// The metadata of a member.
    #[must_use]
    pub fn to_bytes(&self) -> Bytes {
        to_bytes(self, SUBSCRIPTION_VERSION)
    }
}

impl ConsumerAssignment {
    /// Reads what a member was assigned. No bytes are no partitions.
    ///
    /// # Errors
    /// [`DecodeError`].
    pub fn parse(bytes: &Bytes) -> Result<Self, DecodeError> {
        if bytes.is_empty() { Ok(Self::default()) } else { parse(bytes, ASSIGNMENT_VERSION) }
    }

    /// What is sent to a member.
    #[must_use]
    pub fn to_bytes(&self) -> Bytes {
        to_bytes(self, ASSIGNMENT_VERSION)
    }
}

const fn classic(number: i16) -> Version {
    Version { number, flexible: false }
}

fn parse<T: Wire>(bytes: &Bytes, version_max: i16) -> Result<T, DecodeError> {
    let mut cursor = Cursor::new(bytes.clone());
    let version = i16::decode(&mut cursor, classic(0))?;
    T::decode(&mut cursor, classic(version.clamp(0, version_max)))
}

fn to_bytes(value: &impl Wire, version: i16) -> Bytes {
    let mut out = Encoder::default();
    version.encode(&mut out, classic(0));
    value.encode(&mut out, classic(version));
    out.into_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn partitions() -> Vec<ConsumerPartitions> {
        vec![ConsumerPartitions { topic: "t".to_owned(), partitions: vec![0, 7] }]
    }

    #[test]
    fn what_is_written_reads_back() {
        let subscription = ConsumerSubscription {
            topics: vec!["t".to_owned(), "u".to_owned()],
            user_data: None,
            owned_partitions: partitions(),
            generation_id: 5,
        };
        assert_eq!(ConsumerSubscription::parse(&subscription.to_bytes()), Ok(subscription));
        let assignment =
            ConsumerAssignment { assigned_partitions: partitions(), user_data: Some(Bytes::new()) };
        assert_eq!(ConsumerAssignment::parse(&assignment.to_bytes()), Ok(assignment));
        assert_eq!(ConsumerAssignment::parse(&Bytes::new()), Ok(ConsumerAssignment::default()));
    }

    #[test]
    fn older_and_newer_members_are_understood() {
        let oldest = Bytes::from_static(b"\0\0\0\0\0\x01\0\x01t\xff\xff\xff\xff");
        let topics = vec!["t".to_owned()];
        let expected = ConsumerSubscription { topics, ..ConsumerSubscription::default() };
        assert_eq!(ConsumerSubscription::parse(&oldest), Ok(expected.clone()));
        // Version 3 adds the rack.
        let newer = Bytes::from_static(
            b"\0\x03\0\0\0\x01\0\x01t\xff\xff\xff\xff\0\0\0\0\xff\xff\xff\xff\0\x01r",
        );
        assert_eq!(ConsumerSubscription::parse(&newer), Ok(expected));
    }

    #[test]
    fn nonsense_is_an_error() {
        for bytes in [&b""[..], b"\0", b"\0\x01\x7f\xff\xff\xff", b"\0\0\0\0\0\x01\0\x05t"] {
            assert!(ConsumerSubscription::parse(&Bytes::copy_from_slice(bytes)).is_err());
        }
    }
}
