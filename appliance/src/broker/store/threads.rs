//! The store's two threads: the writer, and the maintenance behind it.
//!
//! **Invariants.** After an error that the log cannot survive, [`Failure`] says why, and the
//! process must end. The writer never waits for maintenance while maintenance waits for it: it
//! leaves a snapshot before it waits.
use std::collections::VecDeque;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Instant;

use parking_lot::{Condvar, Mutex, MutexGuard};
use tokio::sync::{mpsc, oneshot, watch};
use tracing::{error, info, warn};

use super::clock::now_ms;
use super::maintenance::Maintenance;
use super::sizes::Sizes;
use super::storage::is_full;
use super::view::View;
use super::writer::{Fatal, LogWriter, Snapshot, Submission};
use crate::core::log::ids::PartitionId;
use crate::core::log::producers::ActiveProducer;
use crate::limits::{CHECKPOINT_AGE, FULL_DISK_RETRY, WRITER_QUEUE_MAX};

/// What the writer's thread is told.
#[derive(Debug)]
pub enum Message {
    /// Commit this.
    Submit(Submission),
    /// Look whether a snapshot is wanted.
    Wake,
    /// Tell who produces to a partition.
    Producers(PartitionId, oneshot::Sender<Vec<ActiveProducer>>),
}

/// Why the store ended before it was told to; `None` while all is well.
pub type Failure = watch::Receiver<Option<String>>;

/// The running threads.
#[derive(Debug)]
pub struct Threads {
    shared: Arc<Shared>,
    writer: JoinHandle<Option<LogWriter>>,
    maintenance: JoinHandle<Option<Maintenance>>,
}

/// What the two threads know of each other.
#[derive(Debug, Default)]
struct Shared {
    work: Mutex<Work>,
    /// Maintenance has something to do.
    wake: Condvar,
    /// The writer may have room again.
    room: Condvar,
}

#[derive(Debug, Default)]
struct Work {
    /// Bytes written to the write-ahead log since the last snapshot.
    wal_bytes: u64,
    /// When the first of them was.
    since: Option<Instant>,
    /// The writer cannot go on without room.
    urgent: bool,
    /// Maintenance asked for a snapshot.
    wanted: bool,
    /// Its answer.
    snapshot: Option<Snapshot>,
    /// Maintenance cannot make room, the disk is full: commands must be refused.
    stuck: bool,
    /// Tells maintenance to end.
    stop: bool,
}

impl Threads {
    /// Starts both. The writer ends when the last sender of messages is gone.
    ///
    /// # Errors
    /// When the system has no room for another thread.
    pub fn start(
        writer: LogWriter,
        maintenance: Maintenance,
        view: Arc<View>,
        sizes: Sizes,
    ) -> io::Result<(Self, mpsc::Sender<Message>, Failure)> {
        let (messages, queue) = mpsc::channel(WRITER_QUEUE_MAX);
        let (failed, failure) = watch::channel(None);
        let shared = Arc::new(Shared::default());
        let write = WriterThread {
            writer,
            queue,
            pending: VecDeque::new(),
            view: Arc::clone(&view),
            shared: Arc::clone(&shared),
            sizes,
        };
        let maintain = MaintenanceThread {
            maintenance,
            view,
            shared: Arc::clone(&shared),
            messages: messages.downgrade(),
            sizes,
        };
        let (failed_writer, shared_writer) = (failed.clone(), Arc::clone(&shared));
        let shared_maintenance = Arc::clone(&shared);
        let writer = std::thread::Builder::new()
            .name("pagi-wal".to_owned())
            .spawn(move || supervise(&failed_writer, &shared_writer, || write.run()))?;
        let maintenance = std::thread::Builder::new()
            .name("pagi-checkpoint".to_owned())
            .spawn(move || supervise(&failed, &shared_maintenance, || maintain.run()))?;
        Ok((Self { shared, writer, maintenance }, messages, failure))
    }

