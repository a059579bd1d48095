//! A disk in memory that fails as disks do.
//!
//! **Invariants.** Bytes are safe only behind `sync`, names only behind `sync_dir` of their
//! folder: whatever was not synced may be kept, lost, reordered or torn when the power goes.
use std::fmt;
use std::io;
use std::sync::Arc;

use bytes::Bytes;
use pagi_appliance::broker::store::storage::{File, Space, Storage};
use parking_lot::Mutex;

use crate::inode::{DirNode, Fate, FileNode, Node};
use crate::rng::Rng;

/// What goes wrong, at which operation. Operations that change something, and syncs, are counted
/// apart from those that only look.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fault {
    None,
    /// The power goes: this operation may be carried out in part, no later one is.
    PowerCut(u64),
    /// The operation fails; a write may have been carried out in part.
    Change(u64),
    /// As [`Fault::Change`], and a sync that fails loses what it should have written, although
    /// readers go on seeing it.
    ChangeAndForget(u64),
    /// An operation that only looks fails.
    Look(u64),
}

/// What is called between two operations, as another thread would be.
type Between = Box<dyn FnMut() + Send>;

/// See the module. Clones are the same disk.
#[derive(Clone)]
pub(crate) struct Disk(Arc<Inner>);

struct Inner {
    state: Mutex<State>,
    between: Mutex<Option<Between>>,
}

#[derive(Debug, Clone)]
struct State {
    files: Vec<FileNode>,
    dirs: Vec<DirNode>,
    fault: Fault,
    dead: bool,
    changes: u64,
    looks: u64,
    name_syncs: Vec<u64>,
    capacity: usize,
    taken_by_others: usize,
    rng: Rng,
    trace: bool,
}

const ALLOCATION_BYTES: usize = 4096;

impl fmt::Debug for Disk {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Disk")
    }
}

impl Disk {
    /// An empty disk of so many bytes.
    pub(crate) fn new(capacity: usize, seed: u64) -> Self {
        Self::with(State {
            files: Vec::new(),
            dirs: vec![DirNode::default()],
            fault: Fault::None,
            dead: false,
            changes: 0,
            looks: 0,
            name_syncs: Vec::new(),
            capacity,
            taken_by_others: 0,
            rng: Rng::of(seed, 1),
            trace: std::env::var_os("PAGI_SIM_TRACE").is_some(),
        })
    }

    fn with(state: State) -> Self {
        Self(Arc::new(Inner { state: Mutex::new(state), between: Mutex::new(None) }))
    }

    /// From now on `fault` happens; operations are counted from 0 again.
    pub(crate) fn arm(&self, fault: Fault) {
        let mut state = self.0.state.lock();
        (state.fault, state.changes, state.looks) = (fault, 0, 0);
    }

    /// How many operations there were that change something, and how many that look.
    pub(crate) fn operations(&self) -> (u64, u64) {
        let state = self.0.state.lock();
        (state.changes, state.looks)
    }

    /// Which of the operations synced names: until then, most is at stake.
    pub(crate) fn name_syncs(&self) -> Vec<u64> {
        self.0.state.lock().name_syncs.clone()
    }

    /// Whether the fault has happened.
    pub(crate) fn has_failed(&self) -> bool {
        let state = self.0.state.lock();
        match state.fault {
            Fault::None => false,
            Fault::PowerCut(_) => state.dead,
            Fault::Change(at) | Fault::ChangeAndForget(at) => state.changes > at,
            Fault::Look(at) => state.looks > at,
        }
    }

    pub(crate) fn free(&self) -> usize {
        self.0.state.lock().free()
    }

    pub(crate) fn is_dead(&self) -> bool {
        self.0.state.lock().dead
    }

    /// Calls `between` before each operation that changes something, but not before its own.
    pub(crate) fn interleave(&self, between: Option<Between>) {
        *self.0.between.lock() = between;
    }

    /// Other programs take so many bytes of the disk.
    pub(crate) fn others_take(&self, bytes: usize) {
        self.0.state.lock().taken_by_others = bytes;
    }

    /// There is more room from now on.
    pub(crate) fn enlarge(&self, capacity: usize) {
        self.0.state.lock().capacity = capacity;
    }

    /// The same contents, also of what is not synced, on another disk.
    pub(crate) fn fork(&self) -> Self {
        self.rebuilt(|_| ())
    }

    /// The process ended, and the machine did not. With `evict`, the kernel reads the disk again.
    pub(crate) fn after_kill(&self, evict: bool) -> Self {
        self.rebuilt(|state| {
            if evict {
                state.files.iter_mut().for_each(FileNode::evict);
            }
        })
    }

