//! Where things are in the data folder.
//!
//! ```text
//! LOCK                                      held by the running process
//! checkpoint                                see core::log::checkpoint
//! wal/0.wal                                 rounds; a ring of files, zero-filled when made
//! topics/orders.7/0-00000000000000000000.log    batches of topic number 7, partition 0
//! topics/orders.7/0-00000000000000000000.index  see core::log::index
//! ```
use pagi_protocol::TopicName;

use crate::core::log::entry::NewTopic;

/// The lock file.
pub const LOCK: &str = "LOCK";
/// The checkpoint.
pub const CHECKPOINT: &str = "checkpoint";
/// The checkpoint while it is written.
pub const CHECKPOINT_NEW: &str = "checkpoint.tmp";
/// What a repaired file's name ends with until it is put in its place; see `broker::repair::swap`.
pub const REPAIRED: &str = ".repaired";
/// The folder of the write-ahead log.
pub const WAL: &str = "wal";
/// The folder of the topics' folders.
pub const TOPICS: &str = "topics";

/// A file of the write-ahead log.
#[must_use]
pub fn wal_file(number: u32) -> String {
    format!("{WAL}/{number}.wal")
}

/// The same file while it is filled with zeros.
#[must_use]
pub fn wal_file_new(number: u32) -> String {
    format!("{WAL}/{number}.tmp")
}

/// The number of a file of the write-ahead log.
#[must_use]
pub fn wal_file_number(name: &str) -> Option<u32> {
    name.strip_suffix(".wal")?.parse().ok()
}

/// The name of a topic's folder in [`TOPICS`]. The number keeps a topic apart from a deleted one
/// of the same name.
#[must_use]
pub fn topic_dir_name(topic: &NewTopic) -> String {
    dir_name(&topic.name, topic.id.0)
}

/// Whether a name in [`TOPICS`] is that of a topic's folder. What others put there is left alone.
#[must_use]
pub fn is_topic_dir(name: &str) -> bool {
    name.rsplit_once('.').is_some_and(|(_, number)| number.parse::<u32>().is_ok())
}

/// Whether a name in [`WAL`] is that of a file that was not finished.
#[must_use]
pub fn is_unfinished(name: &str) -> bool {
    name.strip_suffix(".tmp").is_some_and(|number| number.parse::<u32>().is_ok())
}

fn dir_name(name: &TopicName, number: u32) -> String {
    // A topic name may have 249 bytes, a file name 255: cut what would not fit.
    let text = name.as_str();
    format!("{}.{number}", text.get(..text.len().min(200)).unwrap_or(text))
}

/// What a segment file holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum SegmentFile {
    /// Batches.
    Log,
    /// The sparse index.
    Index,
}

/// The path of a segment's file.
#[must_use]
pub fn segment_file(dir: &str, partition: u32, base_offset: i64, file: SegmentFile) -> String {
    let extension = match file {
        SegmentFile::Log => "log",
        SegmentFile::Index => "index",
    };
    format!("{TOPICS}/{dir}/{partition}-{base_offset:020}.{extension}")
}

/// The partition and the base offset in the name of a segment's file.
#[must_use]
pub fn segment_file_name(name: &str) -> Option<(u32, i64)> {
    let stem = name.strip_suffix(".log").or_else(|| name.strip_suffix(".index"))?;
    let (partition, base_offset) = stem.split_once('-')?;
    Some((partition.parse().ok()?, base_offset.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_longest_topic_name_makes_a_file_name_that_fits() {
        let name = TopicName::parse(&"x".repeat(249)).unwrap();
        assert!(dir_name(&name, u32::MAX).len() <= 255);
    }

    #[test]
    fn paths_are_as_documented() {
        let path = segment_file("orders.7", 0, 0, SegmentFile::Log);
        assert_eq!(path, "topics/orders.7/0-00000000000000000000.log");
        let path = segment_file("orders.7", 12, 345, SegmentFile::Index);
        assert_eq!(
            segment_file_name(path.strip_prefix("topics/orders.7/").unwrap()),
            Some((12, 345))
        );
        assert_eq!(segment_file_name("notes.log"), None);
        assert_eq!(wal_file_number("3.wal"), Some(3));
        assert_eq!(wal_file_number("3.tmp"), None);
    }

    #[test]
    fn what_others_put_there_is_not_taken_for_ours() {
        assert!(is_topic_dir("orders.v2.7") && is_unfinished("3.tmp"));
        for name in ["lost+found", "orders", "notes.txt", ".DS_Store", "3.wal", "a.tmp"] {
            assert!(!is_topic_dir(name) && !is_unfinished(name), "{name}");
        }
    }
}
