//! Small things the router's tasks share: a lock that outlives a panic, and randomness.
use std::hash::{BuildHasher, RandomState};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// Locks, whatever happened to an earlier holder. Only for state that each critical section
/// leaves whole.
pub(super) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Some number: for jitter and for spreading, not for secrets.
pub(super) fn random() -> u32 {
    // The keys of a hash map's state come from the operating system and differ at each call.
    let [a, b, c, d, ..] = RandomState::new().hash_one(()).to_le_bytes();
    u32::from_le_bytes([a, b, c, d])
}
