//! The cases.
use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use rskafka::client::Client;
use rskafka::client::error::Error;
use rskafka::client::partition::{Compression, OffsetAt, PartitionClient, UnknownTopicHandling};

use crate::records::{all_shapes, begin, check_read, numbered, read, record};
use crate::report::{Failure, Outcome, check, refusal};

const TIMEOUT_MS: i32 = 10_000;
const PATIENCE: Duration = Duration::from_secs(30);
const PAUSE: Duration = Duration::from_millis(20);

/// What every case needs.
pub(crate) struct Context<'a> {
    pub(crate) client: &'a Client,
    pub(crate) prefix: &'a str,
}

/// What one case saw.
#[derive(Default)]
pub(crate) struct Case {
    pub(crate) seen: BTreeMap<&'static str, String>,
}

pub(crate) async fn run_case(name: &str, context: &Context<'_>, case: &mut Case) -> Outcome {
    match name {
        "metadata" => metadata(context).await,
        "topics" => topics(context, case).await,
        "records" => records(context, case).await,
        "codec-gzip" => codec(context, Compression::Gzip).await,
        "codec-snappy" => codec(context, Compression::Snappy).await,
        "codec-lz4" => codec(context, Compression::Lz4).await,
        "codec-zstd" => codec(context, Compression::Zstd).await,
        "offsets" => offsets(context, case).await,
        "delete-records" => delete_records(context, case).await,
        "large-record" => large_record(context, case).await,
        "seek" => seek(context).await,
        "out-of-range" => out_of_range(context, case).await,
        "unknown-topic" => unknown_topic(context, case).await,
        "long-poll" => long_poll(context).await,
        "idempotent" => Err(Failure::NotAvailable("rskafka has no idempotent producer")),
        "group-resume" | "group-rebalance" | "group-cooperative" | "group-static"
        | "groups-admin" => Err(Failure::NotAvailable("rskafka has no consumer groups")),
        "configs" => Err(Failure::NotAvailable("rskafka knows no settings")),
        "create-partitions" => Err(Failure::NotAvailable("rskafka cannot add partitions")),
        "read-committed" => Err(Failure::NotAvailable("rskafka has no isolation level")),
        "cluster" => Err(Failure::NotAvailable("rskafka cannot describe a cluster")),
        "acks" => Err(Failure::NotAvailable("rskafka always asks for acks=all")),
        _ => Err(Failure::Wrong("this program does not know the case".to_owned())),
    }
}

impl Context<'_> {
    async fn new_topic(&self, name: &str, partitions: i32) -> Outcome<String> {
        let topic = format!("{}{name}", self.prefix);
        self.client.controller_client()?.create_topic(&topic, partitions, 1, TIMEOUT_MS).await?;
        Ok(topic)
    }

    /// The first partition of a topic that is there.
    async fn partition(&self, topic: &str) -> Result<PartitionClient, Error> {
        self.client.partition_client(topic, 0, UnknownTopicHandling::Retry).await
    }

    async fn new_partition(&self, name: &str) -> Outcome<PartitionClient> {
        let topic = self.new_topic(name, 1).await?;
        Ok(self.partition(&topic).await?)
    }

    async fn partitions(&self, topic: &str) -> Outcome<Option<BTreeSet<i32>>> {
        let topics = self.client.list_topics().await?;
        Ok(topics.into_iter().find(|found| found.name == topic).map(|found| found.partitions))
    }

    async fn until_partitions(&self, topic: &str, wanted: Option<BTreeSet<i32>>) -> Outcome {
        let begin = Instant::now();
        loop {
            let found = self.partitions(topic).await?;
            if found == wanted || begin.elapsed() > PATIENCE {
                return check("partitions", found, wanted);
            }
            tokio::time::sleep(PAUSE).await;
        }
    }
}

