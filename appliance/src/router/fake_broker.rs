//! A broker for tests that misbehaves on command: one node, one partition per topic, one log for
//! all topics, one group.
use std::collections::{BTreeSet, VecDeque};
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use pagi_protocol::kafka::api::APIS;
use pagi_protocol::kafka::batch_builder::{BatchBuilder, Producer};
use pagi_protocol::kafka::cursor::Cursor;
use pagi_protocol::kafka::error_code::KafkaCode;
use pagi_protocol::kafka::exchange::{Request, decode_header, decode_request, encode_response};
use pagi_protocol::kafka::messages::api_versions::{ApiVersion, ApiVersionsResponse};
use pagi_protocol::kafka::messages::fetch::{
    AbortedTransaction, FetchPartitionResponse, FetchResponse, FetchTopicResponse,
};
use pagi_protocol::kafka::messages::find_coordinator::FindCoordinatorResponse;
use pagi_protocol::kafka::messages::list_offsets::{
    ListOffsetsPartitionResponse, ListOffsetsRequest, ListOffsetsResponse, ListOffsetsTopicResponse,
};
use pagi_protocol::kafka::messages::metadata::{
    MetadataBroker, MetadataPartition, MetadataResponse, MetadataTopic,
};
use pagi_protocol::kafka::messages::offset_commit::{
    OffsetCommitPartitionResponse, OffsetCommitRequest, OffsetCommitResponse,
    OffsetCommitTopicResponse,
};
use pagi_protocol::kafka::messages::offset_fetch::{
    OffsetFetchPartitionResponse, OffsetFetchRequest, OffsetFetchResponse, OffsetFetchTopicResponse,
};
use pagi_protocol::kafka::messages::produce::{
    ProducePartitionResponse, ProduceResponse, ProduceTopicResponse,
};
use pagi_protocol::kafka::record::{Record, RecordReader};
use pagi_protocol::kafka::record_batch::{BatchHeader, assign};
use pagi_protocol::kafka::wire::Records;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, watch};

use super::sync::lock;

/// What becomes of a produce request.
#[derive(Debug, Clone, Copy)]
pub(super) enum Fate {
    /// It is refused with this code.
    Refuse(KafkaCode),
    /// It is not answered.
    Silence,
    /// The connection is closed instead of an answer.
    Close,
    /// It is stored, and the client is asked to be slower.
    Throttle,
    /// Instead of an answer, the length of one comes, and nothing behind it.
    Length(u32),
}

/// The broker. It stores what no fate was set for.
#[derive(Clone)]
pub(super) struct FakeBroker(Arc<Inner>);

struct Inner {
    address: SocketAddr,
    state: Mutex<State>,
    /// A permit for each produce request that may be answered.
    answers: Semaphore,
    /// How many produce requests have come.
    requests: watch::Sender<usize>,
    /// Changes when all connections are to be closed.
    hang_up: watch::Sender<()>,
    /// Changes when it is to listen no more.
    stop: watch::Sender<()>,
}

#[derive(Default)]
struct State {
    topics: BTreeSet<String>,
    creates_topics: bool,
    fates: VecDeque<Fate>,
    poison: Option<Bytes>,
    stored: Vec<Vec<Bytes>>,
    /// The batches of the produce requests that were stored, as they came.
    taken: Vec<Bytes>,
    /// What is fetched instead of what is stored, batch by batch.
    forged: Option<Vec<Bytes>>,
    aborted: Vec<(i64, AbortedTransaction)>,
    /// Behind which an open transaction begins.
    last_stable: Option<i64>,
    fetches: usize,
    /// Fetches are not answered.
    holds_fetches: bool,
    /// The length that comes instead of the answer to a fetch.
    fetch_length: Option<u32>,
    /// The other broker, which leads all partitions.
    leader: Option<SocketAddr>,
    /// The first offset that is still there.
    log_start: i64,
    log_end: i64,
    /// What the group has committed.
    committed: Option<i64>,
    committed_epoch: i32,
    commit_fates: VecDeque<KafkaCode>,
}

