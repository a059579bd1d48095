//! What is acknowledged beside records: topics made and deleted, records deleted, offsets committed,
//! producer ids given out. After each interruption the clerk looks whether all of it still holds.
use std::collections::BTreeMap;
use std::time::Duration;

use bytes::Bytes;
use pagi_protocol::kafka::messages::metadata::{
    MetadataRequest, MetadataRequestTopic, MetadataResponse,
};
use pagi_protocol::kafka::messages::offset_commit::{
    OffsetCommitPartition, OffsetCommitRequest, OffsetCommitResponse, OffsetCommitTopic,
};

use super::findings::{Findings, Sort};
use super::producer::producer_id;
use super::shared::Shared;
use super::topics;
use crate::failure::Outcome;
use crate::kafka::{Broker, check};
use crate::{offsets, plain};

const GROUP: &str = "chaos-clerk";
/// The topic whose records are deleted.
const SWEPT: &str = "swept";
const PAUSE: Duration = Duration::from_millis(3);
/// Topics that stay; beyond it the oldest is deleted.
const TOPICS_MAX: usize = 8;
const OFFSET_COMMIT_VERSION: i16 = 2;
const METADATA_VERSION: i16 = 4;

/// What was acknowledged to the clerk.
#[derive(Debug, Default)]
pub(super) struct Clerk {
    steps: u32,
    /// The offset whose commit was acknowledged, and the last one that was sent.
    committed: i64,
    sent: i64,
    topics: BTreeMap<String, Topic>,
    /// Records that are sure to be in [`SWEPT`].
    swept_end: i64,
    /// Its first offset as acknowledged, and as sent last.
    swept: i64,
    sweeping: i64,
    /// Whether nothing was asked yet.
    begun: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Topic {
    /// No answer: it may be there or not.
    InDoubt,
    Made,
    Deleted,
}

impl Clerk {
    /// Looks whether everything holds, and goes on until the connection breaks or the load ends.
    pub(super) fn session(&mut self, shared: &Shared) -> Outcome {
        let mut broker = Broker::connect(shared.address)?;
        if self.begun {
            self.look(&mut broker, shared, &shared.findings)?;
        }
        self.begun = true;
        while !shared.stops() {
            self.steps += 1;
            match self.steps % 8 {
                0 => self.make_topic(&mut broker)?,
                4 => self.delete_topic(&mut broker)?,
                2 => {
                    let (id, _) = producer_id(&mut broker)?;
                    if !shared.ledger.add_producer_id(id) {
                        shared.findings.add(Sort::Twice, || format!("producer id {id}"));
                    }
                }
                6 => self.sweep(&mut broker)?,
                _ => self.commit(&mut broker, shared)?,
            }
            std::thread::sleep(PAUSE);
        }
        self.look(&mut broker, shared, &shared.findings)?;
        Ok(())
    }

    fn commit(&mut self, broker: &mut Broker, shared: &Shared) -> Outcome {
        let (topic, partition_index) = shared.lanes.place(0);
        self.sent += 1;
        let partition = OffsetCommitPartition {
            partition_index,
            committed_offset: self.sent,
            ..OffsetCommitPartition::default()
        };
        let topic = OffsetCommitTopic { name: topic.to_owned(), partitions: vec![partition] };
        let request = OffsetCommitRequest {
            group_id: GROUP.to_owned(),
            topics: vec![topic],
            ..OffsetCommitRequest::default()
        };
        let answer: OffsetCommitResponse = broker.call(&request, OFFSET_COMMIT_VERSION)?;
        let partitions = answer.topics.iter().flat_map(|topic| &topic.partitions);
        check(partitions.map(|partition| partition.error_code), "commit an offset")?;
        self.committed = self.sent;
        Ok(())
    }

    fn make_topic(&mut self, broker: &mut Broker) -> Outcome {
        let name = format!("clerk-{}", self.steps);
        self.topics.insert(name.clone(), Topic::InDoubt);
        broker.create_topic(&name, 2)?;
        self.topics.insert(name, Topic::Made);
        Ok(())
    }

    fn delete_topic(&mut self, broker: &mut Broker) -> Outcome {
        let mut made = self.topics.iter().filter(|(_, topic)| **topic == Topic::Made);
        let count = made.clone().count();
        let Some((name, _)) = made.next().filter(|_| count > TOPICS_MAX) else { return Ok(()) };
        let name = name.clone();
        self.topics.insert(name.clone(), Topic::InDoubt);
        topics::delete(broker, &name)?;
        self.topics.insert(name, Topic::Deleted);
        Ok(())
    }

    /// Deletes all but the last records of a topic.
    fn sweep(&mut self, broker: &mut Broker) -> Outcome {
        const RECORDS: i64 = 4;
        const KEPT: i64 = 2;
        broker.create_topic(SWEPT, 1)?;
        let values = (0..RECORDS).map(|_| Bytes::from_static(b"to be swept"));
        check(plain::produce(broker, SWEPT, vec![plain::batch(0, values)?])?, "produce")?;
        self.swept_end += RECORDS;
        self.sweeping = self.swept_end - KEPT;
        topics::delete_records(broker, SWEPT, self.sweeping)?;
        self.swept = self.sweeping;
        Ok(())
    }

    /// Holds what the broker says against what it acknowledged.
    pub(super) fn look(
        &self,
        broker: &mut Broker,
        shared: &Shared,
        findings: &Findings,
    ) -> Outcome {
        if self.committed > 0 {
            let (committed, sent) = (self.committed, self.sent);
            let (topic, partition) = shared.lanes.place(0);
            let now = offsets::committed(broker, GROUP, topic, &[partition])?;
            let now = now.first().copied().unwrap_or(-1);
            if !(committed..=sent).contains(&now) {
                findings.add(Sort::Lost, || {
                    format!("offset {committed} was committed, {sent} was sent, {now} is there")
                });
            }
        }
        if self.swept > 0 {
            let (swept, sweeping) = (self.swept, self.sweeping);
            let now = topics::log_start(broker, SWEPT)?;
            if !(swept..=sweeping).contains(&now) {
                findings.add(Sort::Wrong, || {
                    format!("records before {swept} were deleted, the first one is {now}")
                });
            }
        }
        let names: Vec<&String> = self.topics.keys().collect();
        let topics = names.iter().map(|name| MetadataRequestTopic {
            name: Some((*name).clone()),
            ..MetadataRequestTopic::default()
        });
        let request = MetadataRequest {
            topics: Some(topics.collect()),
            allow_auto_topic_creation: false,
            ..MetadataRequest::default()
        };
        let answer: MetadataResponse = broker.call(&request, METADATA_VERSION)?;
        for topic in answer.topics {
            let name = topic.name.unwrap_or_default();
            let there = topic.error_code == 0 && topic.partitions.len() == 2;
            match (self.topics.get(&name), there) {
                (Some(Topic::Made), false) => findings.add(Sort::Lost, || {
                    format!("topic {name} was made, and is gone (error {})", topic.error_code)
                }),
                (Some(Topic::Deleted), true) => {
                    findings.add(Sort::Wrong, || format!("topic {name} is back"));
                }
                _ => {}
            }
        }
        Ok(())
    }
}
