//! What a repair could not save.
use std::fmt;

use serde_json::{Value, json};

/// One loss.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Loss {
    /// What is gone.
    pub lost: Lost,
    /// Where the damage is: the file relative to the data folder, and the byte, as far as known.
    pub place: Option<(String, u64)>,
    /// Why it cannot be read.
    pub why: String,
}

/// What is gone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Lost {
    /// Records of a partition.
    Records {
        /// The topic's name.
        topic: String,
        /// The partition.
        partition: u32,
        /// The first offset.
        from: i64,
        /// The offset behind the last.
        until: i64,
    },
    /// Rounds of the write-ahead log: everything that was acknowledged with them. Records that are
    /// known to have been there are losses of their own.
    Rounds {
        /// The first round.
        from: u64,
        /// The round behind the last.
        until: u64,
    },
    /// Rounds at the end of the write-ahead log, if there were any.
    End {
        /// The last round that is there.
        behind: u64,
    },
    /// A batch that is there, and belongs to nothing: the creation of its topic is lost.
    Batch {
        /// The topic's number.
        topic_number: u32,
        /// The partition.
        partition: u32,
        /// The first offset.
        from: i64,
        /// The offset behind the last.
        until: i64,
    },
}

impl Loss {
    /// One JSON object, for a program.
    #[must_use]
    pub fn to_json(&self) -> Value {
        let mut line = match &self.lost {
            Lost::Records { topic, partition, from, until } => json!({
                "lost": "records", "topic": topic, "partition": partition, "from": from,
                "until": until,
            }),
            Lost::Rounds { from, until } => json!({"lost": "rounds", "from": from, "until": until}),
            Lost::End { behind } => json!({"lost": "end", "behind_round": behind}),
            Lost::Batch { topic_number, partition, from, until } => json!({
                "lost": "batch", "topic_number": topic_number, "partition": partition, "from": from,
                "until": until,
            }),
        };
        if let Some(fields) = line.as_object_mut() {
            if let Some((file, byte)) = &self.place {
                fields.insert("file".to_owned(), file.as_str().into());
                fields.insert("byte".to_owned(), (*byte).into());
            }
            fields.insert("why".to_owned(), self.why.as_str().into());
        }
        line
    }
}

impl fmt::Display for Loss {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.lost {
            Lost::Records { topic, partition, from, until } => {
                write!(f, "LOST: {topic}/{partition}: offsets {from} up to {until}")?;
            }
            Lost::Rounds { from, until } => {
                write!(f, "LOST: rounds {from} up to {until}, with all that was in them")?;
            }
            Lost::End { behind } => {
                write!(f, "LOST: whatever was behind round {behind}, if there was anything")?;
            }
            Lost::Batch { topic_number, partition, from, until } => {
                let what = format_args!("topic number {topic_number}, partition {partition}");
                write!(f, "LOST: {what}: offsets {from} up to {until}")?;
            }
        }
        if let Some((file, byte)) = &self.place {
            write!(f, " ({file} at byte {byte})")?;
        }
        write!(f, ": {}", self.why)
    }
}