impl FakeBroker {
    /// Starts it with these topics. It creates no others.
    pub(super) async fn start(topics: &[&str]) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let topics = topics.iter().map(|topic| (*topic).to_owned()).collect();
        let broker = Self(Arc::new(Inner {
            address: listener.local_addr().unwrap(),
            state: Mutex::new(State { topics, ..State::default() }),
            answers: Semaphore::new(1_000_000),
            requests: watch::Sender::new(0),
            hang_up: watch::Sender::new(()),
            stop: watch::Sender::new(()),
        }));
        let serving = broker.clone();
        let mut stopping = broker.0.stop.subscribe();
        tokio::spawn(async move {
            let accepting = async {
                while let Ok((stream, _)) = listener.accept().await {
                    let connection = serving.clone();
                    tokio::spawn(async move { connection.serve(stream).await });
                }
            };
            tokio::select! {
                _ = stopping.changed() => {}
                () = accepting => {}
            }
        });
        broker
    }

    /// Where it listens.
    pub(super) fn address(&self) -> String {
        self.0.address.to_string()
    }

    /// From now on, topics that are asked for are created.
    pub(super) fn create_topics(&self) {
        lock(&self.0.state).creates_topics = true;
    }

    /// What becomes of the next produce requests.
    pub(super) fn decide(&self, fates: impl IntoIterator<Item = Fate>) {
        lock(&self.0.state).fates.extend(fates);
    }

    /// Refuses, as invalid, every batch with this payload in it.
    pub(super) fn refuse_payload(&self, payload: &'static [u8]) {
        lock(&self.0.state).poison = Some(Bytes::from_static(payload));
    }

    /// Answers no produce request from now on, until [`FakeBroker::go_on`].
    pub(super) fn pause(&self) {
        self.0.answers.forget_permits(usize::MAX);
    }

    /// Answers again.
    pub(super) fn go_on(&self) {
        self.0.answers.add_permits(1_000_000);
    }

    /// Deletes everything that is stored, and goes on at this offset.
    pub(super) fn truncate(&self, offset: i64) {
        let mut state = lock(&self.0.state);
        state.stored.clear();
        (state.log_start, state.log_end) = (offset, offset);
    }

    /// Stores a batch.
    pub(super) fn store(&self, payloads: &[&str]) {
        let payloads = payloads.iter().map(|payload| Bytes::copy_from_slice(payload.as_bytes()));
        lock(&self.0.state).append(payloads.collect());
    }

    /// The group has committed this.
    pub(super) fn set_committed(&self, offset: i64) {
        lock(&self.0.state).committed = Some(offset);
    }

    /// What the group has committed.
    pub(super) fn committed(&self) -> Option<i64> {
        lock(&self.0.state).committed
    }

    /// What the next commits are answered with; nothing of them is kept.
    pub(super) fn decide_commits(&self, fates: impl IntoIterator<Item = KafkaCode>) {
        lock(&self.0.state).commit_fates.extend(fates);
    }

    /// Closes all connections there are.
    pub(super) fn hang_up(&self) {
        self.0.hang_up.send_replace(());
    }

    /// It is no more: nobody listens, and all connections are closed.
    pub(super) fn stop(&self) {
        self.0.stop.send_replace(());
        self.hang_up();
    }

    /// From now on the partitions are led by another broker.
    pub(super) fn follow(&self, leader: &Self) {
        lock(&self.0.state).leader = Some(leader.0.address);
    }

    /// From now on these batches are fetched, whatever is stored; the partition ends at `end`.
    pub(super) fn forge(&self, batches: Vec<Vec<u8>>, end: i64) {
        let mut state = lock(&self.0.state);
        state.forged = Some(batches.into_iter().map(Bytes::from).collect());
        state.log_end = end;
    }

    /// Of what is fetched, this transaction is aborted; its marker is at `last_offset`.
    pub(super) fn abort(&self, producer_id: i64, first_offset: i64, last_offset: i64) {
        let transaction = AbortedTransaction { producer_id, first_offset };
        lock(&self.0.state).aborted.push((last_offset, transaction));
    }

    /// A transaction that is open begins here; nothing from it on is fetched.
    pub(super) fn open_transaction(&self, last_stable: Option<i64>) {
        lock(&self.0.state).last_stable = last_stable;
    }

    /// Answers no fetch any more.
    pub(super) fn hold_fetches(&self) {
        lock(&self.0.state).holds_fetches = true;
    }

    /// Answers fetches with this length of an answer, and nothing behind it.
    pub(super) fn answer_fetches_with_length(&self, length: u32) {
        lock(&self.0.state).fetch_length = Some(length);
    }

    /// How many fetches have come.
    pub(super) fn fetch_count(&self) -> usize {
        lock(&self.0.state).fetches
    }

    /// The batches of the produce requests that were stored, as they came.
    pub(super) fn taken(&self) -> Vec<Bytes> {
        lock(&self.0.state).taken.clone()
    }

    /// The leader epoch of what the group has committed.
    pub(super) fn committed_epoch(&self) -> i32 {
        lock(&self.0.state).committed_epoch
    }

    /// Waits until so many produce requests have come.
    pub(super) async fn requests(&self, count: usize) {
        let mut requests = self.0.requests.subscribe();
        let arrived = requests.wait_for(|requests| *requests >= count);
        tokio::time::timeout(Duration::from_secs(10), arrived).await.unwrap().unwrap();
    }

    /// How many produce requests have come.
    pub(super) fn request_count(&self) -> usize {
        *self.0.requests.borrow()
    }

    /// The payloads that were stored, by batch.
    pub(super) fn stored(&self) -> Vec<Vec<Bytes>> {
        lock(&self.0.state).stored.clone()
    }

    async fn serve(&self, mut stream: TcpStream) {
        let mut hang_up = self.0.hang_up.subscribe();
        tokio::select! {
            _ = hang_up.changed() => {}
            _ = self.answer_all(&mut stream) => {}
        }
    }

    async fn answer_all(&self, stream: &mut TcpStream) -> std::io::Result<()> {
        loop {
            let length = stream.read_u32().await?;
            let mut frame = vec![0; usize::try_from(length).unwrap()];
            stream.read_exact(&mut frame).await?;
            let mut cursor = Cursor::new(Bytes::from(frame));
            let header = decode_header(&mut cursor).unwrap();
            let (request, version) = decode_request(&header, &mut cursor).unwrap();
            let id = header.correlation_id;
            let answer = match request {
                Request::ApiVersions(_) => encode_response(&api_versions(), version, id),
                Request::Metadata(request) => {
                    let names = request
                        .topics
                        .map(|topics| topics.into_iter().filter_map(|topic| topic.name).collect());
                    encode_response(&self.metadata(names), version, id)
                }
                Request::ListOffsets(request) => {
                    encode_response(&self.list_offsets(&request), version, id)
                }
                Request::Fetch(request) => {
                    let offset = request.topics[0].partitions[0].fetch_offset;
                    self.before_fetch(stream, offset).await?;
                    let topic = request.topics[0].topic.clone();
                    encode_response(&lock(&self.0.state).fetch(topic, offset), version, id)
                }
                Request::FindCoordinator(_) => {
                    encode_response(&self.find_coordinator(), version, id)
                }
                Request::OffsetFetch(request) => {
                    encode_response(&self.offset_fetch(request), version, id)
                }
                Request::OffsetCommit(request) => {
                    encode_response(&self.offset_commit(&request), version, id)
                }
                Request::Produce(request) => {
                    self.0.requests.send_modify(|requests| *requests += 1);
                    self.0.answers.acquire().await.unwrap().forget();
                    let topic = request.topic_data.into_iter().next().unwrap();
                    let batch = topic.partition_data.into_iter().next().unwrap().records.unwrap();
                    self.before_produce(stream).await?;
                    match self.produce(topic.name, &batch) {
                        Some(response) => encode_response(&response, version, id),
                        None => return Ok(()),
                    }
                }
                other => panic!("not spoken here: {other:?}"),
            };
            stream.write_all(&answer.concat()).await?;
        }
    }

    async fn before_fetch(&self, stream: &mut TcpStream, offset: i64) -> std::io::Result<()> {
        let (length, holds, at_end) = {
            let mut state = lock(&self.0.state);
            state.fetches += 1;
            (state.fetch_length, state.holds_fetches, state.log_end == offset)
        };
        if let Some(length) = length {
            stream.write_u32(length).await?;
        }
        if length.is_some() || holds {
            std::future::pending::<()>().await;
        }
        if at_end {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        Ok(())
    }

    async fn before_produce(&self, stream: &mut TcpStream) -> std::io::Result<()> {
        let fate = lock(&self.0.state)
            .fates
            .pop_front_if(|fate| matches!(fate, Fate::Silence | Fate::Length(_)));
        if let Some(Fate::Length(length)) = fate {
            stream.write_u32(length).await?;
        }
        if fate.is_some() {
            std::future::pending::<()>().await;
        }
        Ok(())
    }

    fn metadata(&self, names: Option<Vec<String>>) -> MetadataResponse {
        let mut state = lock(&self.0.state);
        if state.creates_topics {
            state.topics.extend(names.iter().flatten().cloned());
        }
        let names = names.unwrap_or_else(|| state.topics.iter().cloned().collect());
        let topics = names.into_iter().map(|name| {
            let leader_id = node_id(state.leader.unwrap_or(self.0.address));
            let partition = MetadataPartition { leader_id, ..MetadataPartition::default() };
            match state.topics.contains(&name) {
                true => MetadataTopic {
                    name: Some(name),
                    partitions: vec![partition],
                    ..MetadataTopic::default()
                },
                false => MetadataTopic {
                    name: Some(name),
                    error_code: KafkaCode::UnknownTopicOrPartition.number(),
                    ..MetadataTopic::default()
                },
            }
        });
        let all = [self.0.address].into_iter().chain(state.leader);
        let brokers = all.map(|address| MetadataBroker {
            node_id: node_id(address),
            host: address.ip().to_string(),
            port: address.port().into(),
            rack: None,
        });
        MetadataResponse {
            topics: topics.collect(),
            brokers: brokers.collect(),
            controller_id: node_id(self.0.address),
            ..MetadataResponse::default()
        }
    }

    /// The answer; none when the connection is to be closed.
    fn produce(&self, topic: String, batch: &Bytes) -> Option<ProduceResponse> {
        let mut state = lock(&self.0.state);
        let records = RecordReader::of_batch(batch).unwrap();
        let payloads: Vec<_> = records.map(|r| r.unwrap().1.value.unwrap_or_default()).collect();
        let poisoned = state.poison.as_ref().is_some_and(|poison| payloads.contains(poison));
        let fate = state.fates.pop_front();
        let throttle_time_ms = i32::from(matches!(fate, Some(Fate::Throttle)));
        let (code, base_offset) = match fate {
            _ if state.leader.is_some() => (KafkaCode::NotLeaderOrFollower, -1),
            Some(Fate::Close | Fate::Silence | Fate::Length(_)) => return None,
            Some(Fate::Refuse(code)) => (code, -1),
            None if poisoned => (KafkaCode::InvalidRecord, -1),
            Some(Fate::Throttle) | None => {
                state.taken.push(batch.clone());
                (KafkaCode::None, state.append(payloads))
            }
        };
        let partition = ProducePartitionResponse {
            error_code: code.number(),
            base_offset,
            ..ProducePartitionResponse::default()
        };
        let responses =
            vec![ProduceTopicResponse { name: topic, partition_responses: vec![partition] }];
        Some(ProduceResponse { responses, throttle_time_ms })
    }
}