    /// The power came back.
    pub(crate) fn after_power_cut(&self, seed: u64) -> Self {
        let mut rng = Rng::of(seed, 2);
        let all = rng.percent(40).then(|| Fate::any(&mut rng));
        self.rebuilt(|state| {
            for file in &mut state.files {
                *file = file.cut(all.unwrap_or_else(|| Fate::any(&mut rng)), &mut rng);
            }
            for dir in &mut state.dirs {
                *dir = dir.cut(all.unwrap_or_else(|| Fate::any(&mut rng)), &mut rng);
            }
        })
    }

    fn rebuilt(&self, change: impl FnOnce(&mut State)) -> Self {
        let mut state = self.0.state.lock().clone();
        (state.fault, state.dead, state.changes, state.looks) = (Fault::None, false, 0, 0);
        change(&mut state);
        Self::with(state)
    }

    /// Every file's path and bytes.
    pub(crate) fn all_files(&self) -> Vec<(String, usize)> {
        fn walk(state: &State, dir: usize, prefix: &str, out: &mut Vec<(String, usize)>) {
            for (name, node) in &state.dirs[dir].now {
                match node {
                    Node::File(file) => {
                        out.push((format!("{prefix}{name}"), state.files[*file].now.len()));
                    }
                    Node::Dir(dir) => walk(state, *dir, &format!("{prefix}{name}/"), out),
                }
            }
        }
        let mut out = Vec::new();
        walk(&self.0.state.lock(), 0, "", &mut out);
        out
    }

    /// Damages a file at one bit.
    pub(crate) fn flip(&self, path: &str, bit: usize) {
        let mut state = self.0.state.lock();
        let Some(Node::File(file)) = state.find(path) else { panic!("no file {path}") };
        state.files[file].flip(bit);
    }

    /// Damages a file by cutting it.
    pub(crate) fn shorten(&self, path: &str, bytes: usize) {
        let mut state = self.0.state.lock();
        let Some(Node::File(file)) = state.find(path) else { panic!("no file {path}") };
        state.files[file].shorten(bytes);
    }

    /// Overwrites a part of a file with zeros.
    pub(crate) fn blank(&self, path: &str, at: usize, bytes: usize) {
        let mut state = self.0.state.lock();
        let Some(Node::File(file)) = state.find(path) else { panic!("no file {path}") };
        let file = &mut state.files[file];
        let end = (at + bytes).min(file.now.len());
        file.write(at, &vec![0; end - at]);
        file.sync();
    }

    /// Removes a file for good.
    pub(crate) fn lose(&self, path: &str) {
        let mut state = self.0.state.lock();
        let (dir, name) = state.parent(path).unwrap();
        state.dirs[dir].clear(&name);
        state.dirs[dir].sync();
    }

    /// Carries out an operation that changes something: `act` does so, `part` does some of it.
    fn change<T>(
        &self,
        what: impl FnOnce() -> String,
        part: impl FnOnce(&mut State, Part),
        act: impl FnOnce(&mut State) -> io::Result<T>,
    ) -> io::Result<T> {
        self.yield_to_others();
        let mut state = self.0.state.lock();
        state.alive()?;
        let number = state.changes;
        state.changes += 1;
        if state.trace {
            println!("  {number}: {}", what());
        }
        match state.fault {
            Fault::PowerCut(at) if at == number => {
                if state.rng.percent(50) {
                    part(&mut state, Part::Begun);
                }
                state.dead = true;
                state.alive()?;
            }
            Fault::Change(at) if at == number => {
                part(&mut state, Part::Failed);
                return Err(eio());
            }
            Fault::ChangeAndForget(at) if at == number => {
                part(&mut state, Part::FailedAndForgotten);
                return Err(eio());
            }
            _ => {}
        }
        act(&mut state)
    }

    fn look<T>(&self, act: impl FnOnce(&State) -> io::Result<T>) -> io::Result<T> {
        let mut state = self.0.state.lock();
        state.alive()?;
        let number = state.looks;
        state.looks += 1;
        if state.fault == Fault::Look(number) {
            return Err(eio());
        }
        act(&state)
    }

    fn yield_to_others(&self) {
        let Some(mut between) = self.0.between.lock().take() else { return };
        between();
        self.0.between.lock().get_or_insert(between);
    }

    fn handle(&self, file: usize) -> Arc<dyn File> {
        Arc::new(Handle { disk: self.clone(), file })
    }
}

/// How an operation ends that does not end well.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Part {
    Begun,
    Failed,
    FailedAndForgotten,
}

impl State {
    fn alive(&self) -> io::Result<()> {
        if self.dead { Err(io::Error::other("the power is off")) } else { Ok(()) }
    }

    fn find(&self, path: &str) -> Option<Node> {
        path.split('/').filter(|name| !name.is_empty()).try_fold(Node::Dir(0), |at, name| {
            let Node::Dir(dir) = at else { return None };
            self.dirs[dir].now.get(name).copied()
        })
    }

