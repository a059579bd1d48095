//! Making a write-ahead log without holes from the rounds that are left of one.
//!
//! **Invariants.** Every entry that is left comes out, in its order; only batches that belong to
//! nothing do not. A partition's batches follow each other: where some are gone, vacant ones stand
//! for them. Nobody's committed offset is behind the end of its partition, or records that are
//! still to come would be skipped. Producer ids that lost rounds may have given out are never
//! given again.
use std::collections::BTreeMap;
use std::io;

use bytes::Bytes;
use pagi_protocol::kafka::record_batch::BatchHeader;
use pagi_protocol::kafka::vacant::vacant;

use super::super::store::groups::Groups;
use super::super::store::layout::wal_file;
use super::super::store::replay::{ReplayError, read_round};
use super::super::store::wal::WalFile;
use super::loss::{Loss, Lost};
use super::rounds::Place;
use crate::core::log::bytes_codec::CodecError;
use crate::core::log::checkpoint::Checkpoint;
use crate::core::log::entry::Entry;
use crate::core::log::ids::{LEADER_EPOCH, PartitionId, Sequence};
use crate::core::log::state::LogState;

/// More producer ids than lost rounds can have given out: a block takes a round.
const PRODUCER_IDS_SKIPPED: i64 = 1 << 32;

/// Why rounds could not be mended.
#[derive(Debug, thiserror::Error)]
pub enum MendError {
    /// The file system failed.
    #[error(transparent)]
    Io(#[from] io::Error),
    /// A round that was found cannot be read any more.
    #[error(transparent)]
    Replay(#[from] ReplayError),
    /// A newer version wrote it.
    #[error("round {round} cannot be understood: {error}. Use a newer pagi-appliance")]
    Unknown {
        /// The round.
        round: u64,
        /// What was found.
        error: CodecError,
    },
}

/// Takes the mended entries, a round at a time.
pub type Out<'a> = &'a mut dyn FnMut(&[Entry]) -> io::Result<()>;

/// Gives the entries of the rounds at `found` to `out`, and what is lost between them. `now_ms` is
/// the time in milliseconds since 1970.
///
/// # Errors
/// [`MendError`].
pub fn mend(
    checkpoint: &Checkpoint,
    files: &[WalFile],
    found: &BTreeMap<Sequence, Place>,
    now_ms: i64,
    out: Out<'_>,
) -> Result<Vec<Loss>, MendError> {
    let mut mending = Mending {
        state: checkpoint.state.clone(),
        groups: Groups::restored(checkpoint.offsets.clone(), Vec::new()),
        losses: Vec::new(),
    };
    let mut expected = checkpoint.sequence.next();
    for (sequence, place) in found {
        if *sequence != expected {
            mending.lose_rounds(expected, *sequence);
        }
        expected = sequence.next();
        let Some(file) = files.get(place.index) else { continue };
        let Some(round) = read_round(file, place.offset, checkpoint.salt, *sequence)? else {
            return Err(io::Error::other(format!("round {} changes", sequence.0)).into());
        };
        let mut entries = Vec::new();
        let at = (wal_file(file.number), place.offset);
        for entry in Entry::all(round.body) {
            let entry = entry.map_err(|error| MendError::Unknown { round: sequence.0, error })?;
            mending.take(entry, &at, &mut entries);
        }
        out(&entries)?;
    }
    let last = mending.last_round(now_ms);
    if !last.is_empty() {
        out(&last)?;
    }
    Ok(mending.losses)
}

struct Mending {
    state: LogState,
    groups: Groups,
    losses: Vec<Loss>,
}

impl Mending {
    fn lose_rounds(&mut self, from: Sequence, until: Sequence) {
        let why = "not whole, and a later one is. Records that are known to have been in them are \
                   listed, too; topics, settings and commits are not known";
        let lost = Lost::Rounds { from: from.0, until: until.0 };
        self.losses.push(Loss { lost, place: None, why: why.to_owned() });
    }

    fn take(&mut self, entry: Entry, at: &(String, u64), out: &mut Vec<Entry>) {
        match &entry {
            Entry::Append { partition, batch } => {
                if let Err(loss) = self.make_room(*partition, batch, out) {
                    self.losses.push(Loss { place: Some(at.clone()), ..loss });
                    return;
                }
            }
            Entry::DeleteTopic(topic) => self.groups.delete_topic(*topic),
            Entry::CommitOffsets { group, offsets } => {
                self.groups.commit(group.clone(), offsets.clone());
            }
            Entry::DeleteOffsets { group, partitions } => {
                self.groups.delete_offsets(group, partitions);
            }
            Entry::DeleteGroup(group) => self.groups.delete(group),
            Entry::CreateTopic(_)
            | Entry::SetTopicSettings { .. }
            | Entry::AddPartitions { .. }
            | Entry::StoreGroup(_)
            | Entry::ReserveProducerIds { .. }
            | Entry::MoveLogStart { .. } => {}
        }
        self.state.apply(&entry, 0);
        out.push(entry);
    }

    /// Vacant batches up to where `batch` begins.
    fn make_room(
        &mut self,
        partition: PartitionId,
        batch: &Bytes,
        out: &mut Vec<Entry>,
    ) -> Result<(), Loss> {
        let batch_lost = |from, until, why: String| {
            let (topic_number, partition) = (partition.topic.0, partition.index);
            let lost = Lost::Batch { topic_number, partition, from, until };
            Loss { lost, place: None, why }
        };
        let checked = BatchHeader::parse(batch)
            .and_then(|header| header.validate_stored(batch).map(|()| header))
            .map_err(|error| batch_lost(-1, -1, error.to_string()))?;
        let (from, until) = (checked.base_offset, checked.next_offset());
        let Some(next) = self.state.next_offset(partition) else {
            let why = "its topic or partition was made in a round that is lost";
            return Err(batch_lost(from, until, why.to_owned()));
        };
        if from < next {
            return Err(batch_lost(from, until, format!("the partition ends at offset {next}")));
        }
        if from > next {
            let why = "they were in a round that is lost";
            self.vacate(partition, (next, from), checked.max_timestamp, why, out);
        }
        Ok(())
    }

    fn vacate(
        &mut self,
        partition: PartitionId,
        (from, until): (i64, i64),
        timestamp_ms: i64,
        why: &str,
        out: &mut Vec<Entry>,
    ) {
        for batch in vacant(from, until, LEADER_EPOCH, timestamp_ms) {
            let entry = Entry::Append { partition, batch };
            self.state.apply(&entry, 0);
            out.push(entry);
        }
        let topic = self.state.topics().find(|topic| topic.made.id == partition.topic);
        let topic = topic.map(|topic| topic.made.name.as_str().to_owned()).unwrap_or_default();
        let lost = Lost::Records { topic, partition: partition.index, from, until };
        self.losses.push(Loss { lost, place: None, why: why.to_owned() });
    }

    /// What is to be put right when all that is left was read.
    fn last_round(&mut self, now_ms: i64) -> Vec<Entry> {
        let mut out = Vec::new();
        for (group, offsets) in self.groups.all_committed() {
            for (partition, committed) in offsets {
                let end = self.state.next_offset(partition);
                if let Some(end) = end.filter(|end| *end < committed.offset) {
                    let why = format!("group {group} consumed up to there");
                    self.vacate(partition, (end, committed.offset), now_ms, &why, &mut out);
                }
            }
        }
        let (next, _) = self.state.producer_id_block();
        out.push(Entry::ReserveProducerIds { next: next.saturating_add(PRODUCER_IDS_SKIPPED) });
        out
    }
}
