//! The bounded Kafka codec.