    fn dir(&self, path: &str) -> io::Result<usize> {
        match self.find(path) {
            Some(Node::Dir(dir)) => Ok(dir),
            Some(Node::File(_)) => Err(io::ErrorKind::NotADirectory.into()),
            None => Err(io::ErrorKind::NotFound.into()),
        }
    }

    fn parent(&self, path: &str) -> io::Result<(usize, String)> {
        let (dir, name) = path.rsplit_once('/').unwrap_or(("", path));
        Ok((self.dir(dir)?, name.to_owned()))
    }

    fn used(&self) -> usize {
        let dirs = self.dirs.iter().flat_map(|dir| dir.now.values());
        let bytes = |node: &Node| match node {
            Node::File(file) => self.files[*file].now.len().next_multiple_of(ALLOCATION_BYTES),
            Node::Dir(_) => ALLOCATION_BYTES,
        };
        self.taken_by_others + dirs.map(bytes).sum::<usize>()
    }

    fn free(&self) -> usize {
        self.capacity.saturating_sub(self.used())
    }

    /// Makes room for a file to have `end` bytes: how many it can have.
    fn grow(&self, file: usize, end: usize) -> usize {
        let has = self.files[file].now.len().next_multiple_of(ALLOCATION_BYTES);
        end.min(has + self.free() / ALLOCATION_BYTES * ALLOCATION_BYTES)
    }

    fn write(&mut self, file: usize, at: usize, bytes: &[u8]) -> io::Result<()> {
        let fits = self.grow(file, at + bytes.len()).saturating_sub(at).min(bytes.len());
        self.files[file].write(at, &bytes[..fits]);
        if fits < bytes.len() { Err(io::ErrorKind::StorageFull.into()) } else { Ok(()) }
    }

    fn room_for_a_name(&self) -> io::Result<()> {
        if self.free() < ALLOCATION_BYTES { Err(io::ErrorKind::StorageFull.into()) } else { Ok(()) }
    }

    fn create(&mut self, dir: usize, name: &str) -> io::Result<usize> {
        match self.dirs[dir].now.get(name) {
            Some(Node::File(file)) => Ok(*file),
            Some(Node::Dir(_)) => Err(io::ErrorKind::IsADirectory.into()),
            None => {
                self.room_for_a_name()?;
                self.files.push(FileNode::default());
                let file = self.files.len() - 1;
                self.dirs[dir].set(name, Node::File(file));
                Ok(file)
            }
        }
    }

    fn create_dir(&mut self, dir: usize, name: &str) -> io::Result<()> {
        match self.dirs[dir].now.get(name) {
            Some(Node::Dir(_)) => Ok(()),
            Some(Node::File(_)) => Err(io::ErrorKind::AlreadyExists.into()),
            None => {
                self.room_for_a_name()?;
                self.dirs.push(DirNode::default());
                let made = self.dirs.len() - 1;
                self.dirs[dir].set(name, Node::Dir(made));
                Ok(())
            }
        }
    }

    fn rename(&mut self, from: &str, to: &str) -> io::Result<()> {
        let (dir, from_name) = self.parent(from)?;
        let (to_dir, to_name) = self.parent(to)?;
        assert_eq!(dir, to_dir, "rename within a folder only");
        let node = self.find(from).ok_or(io::ErrorKind::NotFound)?;
        self.dirs[dir].rename(&from_name, &to_name, node);
        Ok(())
    }

    fn remove(&mut self, path: &str) -> io::Result<()> {
        match self.find(path) {
            None => Ok(()),
            Some(Node::Dir(_)) => Err(io::ErrorKind::IsADirectory.into()),
            Some(Node::File(_)) => {
                let (dir, name) = self.parent(path)?;
                self.dirs[dir].clear(&name);
                Ok(())
            }
        }
    }

    /// Removes the files of a folder, as many as `files` says, and then perhaps the folder.
    fn remove_dir(&mut self, path: &str, files: usize, itself: bool) -> io::Result<()> {
        let Some(node) = self.find(path) else { return Ok(()) };
        let Node::Dir(dir) = node else { return Err(io::ErrorKind::NotADirectory.into()) };
        let names: Vec<String> = self.dirs[dir].now.keys().take(files).cloned().collect();
        for name in names {
            self.dirs[dir].clear(&name);
        }
        if itself {
            let (parent, name) = self.parent(path)?;
            self.dirs[parent].clear(&name);
        }
        Ok(())
    }
}

impl Storage for Disk {
    fn open(&self, path: &str) -> io::Result<Arc<dyn File>> {
        self.look(|state| match state.find(path) {
            Some(Node::File(file)) => Ok(file),
            Some(Node::Dir(_)) => Err(io::ErrorKind::IsADirectory.into()),
            None => Err(io::ErrorKind::NotFound.into()),
        })
        .map(|file| self.handle(file))
    }