/// Different for each broker.
fn node_id(address: SocketAddr) -> i32 {
    address.port().into()
}

fn api_versions() -> ApiVersionsResponse {
    let api_keys = APIS.iter().map(|api| ApiVersion {
        api_key: api.number,
        min_version: api.min_version,
        max_version: api.max_version,
    });
    ApiVersionsResponse { api_keys: api_keys.collect(), ..ApiVersionsResponse::default() }
}

impl State {
    fn append(&mut self, payloads: Vec<Bytes>) -> i64 {
        let base_offset = self.log_end;
        self.log_end += i64::try_from(payloads.len()).unwrap();
        self.stored.push(payloads);
        base_offset
    }

    fn fetch(&self, topic: String, offset: i64) -> FetchResponse {
        let in_range = (self.log_start..=self.log_end).contains(&offset);
        let code = match (self.leader, in_range) {
            (Some(_), _) => KafkaCode::NotLeaderOrFollower,
            (None, false) => KafkaCode::OffsetOutOfRange,
            (None, true) => KafkaCode::None,
        };
        let mut base_offset = self.log_start;
        let mut records = Records::default();
        let last_stable_offset = self.last_stable.unwrap_or(self.log_end);
        let forged = self.forged.iter().flatten().filter(|batch| {
            let header = BatchHeader::parse(batch).unwrap();
            header.next_offset() > offset && header.base_offset < last_stable_offset
        });
        records.0.extend(forged.cloned());
        let in_range = in_range && self.forged.is_none();
        let aborted = self.aborted.iter().filter(|(last_offset, _)| *last_offset >= offset);
        for payloads in self.stored.iter().filter(|_| in_range) {
            let next = base_offset + i64::try_from(payloads.len()).unwrap();
            if next > offset {
                let mut builder = BatchBuilder::new(1 << 20);
                for payload in payloads {
                    let value = Some(payload.clone());
                    builder.push(&Record { value, ..Record::default() }).unwrap();
                }
                let mut batch = builder.finish(Producer::NONE).unwrap().to_vec();
                assign(&mut batch, base_offset, 0);
                records.0.push(batch.into());
            }
            base_offset = next;
        }
        let partition = FetchPartitionResponse {
            error_code: code.number(),
            high_watermark: self.log_end,
            last_stable_offset,
            aborted_transactions: Some(aborted.map(|(_, aborted)| aborted.clone()).collect()),
            records,
            ..FetchPartitionResponse::default()
        };
        let topic = FetchTopicResponse { topic, partitions: vec![partition], ..Default::default() };
        FetchResponse { responses: vec![topic], ..FetchResponse::default() }
    }
}

