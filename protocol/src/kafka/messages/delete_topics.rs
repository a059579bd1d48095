//! `DeleteTopics`. Flexible from 4; topics by id from 6.
use crate::kafka::wire::{Uuid, message};

message! {
    /// Topics to delete.
    DeleteTopicsRequest {
        /// The topics, by name or id.
        topics: Vec<DeleteTopicState>, 6;
        /// The topics, by name.
        topic_names: Vec<String>, 0..=5;
        /// How long the client will wait, in milliseconds.
        timeout_ms: i32, 0;
    }
}

message! {
    /// A topic to delete.
    DeleteTopicState {
        /// Its name; `None` when the id says it.
        name: Option<String>, 6;
        /// Its id; zeros when the name says it.
        topic_id: Uuid, 6;
    }
}

message! {
    /// What became of the topics.
    DeleteTopicsResponse {
        /// Always 0.
        throttle_time_ms: i32, 1;
        /// One for each topic.
        responses: Vec<DeletableTopicResult>, 0;
    }
}

message! {
    /// What became of a topic.
    DeletableTopicResult {
        /// Its name; may be `None` from version 6 only.
        name: Option<String>, 0;
        /// Its id.
        topic_id: Uuid, 6;
        /// Why it was not deleted, or 0.
        error_code: i16, 0;
        /// The same in words.
        error_message: Option<String>, 5;
    }
}
