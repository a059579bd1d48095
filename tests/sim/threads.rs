//! The log's own threads on the simulated disk: errors, power cuts and a full disk come while
//! clients wait, writer and maintenance work side by side, and nobody waits for ever.
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use pagi_appliance::broker::store::Outcome;
use pagi_appliance::broker::store::clock::now_ms;
use pagi_appliance::broker::store::reader::Reader;
use pagi_appliance::broker::store::threads::{Failure, Message, Threads};
use pagi_appliance::broker::store::view::View;
use pagi_appliance::broker::store::writer::{Command, Done, Submission};
use pagi_appliance::core::log::ids::{PartitionId, TopicId};
use pagi_appliance::core::log::settings::TopicSettings;
use pagi_appliance::core::log::state::{Placed, Refusal};
use pagi_protocol::TopicName;
use pagi_protocol::kafka::batch_builder::Producer;
use tokio::sync::mpsc::Sender;

use crate::batch::batch;
use crate::disk::{Disk, Fault};
use crate::observed::read_all;
use crate::rng::Rng;
use crate::runs::{case, seeds};
use crate::world::{CAPACITY, SIZES, open_log};

const CLIENTS: u32 = 4;
const BATCHES: i32 = 40;
const PATIENCE: Duration = Duration::from_secs(60);

struct Log {
    threads: Threads,
    messages: Sender<Message>,
    failure: Failure,
    view: Arc<View>,
    reader: Reader,
}

fn start(disk: &Disk) -> Option<Log> {
    let opened = open_log(disk, now_ms()).ok()?;
    let view = Arc::clone(&opened.view);
    let reader = Reader(Arc::clone(&opened.read_files));
    let (threads, messages, failure) =
        Threads::start(opened.writer, opened.maintenance, Arc::clone(&view), SIZES).unwrap();
    Some(Log { threads, messages, failure, view, reader })
}

/// Ends the log; all senders must be gone. Fails when that hangs.
fn join(threads: Threads) {
    let (done, ended) = std::sync::mpsc::channel();
    std::thread::spawn(move || {
        threads.join();
        done.send(()).unwrap();
    });
    ended.recv_timeout(PATIENCE).expect("the threads end");
}

/// `None` when the log has ended.
fn execute(messages: &Sender<Message>, command: Command) -> Option<Outcome> {
    let (submission, answer) = Submission::new(vec![command]);
    messages.blocking_send(Message::Submit(submission)).ok()?;
    Some(answer.blocking_recv().ok()?[0])
}

fn create_topic(messages: &Sender<Message>) -> Option<TopicId> {
    let name = TopicName::parse("shared").unwrap();
    let create = Command::CreateTopic {
        name,
        partitions: CLIENTS,
        uuid: [3; 16],
        settings: TopicSettings::default(),
    };
    match execute(messages, create)?.ok()? {
        Done::TopicCreated(id) => Some(id),
        other => panic!("{other:?}"),
    }
}

/// Appends to a partition of its own until all is done, or the log ends. What was acknowledged.
fn produce(messages: &Sender<Message>, partition: PartitionId, seed: u64) -> Vec<Bytes> {
    let mut rng = Rng::of(seed, u64::from(partition.index));
    let mut acknowledged = Vec::new();
    for n in 0..BATCHES {
        let producer = Producer { id: i64::from(partition.index), epoch: 0, base_sequence: n };
        let bytes = rng.below(6000);
        let batch = batch(producer, 1, bytes, &mut rng);
        let append = Command::Append { partition, batch: batch.clone() };
        let Some(outcome) = execute(messages, append) else { break };
        let placed = Placed::New { base_offset: i64::from(n) };
        assert_eq!(outcome, Ok(Done::Appended(placed)));
        acknowledged.push(batch);
    }
    acknowledged
}

/// Clients work until they are done, or the log ends. What each was told.
fn work(messages: &Sender<Message>, seed: u64) -> BTreeMap<PartitionId, Vec<Bytes>> {
    let Some(topic) = create_topic(messages) else { return BTreeMap::new() };
    std::thread::scope(|scope| {
        let clients: Vec<_> = (0..CLIENTS)
            .map(|index| {
                let partition = PartitionId { topic, index };
                let produce = move || produce(messages, partition, seed);
                (partition, scope.spawn(produce))
            })
            .collect();
        clients.into_iter().map(|(p, client)| (p, client.join().unwrap())).collect()
    })
}

