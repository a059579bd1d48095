//! Writes down what passes a proxy.
use std::fs::File;
use std::io::Write;
use std::path::Path;
use std::sync::{Mutex, PoisonError};
use std::time::Instant;

use bytes::Bytes;
use pagi_wiretap::recording::{Direction, Entry, MAGIC};

use super::proxy::Observer;
use crate::failure::{Outcome, While};

/// A recording that grows with each frame; whole after each.
#[derive(Debug)]
pub(crate) struct Recorder {
    file: Mutex<Result<File, std::io::Error>>,
    begin: Instant,
}

impl Recorder {
    /// Begins a recording in a new file at `path`.
    pub(crate) fn create(path: &Path) -> Outcome<Self> {
        let doing = format!("write {}", path.display());
        let mut file = File::create(path).on(&doing)?;
        file.write_all(MAGIC).on(&doing)?;
        Ok(Self { file: Mutex::new(Ok(file)), begin: Instant::now() })
    }

    /// Whether every frame until now was written.
    ///
    /// # Errors
    /// Why not, once: the recording ends with the last frame that was.
    pub(crate) fn check(&self) -> Outcome {
        let file = self.file.lock().unwrap_or_else(PoisonError::into_inner);
        file.as_ref().map(|_| ()).on("write the recording")
    }
}

impl Observer for Recorder {
    fn frame(&self, connection: u32, direction: Direction, frame: &Bytes) {
        let mut file = self.file.lock().unwrap_or_else(PoisonError::into_inner);
        let at_us = u64::try_from(self.begin.elapsed().as_micros()).unwrap_or(u64::MAX);
        let entry = Entry { direction, connection, at_us, frame: frame.clone() };
        if let Ok(open) = file.as_mut()
            && let Err(error) = open.write_all(&entry.to_bytes())
        {
            *file = Err(error);
        }
    }
}

#[cfg(test)]
mod tests {
    use pagi_wiretap::recording::parse;

    use super::*;

    #[test]
    fn a_recording_is_whole_after_each_frame() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let recorder = Recorder::create(file.path()).unwrap();
        for (count, direction) in [(1, Direction::Request), (2, Direction::Answer)] {
            recorder.frame(3, direction, &Bytes::from_static(b"frame"));
            recorder.check().unwrap();
            let entries = parse(&std::fs::read(file.path()).unwrap().into()).unwrap();
            assert_eq!(entries.len(), count);
            assert_eq!(
                (entries[0].connection, entries[0].frame.as_ref()),
                (3, b"frame".as_slice())
            );
            assert!(entries.is_sorted_by_key(|entry| entry.at_us));
        }
    }
}
