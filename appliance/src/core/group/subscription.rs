//! The topics in a consumer's subscription: the only part of it that is ever looked into.
//!
//! **References.** Kafka's `ConsumerProtocolSubscription`.
use bytes::Bytes;
use pagi_protocol::kafka::cursor::Cursor;
use pagi_protocol::kafka::wire::{Version, Wire};

/// The topics of a subscription; none when it cannot be read, for whoever made it can.
#[must_use]
pub fn topics(subscription: &Bytes) -> Vec<String> {
    const CLASSIC: Version = Version { number: 0, flexible: false };
    let mut cursor = Cursor::new(subscription.clone());
    let version = i16::decode(&mut cursor, CLASSIC);
    let topics = version.and_then(|_| <Vec<String>>::decode(&mut cursor, CLASSIC));
    topics.unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_topics_of_a_consumer_are_found_and_anything_else_has_none() {
        let subscription = b"\0\x01\0\0\0\x02\0\x01a\0\x02bc\0\0\0\0";
        assert_eq!(topics(&Bytes::from_static(subscription)), ["a", "bc"]);
        assert_eq!(topics(&Bytes::from_static(b"\0")), Vec::<String>::new());
        assert_eq!(topics(&Bytes::from_static(b"\0\0\x7f\xff\xff\xff")), Vec::<String>::new());
    }
}
