//! Damage to a file, as disks, controllers and people do it.
use std::fmt;
use std::fs::{self, File};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use super::random::Random;
use crate::failure::{Failure, Outcome, While};

/// Most damage is looked for where something is written.
const TRIES_FOR_CONTENT: u32 = 64;
const BLOCK_BYTES: [u64; 2] = [512, 4096];

/// What is done to a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Act {
    /// One bit is turned over.
    Flip { offset: u64, bit: u8 },
    /// A block of zeros.
    Blank { offset: u64, bytes: u64 },
    /// Bytes of something else.
    Overwrite { offset: u64 },
    /// It ends here.
    Cut { bytes: u64 },
    /// It is gone.
    Remove,
}

/// Damage to one file of a folder.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Damage {
    /// Relative to the folder.
    pub(super) file: PathBuf,
    pub(super) act: Act,
}

impl Damage {
    /// Damage to one of the files that hold something.
    pub(super) fn choose(folder: &Path, random: &mut Random) -> Outcome<Self> {
        let mut files = Vec::new();
        list(folder, &mut files)?;
        files.sort();
        let path = files.get(random.below(files.len()));
        let path = path.ok_or_else(|| Failure::new("no file to damage"))?;
        let file = File::open(path).on(format!("open {}", path.display()))?;
        let size = file.metadata()?.len();
        let offset = content(&file, size, random)?;
        let act = match random.below(16) {
            0 => Act::Remove,
            1 | 2 => Act::Cut { bytes: offset },
            3 | 4 => {
                let bytes = BLOCK_BYTES.get(random.below(2)).copied().unwrap_or(512);
                Act::Blank { offset: offset - offset % bytes, bytes }
            }
            5 | 6 => Act::Overwrite { offset },
            _ => Act::Flip { offset, bit: u8::try_from(random.below(8))? },
        };
        let file = path.strip_prefix(folder).on("name a file")?.to_path_buf();
        Ok(Self { file, act })
    }

    /// Does it to a copy of the folder.
    pub(super) fn apply(&self, folder: &Path) -> Outcome {
        let path = folder.join(&self.file);
        let file = File::options().read(true).write(true).open(&path);
        let file = file.on(format!("open {}", path.display()))?;
        match self.act {
            Act::Remove => fs::remove_file(&path).on("remove a file"),
            Act::Cut { bytes } => file.set_len(bytes).on("cut a file"),
            Act::Blank { offset, bytes } => {
                let left = file.metadata()?.len().saturating_sub(offset);
                let zeros = vec![0; usize::try_from(bytes.min(left))?];
                file.write_all_at(&zeros, offset).on("blank a block")
            }
            Act::Overwrite { offset } => {
                let left = file.metadata()?.len().saturating_sub(offset);
                let foreign = b"something else entirely";
                let bytes = foreign.get(..usize::try_from(left)?).unwrap_or(foreign);
                file.write_all_at(bytes, offset).on("overwrite a file")
            }
            Act::Flip { offset, bit } => {
                let mut byte = [0];
                file.read_exact_at(&mut byte, offset).on("read a file")?;
                let flipped = byte.map(|byte| byte ^ (1 << bit));
                file.write_all_at(&flipped, offset).on("flip a bit")
            }
        }
    }
}

/// A place in the file where it is not blank, if one is found.
fn content(file: &File, size: u64, random: &mut Random) -> Outcome<u64> {
    let mut offset = 0;
    for _ in 0..TRIES_FOR_CONTENT {
        offset = random.number() % size.max(1);
        let mut byte = [0];
        if file.read_at(&mut byte, offset).on("read a file")? == 1 && byte != [0] {
            break;
        }
    }
    Ok(offset)
}

/// The files with something in them.
fn list(folder: &Path, files: &mut Vec<PathBuf>) -> Outcome {
    for entry in fs::read_dir(folder).on(format!("list {}", folder.display()))? {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            list(&entry.path(), files)?;
        } else if entry.metadata()?.len() > 0 {
            files.push(entry.path());
        }
    }
    Ok(())
}

impl fmt::Display for Damage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let file = self.file.display();
        match self.act {
            Act::Flip { offset, bit } => write!(f, "{file}: bit {bit} of byte {offset} flipped"),
            Act::Blank { offset, bytes } => write!(f, "{file}: {bytes} bytes from {offset} blank"),
            Act::Overwrite { offset } => write!(f, "{file}: overwritten at byte {offset}"),
            Act::Cut { bytes } => write!(f, "{file}: cut at byte {bytes}"),
            Act::Remove => write!(f, "{file}: removed"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_act_changes_the_file_and_nothing_else() {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir(folder.path().join("a")).unwrap();
        let path = folder.path().join("a/file");
        let acts = [
            Act::Flip { offset: 700, bit: 3 },
            Act::Blank { offset: 512, bytes: 512 },
            Act::Overwrite { offset: 1023 },
            Act::Cut { bytes: 5 },
            Act::Remove,
        ];
        for act in acts {
            fs::write(&path, [0xa5; 1024]).unwrap();
            let damage = Damage { file: "a/file".into(), act: act.clone() };
            damage.apply(folder.path()).unwrap();
            let now = fs::read(&path).ok();
            assert_ne!(now, Some(vec![0xa5; 1024]), "{damage}");
            let bytes = now.map(|bytes| bytes.len());
            match act {
                Act::Remove => assert_eq!(bytes, None),
                Act::Cut { bytes: left } => assert_eq!(bytes, usize::try_from(left).ok()),
                _ => assert_eq!(bytes, Some(1024)),
            }
        }
    }

    #[test]
    fn a_seed_repeats_the_damage() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("x"), [1; 99]).unwrap();
        let choose = || Damage::choose(folder.path(), &mut Random::new(5)).unwrap();
        assert_eq!(choose(), choose());
    }
}
