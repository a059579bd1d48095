//! Picking whole batches out of a piece of a segment.
//!
//! **Invariants.** Nothing is given that does not pass its CRC.
use bytes::Bytes;
use pagi_protocol::kafka::record_batch::{BATCH_HEADER_BYTES, BatchError, BatchHeader};

/// What was found in a piece.
#[derive(Debug, PartialEq, Eq)]
pub enum Run {
    /// Whole batches, the first of which holds the offset, or follows it.
    Found(Bytes),
    /// The piece ends too early: it must have at least so many bytes.
    Needs(usize),
}

/// The batches of `piece`, which begins with a batch, from the one that holds `offset`: at least
/// one, then as many as fit into `bytes_max`.
///
/// # Errors
/// The place in the piece, and what is wrong with the batch there.
pub fn select(piece: &Bytes, offset: i64, bytes_max: usize) -> Result<Run, (usize, BatchError)> {
    let (mut at, mut start) = (0, None);
    loop {
        let rest = piece.get(at..).unwrap_or_default();
        let began = start.unwrap_or(at);
        if rest.len() < BATCH_HEADER_BYTES {
            return Ok(enough(piece, start, at, BATCH_HEADER_BYTES));
        }
        let header = BatchHeader::parse(rest).map_err(|error| (at, error))?;
        let end = at.saturating_add(header.total_bytes);
        if start.is_none() && header.next_offset() <= offset {
            at = end;
            continue;
        }
        if start.is_some() && end - began > bytes_max {
            return Ok(Run::Found(piece.slice(began..at)));
        }
        if end > piece.len() {
            return Ok(enough(piece, start, at, header.total_bytes));
        }
        header.validate(rest).map_err(|error| (at, error))?;
        start = Some(began);
        at = end;
    }
}

fn enough(piece: &Bytes, start: Option<usize>, at: usize, more: usize) -> Run {
    match start {
        Some(start) => Run::Found(piece.slice(start..at)),
        None => Run::Needs(at.saturating_add(more)),
    }
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
            assert_eq!(select(&piece, offset, usize::MAX), Ok(found), "offset {offset}");
        }
    }

    #[test]
    fn it_gives_whole_batches_up_to_the_limit_and_at_least_one() {
        let (piece, batch) = three();
        for (bytes_max, batches) in [(0, 1), (1, 1), (2 * batch, 2), (3 * batch - 1, 2)] {
            let found = Run::Found(piece.slice(..batches * batch));
            assert_eq!(select(&piece, 0, bytes_max), Ok(found), "{bytes_max} bytes");
        }
    }

    #[test]
    fn a_piece_that_ends_too_early_says_how_much_it_needs() {
        let (piece, batch) = three();
        for end in 0..batch {
            let needs = select(&piece.slice(..end), 0, usize::MAX);
            let Ok(Run::Needs(bytes)) = needs else { panic!("{needs:?} at {end}") };
            assert!(bytes > end && bytes <= batch);
        }
        let cut = piece.slice(..2 * batch + 10);
        assert_eq!(select(&cut, 0, usize::MAX), Ok(Run::Found(piece.slice(..2 * batch))));
    }

    #[test]
    fn a_damaged_batch_is_never_given() {
        let (piece, batch) = three();
        let mut damaged = piece.to_vec();
        damaged[batch + 30] ^= 1;
        let damaged = Bytes::from(damaged);
        assert_eq!(select(&damaged, 2, usize::MAX), Err((batch, BatchError::Crc)));
        assert_eq!(select(&damaged, 0, batch), Ok(Run::Found(piece.slice(..batch))));
    }
}
