//! A file and a folder as the simulated disk keeps them: what a process sees, and what is left
//! of it when the power goes.
use std::collections::BTreeMap;

use bytes::Bytes;

use crate::rng::Rng;

/// What a name stands for: the index of a file, or of a folder.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Node {
    File(usize),
    Dir(usize),
}

/// What the cut leaves of the changes that were not synced.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Fate {
    /// All of them.
    Kept,
    /// None.
    Lost,
    /// Each on its own, later ones also without earlier ones.
    Some,
    /// As [`Fate::Some`], and a write may be torn into sectors of so many bytes.
    Torn(usize),
}

impl Fate {
    pub(crate) fn any(rng: &mut Rng) -> Self {
        [Self::Kept, Self::Lost, Self::Some, Self::Torn(512), Self::Torn(4096)][rng.below(5)]
    }
}

#[derive(Debug, Clone)]
enum Write {
    Bytes { at: usize, bytes: Bytes },
    Length(usize),
}

impl Write {
    fn apply(&self, to: &mut Vec<u8>) {
        match self {
            Self::Bytes { at, bytes } => {
                if to.len() < *at {
                    to.resize(*at, 0);
                }
                let over = (to.len() - at).min(bytes.len());
                to[*at..at + over].copy_from_slice(&bytes[..over]);
                to.extend_from_slice(&bytes[over..]);
            }
            Self::Length(bytes) => to.resize(*bytes, 0),
        }
    }
}

#[derive(Debug, Clone, Default)]
pub(crate) struct FileNode {
    /// What a process sees.
    pub(crate) now: Vec<u8>,
    durable: Vec<u8>,
    dirty: Vec<Write>,
}

impl FileNode {
    pub(crate) fn write(&mut self, at: usize, bytes: &[u8]) {
        self.change(Write::Bytes { at, bytes: Bytes::copy_from_slice(bytes) });
    }

    pub(crate) fn set_len(&mut self, bytes: usize) {
        self.change(Write::Length(bytes));
    }

    fn change(&mut self, write: Write) {
        write.apply(&mut self.now);
        self.dirty.push(write);
    }

    pub(crate) fn sync(&mut self) {
        for write in self.dirty.drain(..) {
            write.apply(&mut self.durable);
        }
    }

    /// What a failed sync may do: the changes will never reach the disk, and seem to be there.
    pub(crate) fn forget_dirty(&mut self) {
        self.dirty.clear();
    }

    /// The kernel lets go of its copy and reads the disk again.
    pub(crate) fn evict(&mut self) {
        self.now.clone_from(&self.durable);
        for write in &self.dirty {
            write.apply(&mut self.now);
        }
    }

    /// What the power cut leaves.
    pub(crate) fn cut(&self, fate: Fate, rng: &mut Rng) -> Self {
        let mut left = self.durable.clone();
        match fate {
            Fate::Lost => {}
            Fate::Kept => self.dirty.iter().for_each(|write| write.apply(&mut left)),
            Fate::Some => {
                for write in self.dirty.iter().filter(|_| rng.percent(50)) {
                    write.apply(&mut left);
                }
            }
            Fate::Torn(sector) => self.tear(&mut left, sector, rng),
        }
        Self { now: left.clone(), durable: left, dirty: Vec::new() }
    }

    /// Each sector has the contents of some moment since the last sync, and so has the length.
    fn tear(&self, left: &mut Vec<u8>, sector: usize, rng: &mut Rng) {
        let mut moment = self.durable.clone();
        let mut length = moment.len();
        for write in &self.dirty {
            write.apply(&mut moment);
            if rng.percent(50) {
                length = moment.len();
            }
            let Write::Bytes { at, bytes } = write else { continue };
            let first = at / sector * sector;
            for start in (first..at + bytes.len()).step_by(sector).filter(|_| rng.percent(50)) {
                let end = (start + sector).min(moment.len());
                if left.len() < end {
                    left.resize(end, 0);
                }
                left[start..end].copy_from_slice(&moment[start..end]);
            }
        }
        left.resize(length, 0);
    }

    pub(crate) fn flip(&mut self, bit: usize) {
        for bytes in [&mut self.now, &mut self.durable] {
            if let Some(byte) = bytes.get_mut(bit / 8) {
                *byte ^= 1 << (bit % 8);
            }
        }
    }

    pub(crate) fn shorten(&mut self, bytes: usize) {
        self.now.truncate(bytes);
        self.durable.truncate(bytes);
    }
}

#[derive(Debug, Clone)]
enum Change {
    Set(String, Node),
    Clear(String),
    Move(String, String, Node),
}

impl Change {
    fn apply(&self, to: &mut BTreeMap<String, Node>) {
        match self {
            Self::Set(name, node) => {
                to.insert(name.clone(), *node);
            }
            Self::Clear(name) => {
                to.remove(name);
            }
            Self::Move(from, name, node) => {
                to.remove(from);
                to.insert(name.clone(), *node);
            }
        }
    }
}

#[derive(Debug, Clone, Default)]
pub(crate) struct DirNode {
    /// What a process sees.
    pub(crate) now: BTreeMap<String, Node>,
    durable: BTreeMap<String, Node>,
    dirty: Vec<Change>,
}

impl DirNode {
    pub(crate) fn set(&mut self, name: &str, node: Node) {
        self.change(Change::Set(name.to_owned(), node));
    }

    pub(crate) fn clear(&mut self, name: &str) {
        self.change(Change::Clear(name.to_owned()));
    }

    pub(crate) fn rename(&mut self, from: &str, to: &str, node: Node) {
        self.change(Change::Move(from.to_owned(), to.to_owned(), node));
    }

    fn change(&mut self, change: Change) {
        change.apply(&mut self.now);
        self.dirty.push(change);
    }

    pub(crate) fn sync(&mut self) {
        for change in self.dirty.drain(..) {
            change.apply(&mut self.durable);
        }
    }

    /// What the power cut leaves.
    pub(crate) fn cut(&self, fate: Fate, rng: &mut Rng) -> Self {
        let mut left = self.durable.clone();
        let kept = rng.below(self.dirty.len() + 1);
        for (index, change) in self.dirty.iter().enumerate() {
            let keep = match fate {
                Fate::Kept => true,
                Fate::Lost => false,
                Fate::Some => rng.percent(50),
                // What a journal does: all up to some moment.
                Fate::Torn(_) => index < kept,
            };
            if keep {
                change.apply(&mut left);
            }
        }
        Self { now: left.clone(), durable: left, dirty: Vec::new() }
    }
}
