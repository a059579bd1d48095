//! The leader epoch that a client claims to know.
use pagi_protocol::kafka::error_code::KafkaCode;

use crate::core::log::ids::LEADER_EPOCH;

/// Holds a client's leader epoch against ours; -1 is a client that does not know any.
///
/// # Errors
/// The code to answer with.
pub fn check_epoch(epoch: i32) -> Result<(), KafkaCode> {
    match epoch {
        -1 | LEADER_EPOCH => Ok(()),
        newer if newer > LEADER_EPOCH => Err(KafkaCode::UnknownLeaderEpoch),
        _ => Err(KafkaCode::FencedLeaderEpoch),
    }
}
