//! Picking whole batches out of a piece of a segment.
//!
//! **Invariants.** Nothing is given that does not pass its CRC, or is not where it should be: the
//! offset and the leader epoch of a batch are outside its CRC, and batches follow each other
//! without a gap.
use bytes::Bytes;
use pagi_protocol::kafka::record_batch::{BATCH_HEADER_BYTES, BatchError, BatchHeader};

use super::ids::LEADER_EPOCH;

/// What was found in a piece.
#[derive(Debug, PartialEq, Eq)]
pub enum Run {
    /// Whole batches, the first of which holds the offset.
    Found(Bytes),
    /// The piece ends too early: look again with another.
    Ends {
        /// Where that piece has to begin, in bytes from the beginning of this one.
        at: usize,
        /// The offset of the batch there.
        first_offset: i64,
        /// The least bytes it has to have.
        needs: usize,
    },
}

/// What is wrong with a stored batch.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Damage {
    /// The batch itself.
    #[error(transparent)]
    Batch(#[from] BatchError),
    /// It is not the batch that should be here.
    #[error("a batch begins at offset {found}, not at {expected}")]
    Offset {
        /// The offset behind the batch before.
        expected: i64,
        /// Its own.
        found: i64,
    },
    /// It has a leader epoch that was never given.
    #[error("a batch has the leader epoch {0}")]
    LeaderEpoch(i32),
}

/// The batches of `piece`, which begins with the batch at `first_offset`, from the one that holds
/// `offset`: at least one, then as many as fit into `bytes_max`. Damage behind the first is left
/// for the next look.
///
/// # Errors
/// The place in the piece, and what is wrong with the batch there.
pub fn select(
    piece: &Bytes,
    first_offset: i64,
    offset: i64,
    bytes_max: usize,
) -> Result<Run, (usize, Damage)> {
    let (mut at, mut expected, mut began) = (0, first_offset, None);
    loop {
        let rest = piece.get(at..).unwrap_or_default();
        let found = |began: usize| Ok(Run::Found(piece.slice(began..at)));
        let header = match (header_at(rest, expected), began) {
            (Ok(Some(header)), _) => header,
            (_, Some(began)) => return found(began),
            (Ok(None), None) => return Ok(ends(at, expected, BATCH_HEADER_BYTES)),
            (Err(damage), None) => return Err((at, damage)),
        };
        let end = at.saturating_add(header.total_bytes);
        if began.is_some() || header.next_offset() > offset {
            match (began, header.validate_stored(rest)) {
                (Some(began), _) if end - began > bytes_max => return found(began),
                (_, Ok(())) => began = began.or(Some(at)),
                (Some(began), Err(_)) => return found(began),
                (None, Err(BatchError::Short { needed, .. })) => {
                    return Ok(ends(at, expected, needed));
                }
                (None, Err(error)) => return Err((at, error.into())),
            }
        }
        (at, expected) = (end, header.next_offset());
    }
}

fn ends(at: usize, first_offset: i64, needs: usize) -> Run {
    Run::Ends { at, first_offset, needs }
}

/// The header of the batch at the front of `rest`, which has to begin at offset `expected`; none
/// when it is cut short. Its records are not looked at.
///
/// # Errors
/// [`Damage`]: it is not that batch.
pub fn header_at(rest: &[u8], expected: i64) -> Result<Option<BatchHeader>, Damage> {
    if rest.len() < BATCH_HEADER_BYTES {
        return Ok(None);
    }
    let header = BatchHeader::parse(rest)?;
    if header.base_offset != expected {
        return Err(Damage::Offset { expected, found: header.base_offset });
    }
    if header.leader_epoch != LEADER_EPOCH {
        return Err(Damage::LeaderEpoch(header.leader_epoch));
    }
    Ok(Some(header))
}

#[cfg(test)]
mod tests {
    use pagi_protocol::kafka::batch_builder::{BatchBuilder, Producer};
    use pagi_protocol::kafka::record::Record;
    use pagi_protocol::kafka::record_batch::assign;

    use super::*;

    /// Three batches of two records each, at offsets 0, 2 and 4.
    fn three() -> (Bytes, usize) {
        let mut piece = Vec::new();
        for base_offset in [0, 2, 4] {
            let mut builder = BatchBuilder::new(1 << 20);
            builder.push(&Record::default()).unwrap();
            builder.push(&Record::default()).unwrap();
            let mut batch = builder.finish(Producer::NONE).unwrap().to_vec();
            assign(&mut batch, base_offset, 0);
            piece.extend(batch);
        }
        let bytes = piece.len() / 3;
        (piece.into(), bytes)
    }

    #[test]
    fn it_begins_with_the_batch_that_holds_the_offset() {
        let (piece, batch) = three();
        for (offset, start) in [(0, 0), (1, 0), (2, 1), (3, 1), (4, 2), (5, 2)] {
            let found = Run::Found(piece.slice(start * batch..));
            assert_eq!(select(&piece, 0, offset, usize::MAX), Ok(found), "offset {offset}");
        }
    }

    #[test]
    fn it_gives_whole_batches_up_to_the_limit_and_at_least_one() {
        let (piece, batch) = three();
        for (bytes_max, batches) in [(0, 1), (1, 1), (2 * batch, 2), (3 * batch - 1, 2)] {
            let found = Run::Found(piece.slice(..batches * batch));
            assert_eq!(select(&piece, 0, 0, bytes_max), Ok(found), "{bytes_max} bytes");
        }
    }

    #[test]
    fn a_piece_that_ends_too_early_says_how_much_it_needs() {
        let (piece, batch) = three();
        for end in 0..batch {
            let run = select(&piece.slice(..end), 0, 0, usize::MAX);
            let Ok(Run::Ends { at: 0, first_offset: 0, needs }) = run else { panic!("{run:?}") };
            assert!(needs > end && needs <= batch);
        }
        let cut = piece.slice(..2 * batch + 10);
        assert_eq!(select(&cut, 0, 0, usize::MAX), Ok(Run::Found(piece.slice(..2 * batch))));
        let needs = Run::Ends { at: 2 * batch, first_offset: 4, needs: BATCH_HEADER_BYTES };
        assert_eq!(select(&cut, 0, 4, usize::MAX), Ok(needs));
    }

    #[test]
    fn a_damaged_batch_is_never_given_and_those_before_it_are() {
        let (piece, batch) = three();
        for at in (0..24).chain([30]) {
            let mut damaged = piece.to_vec();
            damaged[batch + at] ^= 1;
            let damaged = Bytes::from(damaged);
            let before = Ok(Run::Found(piece.slice(..batch)));
            assert_eq!(select(&damaged, 0, 0, usize::MAX), before, "byte {at}");
            let run = select(&damaged, 0, 2, usize::MAX);
            assert!(!matches!(run, Ok(Run::Found(_))), "byte {at}");
        }
    }

    #[test]
    fn a_piece_that_begins_elsewhere_is_not_taken() {
        let (piece, _) = three();
        let damage = Damage::Offset { expected: 1, found: 0 };
        assert_eq!(select(&piece, 1, 4, usize::MAX), Err((0, damage)));
    }
}
