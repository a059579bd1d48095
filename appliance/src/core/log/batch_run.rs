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
