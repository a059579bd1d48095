//! The log as it runs, with its threads, on real files: many clients at once, and checkpoints all
//! the time.
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc;
use std::time::Duration;

use bytes::Bytes;
use pagi_appliance::broker::store::sizes::Sizes;
use pagi_appliance::broker::store::view::Partition;
use pagi_appliance::broker::store::writer::{Command, Done};
use pagi_appliance::broker::store::{Outcome, Running, Store};
use pagi_appliance::core::log::entry::CommittedOffset;
use pagi_appliance::core::log::ids::{PartitionId, TopicId};
use pagi_appliance::core::log::settings::TopicSettings;
use pagi_appliance::core::log::state::Placed;
use pagi_protocol::TopicName;
use pagi_protocol::kafka::batch_builder::Producer;
use pagi_protocol::kafka::record_batch::BatchHeader;
use tokio::runtime::Runtime;

use crate::batch::batch;
use crate::rng::Rng;
use crate::runs::{case, seeds};

/// Every few rounds something is full.
const SIZES: Sizes = Sizes {
    round_bytes_max: 64 << 10,
    wal_first_file_bytes: 128 << 10,
    wal_file_bytes_max: 192 << 10,
    wal_file_bytes_min: 64 << 10,
    segment_bytes: 100 << 10,
    unflushed_bytes_soft: 48 << 10,
    unflushed_bytes_max: 256 << 10,
    checkpoint_wal_bytes: 256 << 10,
    unsynced_bytes_max: 32 << 10,
    unsynced_files_max: 8,
};
const CLIENTS: i64 = 12;
const BATCHES: usize = 60;
const IN_FLIGHT: usize = 5;
const PARTITIONS: u32 = 6;
/// Far more than anything here takes.
const PATIENCE: Duration = Duration::from_secs(60);

/// The batches of one client, by the offset that was acknowledged.
type Acknowledged = BTreeMap<(PartitionId, i64), Bytes>;

fn open(path: &Path) -> (Store, Running) {
    Store::open(path, SIZES, None).unwrap()
}

/// Ends the store, and fails when that hangs.
fn close(running: Running) {
    let (done, ended) = mpsc::channel();
    std::thread::spawn(move || {
        running.close();
        done.send(()).unwrap();
    });
    ended.recv_timeout(PATIENCE).expect("the store ends");
}

async fn create_topic(store: &Store, name: &str, partitions: u32) -> TopicId {
    let name = TopicName::parse(name).unwrap();
    let uuid = [3; 16];
    match store
        .execute(Command::CreateTopic {
            name,
            partitions,
            uuid,
            settings: TopicSettings::default(),
        })
        .await
        .unwrap()
    {
        Ok(Done::TopicCreated(id)) => id,
        other => panic!("{other:?}"),
    }
}

/// An idempotent producer with some requests in flight, on partitions that it shares.
async fn produce(store: Store, topic: TopicId, client: i64, seed: u64) -> Acknowledged {
    let mut rng = Rng::of(seed, 100 + client.unsigned_abs());
    let mut next = vec![0; usize::try_from(PARTITIONS).unwrap()];
    let mut acknowledged = Acknowledged::new();
    let mut in_flight = std::collections::VecDeque::new();
    for _ in 0..BATCHES {
        let index = rng.below(next.len());
        let partition = PartitionId { topic, index: u32::try_from(index).unwrap() };
        let producer = Producer { id: client, epoch: 0, base_sequence: next[index] };
        let bytes = rng.below(4000);
        let batch = batch(producer, 2, bytes, &mut rng);
        next[index] += 2;
        let append = Command::Append { partition, batch: batch.clone() };
        in_flight.push_back((partition, batch, store.submit(vec![append]).await.unwrap()));
        if in_flight.len() == IN_FLIGHT {
            let (partition, batch, pending) = in_flight.pop_front().unwrap();
            note(&mut acknowledged, partition, batch, pending.outcomes().await.unwrap()[0]);
        }
    }
    for (partition, batch, pending) in in_flight {
        note(&mut acknowledged, partition, batch, pending.outcomes().await.unwrap()[0]);
    }
    acknowledged
}

fn note(acknowledged: &mut Acknowledged, at: PartitionId, batch: Bytes, outcome: Outcome) {
    match outcome {
        Ok(Done::Appended(Placed::New { base_offset })) => {
            assert!(acknowledged.insert((at, base_offset), batch).is_none(), "an offset twice");
        }
        other => panic!("{other:?}"),
    }
}

/// Topics come and go beside the others, with records in them.
async fn make_and_delete_topics(store: Store, seed: u64) {
    let mut rng = Rng::of(seed, 99);
    for round in 0..8 {
        let name = format!("short-lived-{round}");
        let topic = create_topic(&store, &name, 2).await;
        let partition = PartitionId { topic, index: 1 };
        for _ in 0..4 {
            let batch = batch(Producer::NONE, 1, 3000, &mut rng);
            store.execute(Command::Append { partition, batch }).await.unwrap().unwrap();
        }
        let name = TopicName::parse(&name).unwrap();
        store.execute(Command::DeleteTopic(name)).await.unwrap().unwrap();
    }
}

async fn commit_offsets(store: Store, topic: TopicId) {
    for offset in 0..200 {
        let committed =
            CommittedOffset { offset, leader_epoch: -1, metadata: String::new(), committed_ms: 0 };
        let offsets = vec![(PartitionId { topic, index: 0 }, committed)];
        let commit = Command::CommitOffsets { group: "g".to_owned(), offsets };
        store.execute(commit).await.unwrap().unwrap();
    }
}

