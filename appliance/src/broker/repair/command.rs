//! The command `pagi-appliance log repair`.
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use clap::Args;

use super::super::inspect::error::LogError;
use super::super::inspect::finding::Finding;
use super::super::inspect::picture::Picture;
use super::super::inspect::target::Target;
use super::super::inspect::verify::verify;
use super::super::store::clock::now_ms;
use super::super::store::fs::{Folder, lock};
use super::super::store::sizes::Sizes;
use super::super::store::storage::Storage;
use super::plan::{Plan, RepairError, plan};
use super::swap::{finish, interrupted, report};

const HELP: &str = "\
Examples:
  pagi-appliance log repair /var/lib/pagi
      what a repair would lose; nothing is changed
  cp -a /var/lib/pagi /backup && pagi-appliance log repair /var/lib/pagi --accept-loss

A broker does not start on a folder whose acknowledged data is damaged, and restoring a copy is
better than a repair. A repair saves every record batch and every round that can still be read.
Where records are gone, their offsets stay empty: nobody gets them again, and consumers go on
behind them. What was lost is written to repair-N.ndjson in the folder before anything is changed;
damaged files stay there as *.damaged-N, to be removed by hand. A repair that is interrupted goes on
when it is called again.

A checkpoint that is damaged itself cannot be repaired. Nor can anybody tell whether the very last
round was acknowledged if nothing was written after it: a start cuts it off when it is not whole.

Exit codes:
  0  the folder is not damaged, or was repaired
  1  it is damaged, and was not repaired
  3  the folder cannot be read, or is in use";

/// Get past damage to acknowledged data, and say what is lost.
#[derive(Debug, Clone, Args)]
#[command(after_help = HELP)]
pub struct Repair {
    /// The data folder
    #[arg(value_name = "DIR")]
    folder: PathBuf,
    /// Repair it, and lose what cannot be read
    #[arg(long)]
    accept_loss: bool,
}

impl Repair {
    /// Says what there is to repair, and repairs it when the loss is accepted.
    ///
    /// # Errors
    /// [`LogError`].
    pub fn run(&self, out: &mut dyn Write) -> Result<(), LogError> {
        let path = self.folder.display().to_string();
        let (planned, unfinished) = {
            let target = Target::open(&self.folder)?;
            let storage = target.storage();
            let unfinished = interrupted(&**storage).map_err(|error| target.failed(error))?;
            let planned = match unfinished {
                Some(_) => None,
                None => plan(storage, now_ms()).map_err(|error| failed(&path, &error))?,
            };
            (planned, unfinished)
        };
        match (planned, unfinished) {
            (_, Some(number)) => {
                let what = "a repair was interrupted; with --accept-loss it goes on";
                writeln!(out, "{what}. What it loses is in {}", report(number))
                    .map_err(LogError::Output)?;
            }
            (None, None) => return Err(LogError::NotOurs(path)),
            (Some(plan), None) => {
                tell(&plan, out).map_err(LogError::Output)?;
                if plan.findings.is_empty() {
                    return Ok(());
                }
            }
        }
        if !self.accept_loss {
            return Err(LogError::NotAccepted(path));
        }
        let told = self.accept().map_err(|error| match error {
            RepairError::Io(error) if error.kind() == io::ErrorKind::WouldBlock => {
                LogError::InUse(path.clone())
            }
            error => failed(&path, &error),
        })?;
        writeln!(out, "repaired; {told}").map_err(LogError::Output)
    }

    /// Looks again, with the folder to itself, and repairs it.
    fn accept(&self) -> Result<String, RepairError> {
        let _lock = lock(&self.folder)?;
        let storage: Arc<dyn Storage> = Arc::new(Folder::new(&self.folder)?);
        let written = match interrupted(&*storage)? {
            Some(number) => {
                finish(&*storage, number)?;
                report(number)
            }
            None => match plan(&storage, now_ms())? {
                None => return Err(io::Error::from(io::ErrorKind::NotFound).into()),
                Some(plan) => plan.carry_out(&*storage, &Sizes::default())?,
            },
        };
        check(&storage)?;
        let written = self.folder.join(written);
        Ok(format!(
            "what was lost is in {}, the damaged files are kept beside the new ones as \
                    *.damaged-N",
            show(&written)
        ))
    }
}

fn show(path: &Path) -> String {
    path.display().to_string()
}

fn tell(plan: &Plan, out: &mut dyn Write) -> io::Result<()> {
    if plan.findings.is_empty() {
        return writeln!(out, "no damage: there is nothing to repair");
    }
    plan.findings.iter().try_for_each(|finding| writeln!(out, "{finding}"))?;
    if plan.losses.is_empty() {
        writeln!(out, "no record is lost: everything can be made again from what is sound")?;
    }
    plan.losses.iter().try_for_each(|loss| writeln!(out, "{loss}"))
}

/// The repaired folder is looked at as any other.
fn check(storage: &Arc<dyn Storage>) -> Result<(), RepairError> {
    let picture = Picture::of(storage)?.ok_or_else(|| io::Error::from(io::ErrorKind::NotFound))?;
    let findings = verify(storage, &picture)?.findings;
    match findings.iter().find(|finding| finding.is_damage()) {
        None => Ok(()),
        Some(finding) => Err(still_damaged(finding)),
    }
}

fn still_damaged(finding: &Finding) -> RepairError {
    io::Error::other(format!("still damaged: {finding}. Call it again")).into()
}

fn failed(path: &str, error: &RepairError) -> LogError {
    LogError::Repair { path: path.to_owned(), error: error.to_string() }
}
