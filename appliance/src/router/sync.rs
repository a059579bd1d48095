//! Small things the router's parts share: a lock that outlives a panic, randomness, the time.
use std::hash::{BuildHasher, RandomState};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{SystemTime, UNIX_EPOCH};

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

/// Now, in milliseconds since 1970-01-01T00:00:00Z.
pub(super) fn now_ms() -> i64 {
    let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since_epoch.as_millis()).unwrap_or(i64::MAX)
}