    /// Waits until both have ended, and writes a last checkpoint. Blocks; the last sender of
    /// messages must be gone, or this waits for it.
    pub fn join(self) {
        let writer = self.writer.join();
        self.shared.lock().stop = true;
        self.shared.wake.notify_one();
        let maintenance = self.maintenance.join();
        let (Ok(Some(mut writer)), Ok(Some(mut maintenance))) = (writer, maintenance) else {
            error!("the log did not end cleanly; it will be recovered at the next start");
            return;
        };
        match maintenance.checkpoint(writer.snapshot(now_ms())) {
            Ok(()) => info!("the log is closed"),
            Err(error) => warn!(%error, "no last checkpoint; the next start replays the log"),
        }
    }
}

/// Runs a thread's work. When it fails, or panics, the other thread is told, and the process.
fn supervise<T>(
    failed: &watch::Sender<Option<String>>,
    shared: &Shared,
    run: impl FnOnce() -> Result<T, String>,
) -> Option<T> {
    let defect = |_| Err("a defect: its thread has panicked".to_owned());
    // What the panic leaves half done is never looked at again: the process must end.
    let message = match catch_unwind(AssertUnwindSafe(run)).unwrap_or_else(defect) {
        Ok(value) => return Some(value),
        Err(message) => message,
    };
    error!(%message, "the log cannot go on");
    // The first failure is the cause, a second one its effect.
    failed.send_if_modified(|told| told.is_none() && told.replace(message).is_none());
    let mut work = shared.lock();
    work.stop = true;
    work.stuck = true;
    drop(work);
    shared.wake.notify_one();
    shared.room.notify_one();
    None
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Work> {
        self.work.lock()
    }
}

struct WriterThread {
    writer: LogWriter,
    queue: mpsc::Receiver<Message>,
    pending: VecDeque<Submission>,
    view: Arc<View>,
    shared: Arc<Shared>,
    sizes: Sizes,
}

impl WriterThread {
    fn run(mut self) -> Result<LogWriter, String> {
        while let Some(message) = self.queue.blocking_recv() {
            self.take(message);
            loop {
                self.take_what_came();
                if self.pending.is_empty() {
                    break;
                }
                self.wait_for_room()?;
                let committed = self.writer.commit(&mut self.pending, now_ms());
                committed.map_err(|fatal: Fatal| fatal.to_string())?;
                self.note_round();
            }
            self.note_round();
        }
        Ok(self.writer)
    }

    fn take(&mut self, message: Message) {
        match message {
            Message::Submit(submission) => self.pending.push_back(submission),
            Message::Wake => {}
            Message::Producers(partition, reply) => {
                // Whoever asked may have gone.
                let _ = reply.send(self.writer.producers(partition));
            }
        }
    }

    /// What arrived while the last round was written goes into the next one.
    fn take_what_came(&mut self) {
        while self.pending.len() < WRITER_QUEUE_MAX {
            let Ok(message) = self.queue.try_recv() else { break };
            self.take(message);
        }
    }

    /// Tells maintenance what was written, and gives it the snapshot it may want.
    fn note_round(&mut self) {
        let written = self.writer.take_written_bytes();
        let mut work = self.shared.lock();
        work.wal_bytes += written;
        let first = written > 0 && work.since.is_none();
        if first {
            work.since = Some(Instant::now());
        }
        let due = work.wal_bytes >= self.sizes.checkpoint_wal_bytes
            || self.view.unflushed_bytes() >= self.sizes.unflushed_bytes_soft;
        let gave = give_snapshot(&mut self.writer, &mut work);
        drop(work);
        if first || due || gave {
            self.shared.wake.notify_one();
        }
    }

    /// Waits until a round can be written, or must be refused because the disk is full.
    ///
    /// # Errors
    /// When maintenance has failed: there will be no room, and the process ends.
    fn wait_for_room(&mut self) -> Result<(), String> {
        let unflushed_max = self.sizes.unflushed_bytes_max;
        let room = |writer: &LogWriter, view: &View| {
            writer.has_room() && view.unflushed_bytes() < unflushed_max
        };
        if room(&self.writer, &self.view) {
            return Ok(());
        }
        let mut work = self.shared.lock();
        while !room(&self.writer, &self.view) && !work.stuck {
            work.urgent = true;
            give_snapshot(&mut self.writer, &mut work);
            self.shared.wake.notify_one();
            self.shared.room.wait(&mut work);
        }
        work.urgent = false;
        if work.stop { Err("its maintenance has ended".to_owned()) } else { Ok(()) }
    }
}