impl FakeBroker {
    fn list_offsets(&self, request: &ListOffsetsRequest) -> ListOffsetsResponse {
        const EARLIEST: i64 = -2;
        let state = lock(&self.0.state);
        let earliest = request.topics[0].partitions[0].timestamp == EARLIEST;
        let latest = state.last_stable.unwrap_or(state.log_end);
        let offset = if earliest { state.log_start } else { latest };
        let name = request.topics[0].name.clone();
        let partition = ListOffsetsPartitionResponse { offset, ..Default::default() };
        let topic = ListOffsetsTopicResponse { name, partitions: vec![partition] };
        ListOffsetsResponse { topics: vec![topic], ..ListOffsetsResponse::default() }
    }

    fn find_coordinator(&self) -> FindCoordinatorResponse {
        FindCoordinatorResponse {
            host: self.0.address.ip().to_string(),
            port: self.0.address.port().into(),
            ..FindCoordinatorResponse::default()
        }
    }

    fn offset_fetch(&self, request: OffsetFetchRequest) -> OffsetFetchResponse {
        let committed_offset = self.committed().unwrap_or(-1);
        let committed_leader_epoch = self.committed_epoch();
        let partition = OffsetFetchPartitionResponse {
            committed_offset,
            committed_leader_epoch,
            ..Default::default()
        };
        let topics = request.topics.unwrap().into_iter().map(|topic| OffsetFetchTopicResponse {
            name: topic.name,
            partitions: vec![partition.clone()],
        });
        OffsetFetchResponse { topics: topics.collect(), ..OffsetFetchResponse::default() }
    }

    fn offset_commit(&self, request: &OffsetCommitRequest) -> OffsetCommitResponse {
        let mut state = lock(&self.0.state);
        let code = state.commit_fates.pop_front().unwrap_or(KafkaCode::None);
        if code == KafkaCode::None {
            let partition = &request.topics[0].partitions[0];
            state.committed = Some(partition.committed_offset);
            state.committed_epoch = partition.committed_leader_epoch;
        }
        let partition =
            OffsetCommitPartitionResponse { partition_index: 0, error_code: code.number() };
        let name = request.topics[0].name.clone();
        let topic = OffsetCommitTopicResponse { name, partitions: vec![partition] };
        OffsetCommitResponse { topics: vec![topic], ..OffsetCommitResponse::default() }
    }
}
