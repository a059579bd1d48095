//! The store: the only place that writes and syncs files.
//!
//! [`Store`] is what the rest of the broker holds: commands go in and are answered when they are
//! durable; what is durable can be read.
use std::io;
use std::path::Path;
use std::sync::Arc;

use bytes::Bytes;
use tokio::sync::{mpsc, oneshot};
use uuid::Uuid;

use self::budget::Budgeted;
use self::clock::now_ms;
use self::maintenance::Identity;
use self::open::{OpenError, Recovery};
use self::reader::{ReadError, Reader, Source};
use self::sizes::Sizes;
use self::storage::{Space, Storage};
use self::threads::{Failure, Message, Threads};
use self::view::{Partition, View};
use self::writer::{Command, Done, Outcomes, Submission};
use crate::core::log::ids::{PartitionId, Salt};
use crate::core::log::partition::Segment;
use crate::core::log::producers::ActiveProducer;
use crate::core::log::state::Refusal;

pub mod budget;
pub mod clock;
pub mod files;
pub mod fs;
pub mod groups;
pub mod layout;
pub mod maintenance;
pub mod open;
pub mod reader;
pub mod replay;
pub mod retired;
pub mod sizes;
pub mod storage;
pub mod threads;
pub mod view;
pub mod wal;
pub mod writer;

/// The log has ended; what became of the commands is not known.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the log has ended")]
pub struct Ended;

/// Why a store could not be started.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// Another process uses the folder.
    #[error("another process is using it (it holds the file {})", layout::LOCK)]
    Locked,
    /// The folder cannot be made or written.
    #[error("it cannot be used: {0}")]
    Folder(#[source] std::io::Error),
    /// The folder cannot be opened.
    #[error(transparent)]
    Open(#[from] OpenError),
}

/// See the module. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Store {
    messages: mpsc::Sender<Message>,
    storage: Arc<dyn Storage>,
    view: Arc<View>,
    reader: Reader,
    cluster_id: Uuid,
    batch_bytes_max: usize,
}

/// What keeps a store going.
#[derive(Debug)]
pub struct Running {
    threads: Threads,
    /// Says why the store ended before it was told to.
    pub failure: Failure,
    /// What was found at the start.
    pub recovery: Recovery,
    lock: fs::Lock,
}