/// Everything from `offset` on; fails at a hole.
async fn read_from(store: &Store, partition: &Arc<Partition>, mut offset: i64) -> Vec<Bytes> {
    let mut found = Vec::new();
    loop {
        let read = store.read(partition, offset, 20_000).await.unwrap().concat();
        if read.is_empty() {
            return found;
        }
        let mut rest = Bytes::from(read);
        while !rest.is_empty() {
            let header = BatchHeader::parse(&rest).unwrap();
            header.validate(&rest).unwrap();
            assert_eq!(header.base_offset, offset, "a hole in partition {}", partition.id);
            offset = header.next_offset();
            found.push(rest.split_to(header.total_bytes));
        }
    }
}

/// Follows a partition while it grows, and then to its end.
async fn follow(store: Store, partition: Arc<Partition>, done: Arc<AtomicBool>) {
    let mut offset = 0;
    loop {
        let last = done.load(Ordering::Acquire);
        for batch in read_from(&store, &partition, offset).await {
            offset = BatchHeader::parse(&batch).unwrap().next_offset();
        }
        if last {
            return;
        }
        tokio::task::yield_now().await;
    }
}

async fn work(store: Store, seed: u64) -> (TopicId, Acknowledged) {
    let topic = create_topic(&store, "shared", PARTITIONS).await;
    let done = Arc::new(AtomicBool::new(false));
    let partitions = store.view().topic_by_id(topic).unwrap().partitions.clone();
    let readers: Vec<_> = partitions
        .into_iter()
        .map(|partition| tokio::spawn(follow(store.clone(), partition, Arc::clone(&done))))
        .collect();
    let others = [
        tokio::spawn(make_and_delete_topics(store.clone(), seed)),
        tokio::spawn(commit_offsets(store.clone(), topic)),
    ];
    let producers: Vec<_> = (0..CLIENTS)
        .map(|client| tokio::spawn(produce(store.clone(), topic, client, seed)))
        .collect();
    let mut all = Acknowledged::new();
    for producer in producers {
        for (place, batch) in producer.await.unwrap() {
            assert!(all.insert(place, batch).is_none(), "an offset twice: {place:?}");
        }
    }
    done.store(true, Ordering::Release);
    for task in readers.into_iter().chain(others) {
        task.await.unwrap();
    }
    (topic, all)
}

/// What was acknowledged is there, byte for byte but for what the broker sets, and nothing else.
async fn verify(store: Store, topic: TopicId, acknowledged: &Acknowledged) {
    assert_eq!(store.view().topics().len(), 1, "deleted topics are gone");
    let found = store.view().topic_by_id(topic).unwrap();
    let mut count = 0;
    for partition in &found.partitions {
        for batch in read_from(&store, partition, 0).await {
            let header = BatchHeader::parse(&batch).unwrap();
            let sent = &acknowledged[&(partition.id, header.base_offset)];
            assert_eq!(batch[16..], sent[16..], "{} at {}", partition.id, header.base_offset);
            let retry = Command::Append { partition: partition.id, batch: sent.clone() };
            let retried = store.execute(retry).await.unwrap();
            let newest = matches!(
                retried,
                Ok(Done::Appended(Placed::Duplicate { base_offset }))
                    if base_offset == header.base_offset
            );
            assert!(newest || retried.is_err(), "{retried:?}");
            count += 1;
        }
    }
    assert_eq!(count, acknowledged.len());
    let committed = store.view().groups.committed("g", PartitionId { topic, index: 0 });
    assert_eq!(committed.unwrap().offset, 199);
}

#[test]
fn many_clients_at_once_lose_nothing_while_files_fill_up_all_the_time() {
    let test = "many_clients_at_once_lose_nothing_while_files_fill_up_all_the_time";
    for seed in seeds(1) {
        case(test, seed, "", || {
            let dir = tempfile::tempdir().unwrap();
            let runtime = Runtime::new().unwrap();
            let (store, running) = open(dir.path());
            let (topic, acknowledged) = runtime.block_on(work(store, seed));
            close(running);

            let (store, running) = open(dir.path());
            assert_eq!(running.recovery.rounds, 0, "it ended with a checkpoint");
            runtime.block_on(verify(store, topic, &acknowledged));
            close(running);
        });
    }
}

#[test]
fn a_store_that_is_closed_under_load_answers_everything_and_ends() {
    let test = "a_store_that_is_closed_under_load_answers_everything_and_ends";
    for seed in seeds(1) {
        case(test, seed, "", || {
            let dir = tempfile::tempdir().unwrap();
            let runtime = Runtime::new().unwrap();
            let (store, running) = open(dir.path());
            let mut rng = Rng::of(seed, 98);
            let pending = runtime.block_on(async {
                let topic = create_topic(&store, "shared", 1).await;
                let mut pending = Vec::new();
                for _ in 0..300 {
                    let batch = batch(Producer::NONE, 1, 8000, &mut rng);
                    let partition = PartitionId { topic, index: 0 };
                    let append = Command::Append { partition, batch };
                    pending.push(store.submit(vec![append]).await.unwrap());
                }
                drop(store);
                pending
            });
            close(running);
            runtime.block_on(async {
                for (offset, answer) in (0..).zip(pending) {
                    let outcome = answer.outcomes().await.unwrap()[0];
                    let placed = Placed::New { base_offset: offset };
                    assert_eq!(outcome, Ok(Done::Appended(placed)));
                }
            });
        });
    }
}
