//! Which records are old enough to go: `retention.ms` and `retention.bytes`, as in Kafka by whole
//! segments, oldest first.
use super::partition::Segment;

/// What a topic keeps.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Retention {
    /// Records older than this may go, in milliseconds; `None`: they never do.
    pub age_ms: Option<i64>,
    /// A partition with more bytes loses its oldest segments; `None`: it keeps all.
    pub bytes: Option<u64>,
}

/// The log start offset that `retention` asks for, or `None` while everything is kept.
///
/// A segment goes when its newest record is too old, or when the partition has enough bytes
/// without it; the ones behind it are looked at only when it goes. Records without a timestamp are
/// never too old (Kafka goes by the time of their file).
#[must_use]
pub fn log_start(segments: &[Segment], retention: Retention, now_ms: i64) -> Option<i64> {
    let mut bytes: u64 = segments.iter().map(|segment| segment.log_bytes).sum();
    let mut start = None;
    for segment in segments {
        bytes = bytes.saturating_sub(segment.log_bytes);
        let newest_ms = segment.progress.max_timestamp;
        let age_ms = now_ms.saturating_sub(newest_ms);
        let too_old =
            newest_ms >= 0 && retention.age_ms.is_some_and(|age_ms_max| age_ms > age_ms_max);
        let enough_without = retention.bytes.is_some_and(|enough| bytes >= enough);
        if !too_old && !enough_without {
            break;
        }
        start = Some(segment.next_offset);
    }
    start
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::log::index::Progress;

    const NEVER: Retention = Retention { age_ms: None, bytes: None };

    /// Segments of ten records and 100 bytes each, with these newest timestamps.
    fn segments(newest: &[i64]) -> Vec<Segment> {
        let segment = |(n, timestamp): (i64, &i64)| Segment {
            base_offset: n * 10,
            next_offset: n * 10 + 10,
            log_bytes: 100,
            index_bytes: 0,
            first_timestamp: *timestamp,
            progress: Progress { indexed_to: 0, max_timestamp: *timestamp },
        };
        (0..).zip(newest).map(segment).collect()
    }

    #[test]
    fn without_a_limit_everything_is_kept() {
        assert_eq!(log_start(&segments(&[0, 1, 2]), NEVER, i64::MAX), None);
        assert_eq!(log_start(&[], Retention { age_ms: Some(0), bytes: Some(0) }, 100), None);
    }

    #[test]
    fn segments_go_when_their_newest_record_is_too_old() {
        let week = Retention { age_ms: Some(50), ..NEVER };
        assert_eq!(log_start(&segments(&[100, 200, 300]), week, 150), None);
        assert_eq!(log_start(&segments(&[100, 200, 300]), week, 251), Some(20));
        assert_eq!(log_start(&segments(&[100, 200, 300]), week, 1000), Some(30));
    }

    #[test]
    fn a_segment_that_stays_keeps_those_behind_it() {
        let retention = Retention { age_ms: Some(50), ..NEVER };
        assert_eq!(log_start(&segments(&[900, 100, 100]), retention, 900), None);
    }

    #[test]
    fn the_oldest_segments_go_while_there_is_enough_without_them() {
        let at_least = |bytes| Retention { bytes: Some(bytes), ..NEVER };
        let of = |bytes| log_start(&segments(&[1, 1, 1]), at_least(bytes), 1);
        assert_eq!(of(300), None);
        assert_eq!(of(250), None);
        assert_eq!(of(200), Some(10));
        assert_eq!(of(1), Some(20));
        assert_eq!(of(0), Some(30));
    }
}