/// What was acknowledged is there, and its retry is known.
fn verify(disk: &Disk, acknowledged: &BTreeMap<PartitionId, Vec<Bytes>>, seed: u64) {
    let log = start(disk).expect("it opens");
    for (id, batches) in acknowledged {
        let topic = log.view.topic_by_id(id.topic).expect("the topic is there");
        let partition = &topic.partitions[usize::try_from(id.index).unwrap()];
        let found = read_all(&log.reader, partition, &mut Rng::new(seed)).unwrap();
        let mut rest = &found[..];
        for sent in batches {
            assert!(rest.len() >= sent.len(), "{id}: an acknowledged batch is gone");
            assert_eq!(rest[16..sent.len()], sent[16..], "{id}");
            rest = &rest[sent.len()..];
        }
        let Some(last) = batches.last() else { continue };
        let retry = Command::Append { partition: *id, batch: last.clone() };
        let base_offset = i64::try_from(batches.len()).unwrap() - 1;
        let known = Done::Appended(Placed::Duplicate { base_offset });
        assert_eq!(execute(&log.messages, retry), Some(Ok(known)));
    }
    drop(log.messages);
    join(log.threads);
}

fn operations_of(seed: u64) -> u64 {
    let disk = Disk::new(CAPACITY, seed);
    let log = start(&disk).unwrap();
    work(&log.messages, seed);
    drop(log.messages);
    join(log.threads);
    disk.operations().0
}

#[test]
fn whatever_fails_under_load_the_threads_end_and_nothing_acknowledged_is_lost() {
    let test = "whatever_fails_under_load_the_threads_end";
    let operations = operations_of(0);
    for seed in seeds(25) {
        let mut rng = Rng::of(seed, 20);
        let at = rng.next() % operations;
        let fault = [Fault::PowerCut(at), Fault::Change(at), Fault::ChangeAndForget(at)];
        let fault = fault[rng.below(3)];
        case(test, seed, &format!("{fault:?}"), || {
            let disk = Disk::new(CAPACITY, seed);
            disk.arm(fault);
            let mut acknowledged = BTreeMap::new();
            if let Some(log) = start(&disk) {
                acknowledged = work(&log.messages, seed);
                drop(log.messages);
                join(log.threads);
                let told = log.failure.borrow().is_some();
                let all = acknowledged.values().all(|sent| sent.len() == 40);
                assert!(told || (all && !acknowledged.is_empty()), "the process was not told");
            }
            verify(&disk.after_kill(false), &acknowledged, seed);
            verify(&disk.after_power_cut(seed), &acknowledged, seed);
        });
    }
}

#[test]
fn a_full_disk_answers_at_once_and_heals_by_itself() {
    let disk = Disk::new(4 << 20, 0);
    let log = start(&disk).unwrap();
    let topic = create_topic(&log.messages).unwrap();
    let mut rng = Rng::new(0);
    let mut append = |index| {
        let batch = batch(Producer::NONE, 1, 5000, &mut rng);
        let append = Command::Append { partition: PartitionId { topic, index }, batch };
        execute(&log.messages, append).expect("a full disk is no reason to end")
    };
    for _ in 0..3 {
        disk.others_take(usize::MAX / 2);
        for n in 0..100 {
            assert_eq!(append(n % CLIENTS), Err(Refusal::StorageFull));
        }
        disk.others_take(0);
        let deadline = Instant::now() + PATIENCE;
        let mut taken = 0;
        while taken < 60 {
            match append(taken % CLIENTS) {
                Ok(_) => taken += 1,
                refused => assert_eq!(refused, Err(Refusal::StorageFull)),
            }
            assert!(Instant::now() < deadline, "it does not heal");
        }
    }
    drop(log.messages);
    join(log.threads);
    assert_eq!(*log.failure.borrow(), None);
}