async fn metadata(context: &Context<'_>) -> Outcome {
    let topic = context.new_topic("metadata", 3).await?;
    context.until_partitions(&topic, Some([0, 1, 2].into())).await
}

async fn topics(context: &Context<'_>, case: &mut Case) -> Outcome {
    let topic = context.new_topic("topics", 2).await?;
    context.until_partitions(&topic, Some([0, 1].into())).await?;
    let controller = context.client.controller_client()?;
    let again = controller.create_topic(&topic, 1, 1, TIMEOUT_MS).await;
    case.seen.insert("create again", refusal(&again));
    let blank = controller.create_topic(format!("{topic} x"), 1, 1, TIMEOUT_MS).await;
    case.seen.insert("a name with a blank", refusal(&blank));
    let three = controller.create_topic(format!("{topic}-3"), 1, 3, TIMEOUT_MS).await;
    case.seen.insert("three replicas", refusal(&three));
    controller.delete_topic(&topic, TIMEOUT_MS).await?;
    context.until_partitions(&topic, None).await?;
    let again = controller.delete_topic(&topic, TIMEOUT_MS).await;
    case.seen.insert("delete again", refusal(&again));
    Ok(())
}

async fn records(context: &Context<'_>, case: &mut Case) -> Outcome {
    let partition = context.new_partition("records").await?;
    let sent = all_shapes();
    let offsets = partition.produce(sent.clone(), Compression::NoCompression).await?;
    check("offsets", offsets, (0..1000).collect())?;
    check_read(&partition, 0, &sent).await?;
    let end = partition.get_offset(OffsetAt::Latest).await?;
    case.seen.insert("end", end.to_string());
    Ok(())
}

async fn codec(context: &Context<'_>, codec: Compression) -> Outcome {
    let name = format!("codec-{codec:?}").to_lowercase();
    let partition = context.new_partition(&name).await?;
    let sent = numbered(300);
    partition.produce(sent.clone(), codec).await?;
    check_read(&partition, 0, &sent).await
}

async fn offsets(context: &Context<'_>, case: &mut Case) -> Outcome {
    let partition = context.new_partition("offsets").await?;
    let begin = begin();
    let after = |ms| begin + Duration::from_millis(ms);
    let sent = (0..100).map(|n| record(b"k", b"v", after(n * 10))).collect();
    partition.produce(sent, Compression::NoCompression).await?;
    let wanted = [
        ("earliest", OffsetAt::Earliest, 0),
        ("latest", OffsetAt::Latest, 100),
        ("at a timestamp", OffsetAt::Timestamp(after(450)), 45),
        ("between two timestamps", OffsetAt::Timestamp(after(455)), 46),
        ("before all", OffsetAt::Timestamp(begin - Duration::from_secs(1)), 0),
        ("after all", OffsetAt::Timestamp(after(10_000)), -1),
    ];
    for (name, at, offset) in wanted {
        let found = partition.get_offset(at).await?;
        case.seen.insert(name, found.to_string());
        check(name, found, offset)?;
    }
    Ok(())
}

async fn delete_records(context: &Context<'_>, case: &mut Case) -> Outcome {
    let partition = context.new_partition("delete-records").await?;
    let sent = numbered(100);
    partition.produce(sent.clone(), Compression::NoCompression).await?;
    partition.delete_records(30, TIMEOUT_MS).await?;
    check("earliest", partition.get_offset(OffsetAt::Earliest).await?, 30)?;
    check_read(&partition, 30, &sent[30..]).await?;
    let beyond = partition.delete_records(101, TIMEOUT_MS).await;
    case.seen.insert("beyond the end", refusal(&beyond));
    partition.delete_records(-1, TIMEOUT_MS).await?;
    check("earliest", partition.get_offset(OffsetAt::Earliest).await?, 100)
}

