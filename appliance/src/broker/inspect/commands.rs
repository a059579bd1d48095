//! The commands `pagi-appliance log …`.
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use clap::{Args, Subcommand};

use super::super::store::fs::{Folder, Lock, lock_shared};
use super::super::store::layout::LOCK;
use super::super::store::open::OpenError;
use super::super::store::storage::Storage;
use super::dump::{Selection, dump};
use super::line::Format;
use super::picture::{Picture, damaged_checkpoint};
use super::read_only::ReadOnly;
use super::verify::verify;

/// Look into the data folder of a broker that does not run, or into a copy of one.
#[derive(Debug, Clone, Subcommand)]
pub enum LogCommand {
    /// Check every checksum and every rule of a data folder, and change nothing
    #[command(after_help = VERIFY_HELP)]
    Verify(Verify),
    /// Print the records of a data folder, and change nothing
    #[command(after_help = DUMP_HELP)]
    Dump(Dump),
}

const VERIFY_HELP: &str = "\
Examples:
  pagi-appliance log verify /var/lib/pagi
  cp -a /var/lib/pagi /tmp/copy && pagi-appliance log verify /tmp/copy

Checks the checkpoint, every record batch and index entry of the segments, every round of the
write-ahead log that the checkpoint does not hold, and that all of it fits together. Each finding
names the file and the place in it. A 'leftover' is what a crash may leave: the next start puts it
in order. The folder must not be in use: stop the broker, or check a copy.

Exit codes:
  0  everything is as it was written
  1  something is damaged
  3  the folder cannot be read, or is in use";

const DUMP_HELP: &str = "\
Examples:
  pagi-appliance log dump /var/lib/pagi --topic orders | jq .value
  pagi-appliance log dump /var/lib/pagi --topic orders --partition 0 --from 100 --until 200
  pagi-appliance log dump /var/lib/pagi --format text

Each line has topic, partition, offset, timestamp, key, value and headers. What is not UTF-8 stands
under key_base64 and value_base64. Records that only the write-ahead log has are printed, too.
Damage is told on standard error, and what is behind it is printed where it can be read.

Exit codes:
  0  everything that was asked for was printed
  1  something is damaged
  3  the folder cannot be read, or is in use";

/// What to check.
#[derive(Debug, Clone, Args)]
pub struct Verify {
    /// The data folder
    #[arg(value_name = "DIR")]
    folder: PathBuf,
}

/// What to print.
#[derive(Debug, Clone, Args)]
pub struct Dump {
    /// The data folder
    #[arg(value_name = "DIR")]
    folder: PathBuf,
    /// Only this topic
    #[arg(long, value_name = "TOPIC")]
    topic: Option<String>,
    /// Only this partition
    #[arg(long, value_name = "N")]
    partition: Option<u32>,
    /// Only from this offset
    #[arg(long, value_name = "OFFSET")]
    from: Option<i64>,
    /// Only up to this offset, without it
    #[arg(long, value_name = "OFFSET")]
    until: Option<i64>,
    /// How to print a record
    #[arg(long, value_enum, default_value_t)]
    format: Format,
}

/// Why a command did not end well.
#[derive(Debug, thiserror::Error)]
pub enum LogError {
    /// A process runs on the folder.
    #[error(
        "{0} is in use: another process holds the file {LOCK} in it. Stop that process, or look \
         into a copy of the folder"
    )]
    InUse(String),
    /// The folder or a file in it cannot be read.
    #[error("{path} cannot be read: {error}")]
    Folder {
        /// The folder.
        path: String,
        /// What the system says.
        error: io::Error,
    },
    /// It is no data folder.
    #[error("{0} is not a data folder of pagi-appliance: it has no file 'checkpoint'")]
    NotOurs(String),
    /// It cannot be looked into.
    #[error("{path}: {error}")]
    Open {
        /// The folder.
        path: String,
        /// Why not.
        error: OpenError,
    },
    /// Something is damaged: what, was printed.
    #[error("{path} is damaged in {places} place(s)")]
    Damaged {
        /// The folder.
        path: String,
        /// How many places.
        places: usize,
    },
    /// The output could not be written.
    #[error("the output could not be written: {0}")]
    Output(io::Error),
}

impl LogError {
    /// Whether the folder could be read, and is damaged.
    #[must_use]
    pub const fn is_damage(&self) -> bool {
        matches!(self, Self::Damaged { .. })
    }
}

impl LogCommand {
    /// Does what was asked for; results go to standard output.
    ///
    /// # Errors
    /// [`LogError`].
    pub fn run(&self) -> Result<(), LogError> {
        let mut out = BufWriter::new(io::stdout().lock());
        let done = match self {
            Self::Verify(arguments) => arguments.run(&mut out),
            Self::Dump(arguments) => arguments.run(&mut out),
        };
        let flushed = out.flush().map_err(LogError::Output);
        match done.and(flushed) {
            // Whoever reads has read enough.
            Err(LogError::Output(error)) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
            done => done,
        }
    }
}

impl Verify {
    fn run(&self, out: &mut dyn Write) -> Result<(), LogError> {
        let target = Target::open(&self.folder)?;
        let report = match target.picture() {
            Err(LogError::Open { path, error }) => {
                let finding = damaged_checkpoint(&error).ok_or(LogError::Open { path, error })?;
                writeln!(out, "{finding}").map_err(LogError::Output)?;
                return target.damaged(1);
            }
            picture => {
                let verified = verify(&target.storage, picture?);
                verified.map_err(|error| target.failed(error))?
            }
        };
        write!(out, "{report}").map_err(LogError::Output)?;
        target.damaged(report.damages())
    }
}

impl Dump {
    fn run(&self, out: &mut dyn Write) -> Result<(), LogError> {
        let target = Target::open(&self.folder)?;
        let selection = Selection {
            topic: self.topic.clone(),
            partition: self.partition,
            from: self.from,
            until: self.until,
            format: self.format,
        };
        let findings = dump(&target.picture()?, &selection, out).map_err(LogError::Output)?;
        for finding in &findings {
            tracing::error!("{finding}");
        }
        target.damaged(findings.len())
    }
}

/// A folder that nobody else changes meanwhile.
struct Target {
    path: String,
    storage: Arc<dyn Storage>,
    #[expect(dead_code, reason = "held, never read")]
    lock: Option<Lock>,
}

impl Target {
    fn open(folder: &Path) -> Result<Self, LogError> {
        let path = folder.display().to_string();
        let failed = |error| LogError::Folder { path: path.clone(), error };
        let opened = Folder::new(folder).map_err(failed)?;
        let lock = lock_shared(folder).map_err(|error| match error.kind() {
            io::ErrorKind::WouldBlock => LogError::InUse(path.clone()),
            _ => failed(error),
        })?;
        let storage: Arc<dyn Storage> = Arc::new(ReadOnly(opened));
        Ok(Self { path, storage, lock })
    }

    fn picture(&self) -> Result<Picture, LogError> {
        let path = self.path.clone();
        match Picture::of(&self.storage) {
            Ok(Some(picture)) => Ok(picture),
            Ok(None) => Err(LogError::NotOurs(path)),
            Err(error) => Err(LogError::Open { path, error }),
        }
    }

    fn damaged(&self, places: usize) -> Result<(), LogError> {
        match places {
            0 => Ok(()),
            places => Err(LogError::Damaged { path: self.path.clone(), places }),
        }
    }

    fn failed(&self, error: io::Error) -> LogError {
        LogError::Folder { path: self.path.clone(), error }
    }
}
