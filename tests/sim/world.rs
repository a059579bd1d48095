//! The log on the simulated disk, driven without threads: clients, writer and maintenance take
//! turns in an order that the seed decides, also between the operations of a checkpoint.
use std::collections::{BTreeMap, VecDeque};
use std::io;
use std::sync::Arc;

use pagi_appliance::broker::store::Outcome;
use pagi_appliance::broker::store::layout::{TOPICS, segment_file_name};
use pagi_appliance::broker::store::maintenance::{Identity, Maintenance};
use pagi_appliance::broker::store::open::{self, OpenError, Opened};
use pagi_appliance::broker::store::reader::Reader;
use pagi_appliance::broker::store::sizes::Sizes;
use pagi_appliance::broker::store::storage::{Storage, is_full};
use pagi_appliance::broker::store::view::View;
use pagi_appliance::broker::store::writer::{Fatal, LogWriter, Submission};
use pagi_appliance::core::log::ids::{PartitionId, Salt};
use pagi_appliance::core::log::settings::TopicSettings;
use pagi_appliance::core::log::state::Refusal;
use pagi_protocol::TopicName;
use pagi_protocol::kafka::batch_builder::Producer;
use parking_lot::Mutex;

use crate::batch::batch;
use crate::client::intents;
use crate::disk::Disk;
use crate::model::{Intent, Model};
use crate::observed::{Observed, high_watermarks};
use crate::rng::Rng;

/// So small that a few batches fill a segment, and a few rounds a file of the log.
pub(crate) const SIZES: Sizes = Sizes {
    round_bytes_max: 16 << 10,
    wal_first_file_bytes: 32 << 10,
    wal_file_bytes_max: 48 << 10,
    wal_file_bytes_min: 16 << 10,
    segment_bytes: 12 << 10,
    unflushed_bytes_soft: 8 << 10,
    unflushed_bytes_max: 128 << 10,
    checkpoint_wal_bytes: 64 << 10,
    unsynced_bytes_max: 4 << 10,
    unsynced_files_max: 6,
};

/// Room enough.
pub(crate) const CAPACITY: usize = 64 << 20;
/// Enough turns to write over whatever a crash left.
const TURNS_AFTERWARDS: usize = 12;

/// The time at every start: the simulation has no clock.
pub(crate) const START_MS: i64 = 1_000;

const IDENTITY: Identity = Identity { cluster_id: [7; 16], salt: Salt(0x5eed_5a17) };

/// The process has ended: the log could not go on.
#[derive(Debug)]
pub(crate) struct Stopped;

/// The log could not be opened, or not read.
#[derive(Debug)]
pub(crate) struct Unopened {
    pub(crate) error: String,
    pub(crate) outside: Outside,
}

impl Unopened {
    fn new(error: &dyn std::error::Error, outside: Outside) -> Box<Self> {
        Box::new(Self { error: error.to_string(), outside })
    }
}

/// What the world outside knows: what was acknowledged, and what was asked for and not answered.
#[derive(Debug, Clone, Default)]
pub(crate) struct Outside {
    pub(crate) acknowledged: Model,
    /// In order; the first few of them may have been carried out.
    pub(crate) unanswered: Vec<Intent>,
    /// Whether the disk may become full.
    pub(crate) tight: bool,
    /// What readers may have seen.
    pub(crate) seen: BTreeMap<PartitionId, i64>,
}

impl Outside {
    /// After a restart: the log must hold what was acknowledged and perhaps the first few of what
    /// was not answered, and nothing else. That is then the truth.
    fn agree_with(&mut self, observed: &Observed, high_watermarks: &BTreeMap<PartitionId, i64>) {
        let mut differences = Vec::new();
        for (taken, by_a_full_disk) in self.possible() {
            let mut candidate = self.acknowledged.clone();
            let (sure, rest) = self.unanswered.split_at(taken);
            let small = rest.iter().take(by_a_full_disk).filter(|intent| !intent.needs_room());
            for intent in sure.iter().chain(small) {
                let _ = candidate.apply(intent, None);
            }
            let found = observed.differences(&candidate);
            if found.is_empty() {
                self.acknowledged = candidate;
                self.unanswered.clear();
                self.check_seen(high_watermarks);
                return;
            }
            differences.push(format!("with {taken} unanswered: {}", found.join("; ")));
        }
        panic!("{}", differences.join("\n"));
    }