/// Between two rounds: the moment is exact.
fn give_snapshot(writer: &mut LogWriter, work: &mut Work) -> bool {
    let wanted = std::mem::take(&mut work.wanted);
    if wanted {
        work.snapshot = Some(writer.snapshot(now_ms()));
        work.wal_bytes = 0;
        work.since = None;
    }
    wanted
}

struct MaintenanceThread {
    maintenance: Maintenance,
    view: Arc<View>,
    shared: Arc<Shared>,
    messages: mpsc::WeakSender<Message>,
    sizes: Sizes,
}

enum Due {
    Flush,
    Checkpoint,
    Stop,
}

impl MaintenanceThread {
    fn run(mut self) -> Result<Maintenance, String> {
        let mut done = Ok(());
        loop {
            self.note(done.and_then(|()| self.maintenance.extend_wal().map(|_| ())))?;
            done = match self.wait() {
                Due::Stop => return Ok(self.maintenance),
                Due::Flush => self.maintenance.flush(),
                Due::Checkpoint => match self.snapshot() {
                    Some(snapshot) => self.maintenance.checkpoint(snapshot),
                    None => return Ok(self.maintenance),
                },
            };
        }
    }

    /// Tells the writer how it went. A full disk is waited for; anything else is the end.
    fn note(&self, done: io::Result<()>) -> Result<(), String> {
        let stuck = match done {
            Ok(()) => false,
            Err(error) if is_full(&error) => true,
            Err(error) => return Err(format!("a segment or checkpoint: {error}")),
        };
        let mut work = self.shared.lock();
        match (work.stuck, stuck) {
            (false, true) => warn!("the disk is full: producers are refused until there is room"),
            (true, false) => info!("the disk has room again"),
            _ => {}
        }
        work.stuck = stuck;
        drop(work);
        self.shared.room.notify_one();
        Ok(())
    }

    fn wait(&self) -> Due {
        let mut work = self.shared.lock();
        loop {
            if work.stop {
                return Due::Stop;
            }
            if work.stuck {
                // Whatever is due is tried again, but not at once.
                let retry = Instant::now() + FULL_DISK_RETRY;
                while !work.stop && !self.shared.wake.wait_until(&mut work, retry).timed_out() {}
                return if work.stop { Due::Stop } else { Due::Checkpoint };
            }
            let age = work.since.map(|since| since.elapsed());
            if work.urgent
                || work.wal_bytes >= self.sizes.checkpoint_wal_bytes
                || age.is_some_and(|age| age >= CHECKPOINT_AGE)
            {
                return Due::Checkpoint;
            }
            if self.view.unflushed_bytes() >= self.sizes.unflushed_bytes_soft {
                return Due::Flush;
            }
            match age {
                Some(age) => {
                    let left = CHECKPOINT_AGE.saturating_sub(age);
                    self.shared.wake.wait_for(&mut work, left);
                }
                None => self.shared.wake.wait(&mut work),
            }
        }
    }

    /// Asks the writer for a snapshot; `None` when both threads are to end.
    fn snapshot(&self) -> Option<Snapshot> {
        self.shared.lock().wanted = true;
        // A writer that is at work sees the wish after its round, also when nobody can send any
        // more; only an idle one needs waking.
        if let Some(messages) = self.messages.upgrade() {
            let _ = messages.try_send(Message::Wake);
        }
        let mut work = self.shared.lock();
        while work.snapshot.is_none() && !work.stop {
            if work.urgent {
                // The writer waits for room, and waits for this.
                self.shared.room.notify_one();
            }
            self.shared.wake.wait(&mut work);
        }
        work.snapshot.take()
    }
}
