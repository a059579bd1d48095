//! The commands `pagi-appliance log …`.
use std::io::{self, BufWriter, Write};
use std::path::PathBuf;

use clap::{Args, Subcommand};

use super::super::repair::command::Repair;
use super::dump::{Selection, dump};
use super::error::LogError;
use super::line::Format;
use super::picture::damaged_checkpoint;
use super::target::Target;
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
    /// Get past damage to acknowledged data, and say what is lost
    Repair(Repair),
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
            Self::Repair(arguments) => arguments.run(&mut out),
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
                let verified = verify(target.storage(), &picture?);
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