    /// How many of the unanswered may have been carried out, and how many behind them by a disk
    /// that had become full, which refuses what needs room.
    fn possible(&self) -> Vec<(usize, usize)> {
        let all = self.unanswered.len();
        let mut possible: Vec<_> = (0..=all).map(|taken| (taken, 0)).collect();
        if self.tight {
            let more = |taken| (1..=all - taken).map(move |more| (taken, more));
            possible.extend((0..all).flat_map(more));
        }
        possible
    }

    fn check_seen(&self, high_watermarks: &BTreeMap<PartitionId, i64>) {
        for (partition, end) in high_watermarks {
            let seen = self.seen.get(partition).copied().unwrap_or_default();
            assert!(seen <= *end, "{partition}: readers saw up to {seen}, now it ends at {end}");
        }
    }
}

/// The writer and its clients.
struct Front {
    writer: LogWriter,
    outside: Outside,
    rng: Rng,
    now_ms: i64,
    stopped: bool,
    /// The last answer.
    last: Option<Outcome>,
}

impl Front {
    /// Clients ask for something, and wait for the answers.
    fn serve(&mut self) -> Result<(), Stopped> {
        let wanted = intents(&self.outside.acknowledged, &mut self.rng);
        self.submit(wanted)
    }

    fn submit(&mut self, wanted: Vec<Intent>) -> Result<(), Stopped> {
        if self.stopped {
            return Err(Stopped);
        }
        self.now_ms += 10;
        let mut queue = VecDeque::new();
        let mut answers = Vec::new();
        let mut rest = wanted.into_iter().peekable();
        while rest.peek().is_some() {
            let together: Vec<Intent> = rest.by_ref().take(1 + self.rng.below(3)).collect();
            let commands = together.iter().map(Intent::command).collect();
            let (submission, answer) = Submission::new(commands);
            queue.push_back(submission);
            answers.push((together, answer));
        }
        let mut committed: Result<(), Fatal> = Ok(());
        for _ in 0..100 {
            if queue.is_empty() || committed.is_err() {
                break;
            }
            committed = self.writer.commit(&mut queue, self.now_ms);
        }
        assert!(queue.is_empty() || committed.is_err(), "the writer makes no progress");
        drop(queue);
        for (intents, mut answer) in answers {
            match answer.try_recv() {
                Ok(outcomes) => self.note(&intents, &outcomes),
                Err(_) => self.outside.unanswered.extend(intents),
            }
        }
        self.stopped = committed.is_err();
        assert!(self.stopped || self.outside.unanswered.is_empty(), "no answer");
        committed.map_err(|_| Stopped)
    }

    /// Every answer is the one that the model gives, except that a full disk refuses.
    fn note(&mut self, intents: &[Intent], outcomes: &[Outcome]) {
        assert_eq!(intents.len(), outcomes.len());
        assert!(self.outside.unanswered.is_empty(), "answered out of order");
        self.last = outcomes.last().copied();
        for (intent, outcome) in intents.iter().zip(outcomes) {
            if *outcome != Err(Refusal::StorageFull) {
                let expected = self.outside.acknowledged.apply(intent, Some(outcome));
                assert_eq!(*outcome, expected, "{intent:?}");
            }
        }
    }
}

/// How often what is done, in percent, and how busy clients are during maintenance.
#[derive(Debug, Clone, Copy)]
struct Mood {
    flush: usize,
    checkpoint: usize,
    extend: usize,
    busy: usize,
}

