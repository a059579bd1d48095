//! Vacant batches: offsets that were given out, and have no records any more.
//!
//! Compaction in Apache Kafka leaves the same behind where it removed every record of a batch, so
//! that clients know them: they go on at the offset behind it.
//!
//! **References.** Kafka protocol guide, "Record batch"; KIP-98.
use bytes::{Bytes, BytesMut};

use super::record_batch::{BATCH_HEADER_BYTES, BatchHeader};

/// Vacant batches for the offsets from `from` up to `until`, without it: one for each 2^31
/// offsets. Their time is `timestamp_ms`, in milliseconds since 1970.
pub fn vacant(
    from: i64,
    until: i64,
    leader_epoch: i32,
    timestamp_ms: i64,
) -> impl Iterator<Item = Bytes> {
    let mut base_offset = from;
    std::iter::from_fn(move || {
        let last = until.checked_sub(base_offset)?.checked_sub(1).filter(|last| *last >= 0)?;
        let header = BatchHeader {
            base_offset,
            total_bytes: BATCH_HEADER_BYTES,
            leader_epoch,
            crc: 0,
            attributes: 0,
            last_offset_delta: i32::try_from(last).unwrap_or(i32::MAX),
            base_timestamp: timestamp_ms,
            max_timestamp: timestamp_ms,
            producer_id: -1,
            producer_epoch: -1,
            base_sequence: -1,
            records: 0,
        };
        base_offset = header.next_offset();
        let mut batch = BytesMut::zeroed(BATCH_HEADER_BYTES);
        header.write(&mut batch);
        Some(batch.freeze())
    })
}

#[cfg(test)]
mod tests {
    use super::super::record::RecordReader;
    use super::super::record_batch::BatchError;
    use super::*;

    fn headers(from: i64, until: i64) -> Vec<(i64, i64)> {
        let of = |batch: Bytes| {
            let header = BatchHeader::parse(&batch).unwrap();
            assert_eq!(header.validate_stored(&batch), Ok(()));
            (header.base_offset, header.next_offset())
        };
        vacant(from, until, 0, 7).map(of).collect()
    }

    #[test]
    fn they_cover_all_offsets_without_a_gap() {
        assert_eq!(headers(5, 6), [(5, 6)]);
        assert_eq!(headers(5, 1 << 31), [(5, 1 << 31)]);
        let far = 5 + (1 << 31);
        assert_eq!(headers(5, far + 3), [(5, far), (far, far + 3)]);
        assert_eq!(headers(5, 5), []);
        assert_eq!(headers(5, 4), []);
    }

    #[test]
    fn a_producer_cannot_send_one_and_a_reader_finds_no_record_in_it() {
        let batch = vacant(5, 9, 0, 7).next().unwrap();
        let header = BatchHeader::parse(&batch).unwrap();
        let count = BatchError::Count { records: 0, last_offset_delta: 3 };
        assert_eq!(header.validate(&batch), Err(count));
        assert_eq!(RecordReader::of_batch(&batch).unwrap().count(), 0);
    }

    #[test]
    fn a_changed_bit_is_noticed() {
        let batch = vacant(5, 9, 0, 7).next().unwrap();
        for bit in 12 * 8..batch.len() * 8 {
            if (12 * 8..16 * 8).contains(&bit) {
                continue;
            }
            let mut changed = batch.to_vec();
            changed[bit / 8] ^= 1 << (bit % 8);
            let checked = BatchHeader::parse(&changed);
            assert!(checked.and_then(|h| h.validate_stored(&changed)).is_err(), "bit {bit}");
        }
    }
}