async fn large_record(context: &Context<'_>, case: &mut Case) -> Outcome {
    let partition = context.new_partition("large").await?;
    let produce = |bytes: usize| {
        let large = record(b"large", &vec![b'v'; bytes], begin());
        partition.produce(vec![large], Compression::NoCompression)
    };
    check("offset", produce(900_000).await?, vec![0])?;
    let too_large = refusal(&produce(2_000_000).await);
    case.seen.insert("2 MB", too_large.clone());
    check("2 MB", too_large.as_str(), "MESSAGE_TOO_LARGE")?;
    check("offset behind it", produce(1).await?, vec![1])?;
    let received = read(&partition, 0, 2).await?;
    let sizes = received.iter().map(|came| came.record.value.as_ref().map_or(0, Vec::len));
    check("bytes", sizes.collect::<Vec<_>>(), vec![900_000, 1])
}

async fn seek(context: &Context<'_>) -> Outcome {
    let partition = context.new_partition("seek").await?;
    let sent = numbered(100);
    partition.produce(sent.clone(), Compression::NoCompression).await?;
    for offset in [50, 10, 99, 0] {
        let wanted = sent.iter().skip(offset).cloned().collect::<Vec<_>>();
        // A batch is given as a whole; rskafka leaves out what is before the offset.
        check_read(&partition, i64::try_from(offset)?, &wanted).await?;
    }
    Ok(())
}

async fn out_of_range(context: &Context<'_>, case: &mut Case) -> Outcome {
    let partition = context.new_partition("out-of-range").await?;
    partition.produce(numbered(10), Compression::NoCompression).await?;
    let beyond = partition.fetch_records(1_000_000, 1..1000, 100).await;
    case.seen.insert("beyond the end", refusal(&beyond));
    partition.delete_records(4, TIMEOUT_MS).await?;
    let before = partition.fetch_records(1, 1..1000, 100).await;
    case.seen.insert("before the beginning", refusal(&before));
    check("refused", case.seen.values().all(|code| code == "OFFSET_OUT_OF_RANGE"), true)
}

async fn unknown_topic(context: &Context<'_>, case: &mut Case) -> Outcome {
    let unknown = format!("{}no-such-topic", context.prefix);
    let deleted = context.client.controller_client()?.delete_topic(&unknown, TIMEOUT_MS).await;
    case.seen.insert("delete", refusal(&deleted));
    let known = context.new_topic("known", 1).await?;
    context.until_partitions(&known, Some([0].into())).await?;
    let far = context.client.partition_client(&known, 7, UnknownTopicHandling::Error).await;
    let far = match far {
        Ok(partition) => refusal(&partition.get_offset(OffsetAt::Latest).await),
        refused => refusal(&refused),
    };
    case.seen.insert("a partition too far", far);
    Ok(())
}

/// A waiting fetch is answered when a record comes, not when its wait is over.
async fn long_poll(context: &Context<'_>) -> Outcome {
    const UNDER_WAY: Duration = Duration::from_millis(300);
    const QUICK: Duration = Duration::from_millis(100);
    let topic = context.new_topic("long-poll", 1).await?;
    let (reading, writing) = (context.partition(&topic).await?, context.partition(&topic).await?);
    let mut quickest = PATIENCE;
    for offset in 0..5 {
        let fetch = async {
            let fetched = reading.fetch_records(offset, 1..1000, 5000).await;
            (fetched, Instant::now())
        };
        let produce = async {
            tokio::time::sleep(UNDER_WAY).await;
            let produced = writing.produce(numbered(1), Compression::NoCompression).await;
            (produced, Instant::now())
        };
        let ((fetched, arrived), (produced, acknowledged)) = tokio::join!(fetch, produce);
        check("offset", produced?, vec![offset])?;
        check("records", fetched?.0.len(), 1)?;
        quickest = quickest.min(arrived.saturating_duration_since(acknowledged));
    }
    // The machine may be busy with other things: once has to be quick.
    check(&format!("{quickest:?} is quick"), quickest < QUICK, true)
}