const MOODS: [Mood; 3] = [
    Mood { flush: 15, checkpoint: 15, extend: 10, busy: 12 },
    // The write-ahead log is filled to its end.
    Mood { flush: 10, checkpoint: 2, extend: 3, busy: 20 },
    Mood { flush: 5, checkpoint: 20, extend: 5, busy: 70 },
];

/// See the module.
pub(crate) struct World {
    disk: Disk,
    front: Arc<Mutex<Front>>,
    maintenance: Maintenance,
    view: Arc<View>,
    reader: Reader,
    rng: Rng,
    mood: Mood,
}

impl World {
    /// Starts the log on what is on the disk, and holds it against what is known outside.
    pub(crate) fn open(
        disk: &Disk,
        mut outside: Outside,
        seed: u64,
    ) -> Result<Self, Box<Unopened>> {
        let mut rng = Rng::of(seed, 3);
        let opened = match open_log(disk, START_MS) {
            Err(error) => return Err(Unopened::new(&error, outside)),
            Ok(opened) => opened,
        };
        let Opened { writer, maintenance, view, read_files, .. } = opened;
        let reader = Reader(read_files);
        match Observed::of(&view, &reader, &mut rng) {
            Err(error) => return Err(Unopened::new(&error, outside)),
            Ok(observed) => outside.agree_with(&observed, &high_watermarks(&view)),
        }
        let now_ms = START_MS;
        let rng_front = Rng::of(seed, 4);
        let front = Front { writer, outside, rng: rng_front, now_ms, stopped: false, last: None };
        let front = Arc::new(Mutex::new(front));
        let mood = MOODS[rng.below(MOODS.len())];
        Ok(Self { disk: disk.clone(), front, maintenance, view, reader, rng, mood })
    }

    /// From now on nobody asks for anything during maintenance.
    pub(crate) fn calm_down(&mut self) {
        self.mood.busy = 0;
    }

    /// So many turns.
    pub(crate) fn run(&mut self, turns: usize) -> Result<(), Stopped> {
        (0..turns).try_for_each(|_| self.turn())
    }

    /// These turns of the seed's: what one of them does depends on its number, and on what is
    /// stored, but not on which others there are.
    pub(crate) fn run_only(&mut self, turns: &[u64], seed: u64) -> Result<(), Stopped> {
        turns.iter().try_for_each(|turn| {
            self.rng = Rng::of(seed ^ (turn << 32), 3);
            self.front.lock().rng = Rng::of(seed ^ (turn << 32), 4);
            self.turn()
        })
    }

    fn turn(&mut self) -> Result<(), Stopped> {
        let Mood { flush, checkpoint, extend, .. } = self.mood;
        match self.rng.below(100) {
            n if n < flush => self.flush()?,
            n if n < flush + checkpoint => self.checkpoint()?,
            n if n < flush + checkpoint + extend => self.extend()?,
            _ => self.front.lock().serve()?,
        }
        if !self.front.lock().writer.has_room() {
            self.extend()?;
        }
        if !self.front.lock().writer.has_room() {
            self.checkpoint()?;
        }
        Ok(())
    }

    fn flush(&mut self) -> Result<(), Stopped> {
        self.interleaved(Maintenance::flush)
    }

    pub(crate) fn checkpoint(&mut self) -> Result<(), Stopped> {
        let snapshot = {
            let front = &mut *self.front.lock();
            front.writer.snapshot(front.now_ms)
        };
        if self.rng.percent(2 * self.mood.busy) {
            self.front.lock().serve()?;
        }
        self.interleaved(|maintenance| maintenance.checkpoint(snapshot))
    }

    pub(crate) fn extend(&mut self) -> Result<(), Stopped> {
        self.interleaved(|maintenance| maintenance.extend_wal().map(|_| ()))
    }

