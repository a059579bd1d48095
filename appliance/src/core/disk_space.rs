//! When to tell that a disk fills up, and when that is over.
use crate::limits::{DISK_LOW_BYTES_MAX, DISK_LOW_SHARE};

/// How full it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DiskLevel {
    /// There is room.
    Fine,
    /// It will be full before long.
    Low,
    /// Producers are refused.
    Full,
}

impl DiskLevel {
    /// The next level, where `free` of `total` bytes are free and producers are refused below
    /// `needed`. A level is left only when there is half as much again as would lead to it, so that
    /// nothing is told twice a minute.
    #[must_use]
    pub fn next(self, free: u64, total: u64, needed: u64) -> Self {
        let low = (total / DISK_LOW_SHARE).min(DISK_LOW_BYTES_MAX);
        let to_leave = |bytes: u64| bytes.saturating_add(bytes / 2);
        if free < needed || (self == Self::Full && free < to_leave(needed)) {
            Self::Full
        } else if free < low || (self != Self::Fine && free < to_leave(low)) {
            Self::Low
        } else {
            Self::Fine
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_disk_is_low_before_it_is_full_and_full_before_it_is_low_again() {
        let mut level = DiskLevel::Fine;
        let mut told = |free| {
            level = level.next(free, 1_000, 20);
            level
        };
        let low = 1_000 / DISK_LOW_SHARE;
        assert_eq!(told(1_000), DiskLevel::Fine);
        assert_eq!(told(low), DiskLevel::Fine);
        assert_eq!(told(low - 1), DiskLevel::Low);
        assert_eq!(told(low), DiskLevel::Low, "hardly more");
        assert_eq!(told(20), DiskLevel::Low);
        assert_eq!(told(19), DiskLevel::Full);
        assert_eq!(told(29), DiskLevel::Full, "hardly more");
        assert_eq!(told(30), DiskLevel::Low);
        assert_eq!(told(low + low / 2), DiskLevel::Fine);
    }

    #[test]
    fn much_is_enough_on_a_large_disk() {
        let level = DiskLevel::Fine.next(DISK_LOW_BYTES_MAX, u64::MAX, 0);
        assert_eq!(level, DiskLevel::Fine);
        assert_eq!(DiskLevel::Fine.next(DISK_LOW_BYTES_MAX - 1, u64::MAX, 0), DiskLevel::Low);
    }
}