impl Store {
    /// Opens the data folder at `path`, making it when it is not there. It takes the whole disk,
    /// unless there is a budget for it.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn open(
        path: &Path,
        sizes: Sizes,
        budget_bytes: Option<u64>,
    ) -> Result<(Self, Running), StoreError> {
        fs::create_dir_all(path).map_err(StoreError::Folder)?;
        let lock = fs::lock(path).map_err(|error| match error.kind() {
            std::io::ErrorKind::WouldBlock => StoreError::Locked,
            _ => StoreError::Folder(error),
        })?;
        let folder = fs::Folder::new(path).map_err(StoreError::Folder)?;
        let mut storage: Arc<dyn Storage> = Arc::new(folder);
        if let Some(bytes) = budget_bytes {
            storage = Arc::new(Budgeted::new(storage, bytes).map_err(StoreError::Folder)?);
        }
        let opened = open::open(Arc::clone(&storage), identity(), sizes, now_ms())?;
        let batch_bytes_max = opened.writer.batch_bytes_max();
        let (threads, messages, failure) =
            Threads::start(opened.writer, opened.maintenance, Arc::clone(&opened.view), sizes)
                .map_err(StoreError::Folder)?;
        let store = Self {
            messages,
            storage,
            view: opened.view,
            reader: Reader(opened.read_files),
            cluster_id: opened.cluster_id,
            batch_bytes_max,
        };
        Ok((store, Running { threads, failure, recovery: opened.recovery, lock }))
    }

    /// Hands commands to the log, in order. Waits while its queue is full. What comes back
    /// answers when the commands are durable, or refused.
    ///
    /// # Errors
    /// [`Ended`]: nothing was handed over.
    pub async fn submit(&self, commands: Vec<Command>) -> Result<Pending, Ended> {
        let (submission, answer) = Submission::new(commands);
        self.messages.send(Message::Submit(submission)).await.map_err(|_| Ended)?;
        Ok(Pending(answer))
    }

    /// Hands over one command, and waits until it is durable, or refused.
    ///
    /// # Errors
    /// [`Ended`]: it may or may not be durable.
    pub async fn execute(&self, command: Command) -> Result<Outcome, Ended> {
        let outcomes = self.submit(vec![command]).await?.outcomes().await?;
        outcomes.into_iter().next().ok_or(Ended)
    }

    /// The idempotent producers of a partition.
    ///
    /// # Errors
    /// [`Ended`].
    pub async fn producers(&self, partition: PartitionId) -> Result<Vec<ActiveProducer>, Ended> {
        let (reply, answer) = oneshot::channel();
        self.messages.send(Message::Producers(partition, reply)).await.map_err(|_| Ended)?;
        answer.await.map_err(|_| Ended)
    }

    /// Whole batches from the one that holds `offset`; none at the high watermark. At least one,
    /// then as many as fit into `bytes_max`.
    ///
    /// # Errors
    /// [`ReadError`].
    pub async fn read(
        &self,
        partition: &Arc<Partition>,
        offset: i64,
        bytes_max: usize,
    ) -> Result<Vec<Bytes>, ReadError> {
        match reader::locate(partition, offset, bytes_max)? {
            Source::Memory(batches) => Ok(batches),
            Source::Segment(segment) => {
                let (reader, partition) = (self.reader.clone(), Arc::clone(partition));
                let read = move || reader.read_located(&partition, &segment, offset, bytes_max);
                // A join error is a panic on the blocking thread, or a runtime that shuts down.
                let batches = tokio::task::spawn_blocking(read).await;
                Ok(vec![batches.map_err(|_| ReadError::Ended)??])
            }
        }
    }

    /// An offset before which no record of the partition is as new as `timestamp`: a good place
    /// to begin to look for one.
    ///
    /// # Errors
    /// [`ReadError::Ended`].
    pub async fn start_of(
        &self,
        partition: &Arc<Partition>,
        timestamp: i64,
    ) -> Result<i64, ReadError> {
        let (segment, behind, log_start) = {
            let log = partition.log.lock();
            let log_start = log.log_start();
            let new_enough =
                |s: &&Segment| s.next_offset > log_start && s.progress.max_timestamp >= timestamp;
            let segment = log.segments().iter().find(new_enough).copied();
            let behind = log.segments().last().map_or(log_start, |last| last.next_offset);
            (segment, behind.max(log_start), log_start)
        };
        let Some(segment) = segment else { return Ok(behind) };
        let (reader, partition) = (self.reader.clone(), Arc::clone(partition));
        let find = move || reader.start_of(&partition, &segment, timestamp);
        let found = tokio::task::spawn_blocking(find).await.map_err(|_| ReadError::Ended)?;
        Ok(found.max(log_start))
    }

    /// How much room there is.
    ///
    /// # Errors
    /// As the file system gives them.
    pub async fn space(&self) -> io::Result<Space> {
        let storage = Arc::clone(&self.storage);
        let space = tokio::task::spawn_blocking(move || storage.space()).await;
        space.unwrap_or_else(|_| Err(io::Error::other("the process stops")))
    }

    /// The bytes that must be free, or producers are refused.
    #[must_use]
    pub fn bytes_to_spare(&self) -> u64 {
        self.view.bytes_to_spare()
    }

    /// What readers see.
    #[must_use]
    pub fn view(&self) -> &View {
        &self.view
    }

    /// The cluster's id, as clients see it.
    #[must_use]
    pub const fn cluster_id(&self) -> Uuid {
        self.cluster_id
    }

    /// The largest record batch that the log takes, in bytes.
    #[must_use]
    pub const fn batch_bytes_max(&self) -> usize {
        self.batch_bytes_max
    }
}

/// The identity of a folder that is about to be made. Clients see the cluster's id: the salt must
/// not follow from it.
fn identity() -> Identity {
    let (high, low) = Uuid::new_v4().as_u64_pair();
    // The bits that every such id has in common end up beside random ones.
    let salt = Salt(high.rotate_left(32) ^ low);
    Identity { cluster_id: Uuid::new_v4().into_bytes(), salt }
}

/// What became of one command.
pub type Outcome = Result<Done, Refusal>;

/// The answer to a submission, to come.
#[derive(Debug)]
pub struct Pending(oneshot::Receiver<Outcomes>);

impl Pending {
    /// Waits for it.
    ///
    /// # Errors
    /// [`Ended`]: the commands may or may not be durable.
    pub async fn outcomes(self) -> Result<Outcomes, Ended> {
        self.0.await.map_err(|_| Ended)
    }
}

impl Running {
    /// Ends the store when the last [`Store`] is gone. Blocks until then.
    pub fn close(self) {
        self.threads.join();
        drop(self.lock);
    }
}