    /// Maintenance works, and clients are served between its operations.
    fn interleaved(
        &mut self,
        work: impl FnOnce(&mut Maintenance) -> io::Result<()>,
    ) -> Result<(), Stopped> {
        let (front, mut rng) = (Arc::clone(&self.front), Rng::new(self.rng.next()));
        let busy = self.mood.busy;
        self.disk.interleave(Some(Box::new(move || {
            if rng.percent(busy) {
                // It is noted in the front when this was the end.
                let _ = front.lock().serve();
            }
        })));
        let done = work(&mut self.maintenance);
        self.disk.interleave(None);
        match done {
            Err(error) if !is_full(&error) => Err(Stopped),
            _ if self.front.lock().stopped => Err(Stopped),
            _ => Ok(()),
        }
    }

    /// Asks for exactly this.
    pub(crate) fn ask(&mut self, intents: Vec<Intent>) -> Result<(), Stopped> {
        self.front.lock().submit(intents)
    }

    /// Everything that can be read is what it should be, and retries are known.
    pub(crate) fn check(&mut self) {
        let observed = Observed::of(&self.view, &self.reader, &mut self.rng).unwrap();
        let acknowledged = self.acknowledged();
        let differences = observed.differences(&acknowledged);
        assert!(differences.is_empty(), "{}", differences.join("\n"));
        self.ask(acknowledged.retries()).unwrap();
    }

    /// Nothing takes room that the checkpoint does not name.
    fn check_files(&self) {
        for partition in self.view.topics().iter().flat_map(|topic| &topic.partitions) {
            let log = partition.log.lock();
            for name in self.disk.list(&format!("{TOPICS}/{}", partition.dir)).unwrap() {
                let (index, base_offset) = segment_file_name(&name).unwrap();
                let named = index != partition.id.index || log.has_segment(base_offset);
                assert!(named, "{}/{name} is left over", partition.dir);
            }
        }
    }

    pub(crate) fn acknowledged(&self) -> Model {
        self.front.lock().outside.acknowledged.clone()
    }

    /// Appends one batch, to a topic that is made when there is none.
    pub(crate) fn try_append(&mut self, rng: &mut Rng) -> Result<(), Refusal> {
        let front = &mut *self.front.lock();
        let partition = front.outside.acknowledged.partitions().next().map(|(id, _)| id);
        let intent = match partition {
            None => {
                let name = TopicName::parse("spare").unwrap();
                let settings = TopicSettings::default();
                Intent::Create { name, partitions: 1, uuid: [1; 16], settings }
            }
            Some(partition) => {
                let batch = batch(Producer::NONE, 1, 2000 + rng.below(4000), rng);
                Intent::Append { partition, batch }
            }
        };
        front.submit(vec![intent]).unwrap();
        front.last.unwrap().map(|_| ())
    }

    /// The process ends at once; what the outside knows is left.
    pub(crate) fn end(self) -> Outside {
        let mut outside = self.front.lock().outside.clone();
        outside.seen = high_watermarks(&self.view);
        outside
    }
}

/// The log on this disk.
pub(crate) fn open_log(disk: &Disk, now_ms: i64) -> Result<Opened, OpenError> {
    open::open(Arc::new(disk.clone()), IDENTITY, SIZES, now_ms)
}

/// Starts on what is left, checks, goes on, ends in good order, and starts once more.
pub(crate) fn verify(disk: &Disk, outside: Outside, seed: u64) {
    let unanswered = outside.unanswered.clone();
    let mut world = open(disk, outside, seed);
    world.check();
    world.ask(unanswered).unwrap();
    world.run(TURNS_AFTERWARDS).unwrap();
    world.check();
    world.checkpoint().unwrap();
    world.check_files();
    let outside = world.end();
    open(disk, outside, seed).check();
}

/// Starts on a disk where that must go well.
pub(crate) fn open(disk: &Disk, outside: Outside, seed: u64) -> World {
    World::open(disk, outside, seed)
        .unwrap_or_else(|unopened| panic!("cannot be opened: {}", unopened.error))
}