    fn create(&self, path: &str) -> io::Result<Arc<dyn File>> {
        let made = |state: &mut State| {
            let (dir, name) = state.parent(path)?;
            state.create(dir, &name)
        };
        let part = |state: &mut State, part| {
            if part == Part::Begun {
                let _ = made(state);
            }
        };
        self.change(|| format!("create {path}"), part, made).map(|file| self.handle(file))
    }

    fn create_dir(&self, path: &str) -> io::Result<()> {
        let made = |state: &mut State| {
            let (dir, name) = state.parent(path)?;
            state.create_dir(dir, &name)
        };
        let part = |state: &mut State, part| {
            if part == Part::Begun {
                let _ = made(state);
            }
        };
        self.change(|| format!("create_dir {path}"), part, made)
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        let part = |state: &mut State, part| {
            if part == Part::Begun {
                let _ = state.rename(from, to);
            }
        };
        self.change(|| format!("rename {from} {to}"), part, |state| state.rename(from, to))
    }

    fn remove(&self, path: &str) -> io::Result<()> {
        let part = |state: &mut State, part| {
            if part == Part::Begun {
                let _ = state.remove(path);
            }
        };
        self.change(|| format!("remove {path}"), part, |state| state.remove(path))
    }

    fn remove_dir(&self, path: &str) -> io::Result<()> {
        let part = |state: &mut State, _| {
            let files = state.rng.below(4);
            let _ = state.remove_dir(path, files, false);
        };
        let act = |state: &mut State| state.remove_dir(path, usize::MAX, true);
        self.change(|| format!("remove_dir {path}"), part, act)
    }

    fn list(&self, path: &str) -> io::Result<Vec<String>> {
        self.look(|state| match state.dir(path) {
            Ok(dir) => Ok(state.dirs[dir].now.keys().cloned().collect()),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Vec::new()),
            Err(error) => Err(error),
        })
    }

    fn sync_dir(&self, path: &str) -> io::Result<()> {
        let what = || format!("sync_dir {path}");
        self.change(
            what,
            |_, _| (),
            |state| {
                let dir = state.dir(path)?;
                state.dirs[dir].sync();
                let number = state.changes - 1;
                state.name_syncs.push(number);
                Ok(())
            },
        )
    }

    fn space(&self) -> io::Result<Space> {
        self.look(|state| {
            let (free_bytes, total_bytes) = (state.free() as u64, state.capacity as u64);
            Ok(Space { free_bytes, total_bytes })
        })
    }
}

#[derive(Debug)]
struct Handle {
    disk: Disk,
    file: usize,
}

fn eio() -> io::Error {
    io::Error::from_raw_os_error(5)
}

fn place(offset: u64) -> usize {
    usize::try_from(offset).unwrap()
}

impl File for Handle {
    fn read(&self, offset: u64, bytes: usize) -> io::Result<Bytes> {
        self.disk.look(|state| {
            let now = &state.files[self.file].now;
            let from = place(offset).min(now.len());
            let end = from.saturating_add(bytes).min(now.len());
            Ok(Bytes::copy_from_slice(&now[from..end]))
        })
    }

    fn write(&self, offset: u64, chunks: &[Bytes]) -> io::Result<()> {
        let (at, bytes) = (place(offset), chunks.concat());
        let part = |state: &mut State, _| {
            let some = state.rng.below(bytes.len() + 1);
            let _ = state.write(self.file, at, &bytes[..some]);
        };
        let what = || format!("write file {} at {at}: {} bytes", self.file, bytes.len());
        self.disk.change(what, part, |state| state.write(self.file, at, &bytes))
    }

    fn sync(&self) -> io::Result<()> {
        let part = |state: &mut State, part| {
            if part == Part::FailedAndForgotten {
                state.files[self.file].forget_dirty();
            }
        };
        self.disk.change(
            || format!("sync file {}", self.file),
            part,
            |state| {
                state.files[self.file].sync();
                Ok(())
            },
        )
    }

    fn size(&self) -> io::Result<u64> {
        self.disk.look(|state| Ok(state.files[self.file].now.len() as u64))
    }

    fn set_len(&self, bytes: u64) -> io::Result<()> {
        let end = place(bytes);
        let set = |state: &mut State| {
            if state.grow(self.file, end) < end {
                return Err(io::ErrorKind::StorageFull.into());
            }
            state.files[self.file].set_len(end);
            Ok(())
        };
        let part = |state: &mut State, part| {
            if part == Part::Begun {
                let _ = set(state);
            }
        };
        self.disk.change(|| format!("set_len file {} {bytes}", self.file), part, set)
    }
}
