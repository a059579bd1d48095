//! Every bound in one place: queues, bodies, counts and waits.
//!
//! A limit that a user may change is the default of a configuration key; the others hold always.
use std::time::Duration;

// The broker.

/// Bytes of one request, as Kafka (`socket.request.max.bytes`): franz-go puts all that waits for a
/// broker into one.
pub const FRAME_BYTES_MAX: usize = 100 << 20;
/// Bytes of a request that counts as large: there is one of them in memory at a time.
pub const FRAME_BYTES_LARGE: usize = 8 << 20;
/// Bytes of all other requests in memory, of all connections together.
pub const FRAME_BYTES_IN_FLIGHT_MAX: usize = 64 << 20;
/// The unit in which those bytes are counted.
pub const PERMIT_BYTES: usize = 1 << 10;
/// Requests of one connection that wait for their answers.
pub const REQUESTS_PER_CONNECTION_MAX: usize = 16;
/// Kafka connections at a time.
pub const KAFKA_CONNECTIONS_MAX: usize = 4_096;
/// How long a connection may be silent between two requests, as Kafka.
pub const KAFKA_IDLE_MAX: Duration = Duration::from_secs(600);
/// How long the end of a connection waits for the client to see the last answers.
pub const KAFKA_LINGER_MAX: Duration = Duration::from_secs(1);
/// How long a request may take to arrive, or a response to be read.
pub const KAFKA_TRANSFER_MAX: Duration = Duration::from_secs(30);
/// Bytes of the records in one response: a client that asks for more asks again.
pub const FETCH_RESPONSE_BYTES_MAX: usize = 4 << 20;
/// How long a fetch may wait for records.
pub const FETCH_WAIT_MAX: Duration = Duration::from_secs(60);
/// Searches for offsets by their timestamps at a time: each may hold 64 MiB of decompressed records.
pub const OFFSET_SEARCHES_MAX: usize = 2;
/// The longest that a produce request may wait to be durable before it is answered as timed out.
pub const PRODUCE_WAIT_MAX: Duration = Duration::from_secs(120);
/// Bytes of one record batch, unless configured: Kafka's default of `max.message.bytes`.
pub const MESSAGE_BYTES_MAX_DEFAULT: usize = (1 << 20) + 12;

const _: () = assert!(MESSAGE_BYTES_MAX_DEFAULT <= BATCH_BYTES_MAX);
const _: () = assert!(BATCH_BYTES_MAX < FRAME_BYTES_LARGE);
const _: () = assert!(FRAME_BYTES_LARGE <= FRAME_BYTES_IN_FLIGHT_MAX);
const _: () = assert!(FRAME_BYTES_LARGE <= FRAME_BYTES_MAX);

// Consumer groups.

/// The shortest session that a member may ask for, in milliseconds, as Kafka.
pub const GROUP_SESSION_MS_MIN: i64 = 6_000;
/// The longest, as Kafka.
pub const GROUP_SESSION_MS_MAX: i64 = 1_800_000;
/// How long a group without members waits for more of them before its first generation, in
/// milliseconds: consumers that start together get one generation. Kafka waits for 3 s.
pub const GROUP_INITIAL_REBALANCE_DELAY_MS: i64 = 50;
/// Members of one group.
pub const GROUP_MEMBERS_MAX: usize = 1_000;
/// Bytes of what the members of one group say: each generation is one entry of the log.
pub const GROUP_BYTES_MAX: usize = 1 << 20;
/// Bytes of the members of all groups; beyond it nobody new joins.
pub const GROUPS_BYTES_MAX: usize = 64 << 20;
/// How long static members that do not join are waited for at least, in milliseconds, before it is
/// looked again whether there is one to lead.
pub const GROUP_LEADER_WAIT_MS_MIN: i64 = 1_000;
/// Ids of one group that were given to clients and not used yet.
pub const GROUP_PROMISED_MAX: usize = 1_000;
/// Bytes of a member id, of a group id and of the other names in a group.
pub const GROUP_NAME_BYTES_MAX: usize = 1_024;
/// How long a group's progress is kept when it has no members, in milliseconds: 30 days.
pub const GROUP_OFFSETS_KEPT_MS: i64 = 30 * 24 * 60 * 60 * 1_000;
/// How often to look for groups that were left so long ago.
pub const GROUP_EXPIRY_INTERVAL: Duration = Duration::from_secs(600);

// The log.

/// Producers whose sequences one partition remembers; beyond it the longest silent is forgotten.
pub const PRODUCERS_PER_PARTITION_MAX: usize = 4_096;
/// How long a silent producer's sequences are kept, in milliseconds: a day, as Kafka.
pub const PRODUCER_IDLE_MS_MAX: i64 = 24 * 60 * 60 * 1_000;
/// Producer ids reserved at a time: each reservation is a durable write.
pub const PRODUCER_ID_BLOCK: i64 = 1_000;
/// Topics in one log.
pub const TOPICS_MAX: usize = 10_000;
/// Partitions of one topic.
pub const PARTITIONS_PER_TOPIC_MAX: u32 = 1_024;
/// Partitions in one log.
pub const PARTITIONS_MAX: usize = 20_000;
/// Bytes of one round of the write-ahead log, header and filling included.
pub const ROUND_BYTES_MAX: usize = 2 << 20;
/// Bytes of one record batch as the log takes it.
pub const BATCH_BYTES_MAX: usize = (2 << 20) - (64 << 10);
/// Bytes of the write-ahead log's first file: quick to make, so that the start is.
pub const WAL_FIRST_FILE_BYTES: u64 = 2 << 20;
/// Bytes of every later file of the write-ahead log, where the disk has room.
pub const WAL_FILE_BYTES_MAX: u64 = 64 << 20;
/// Bytes of a file of the write-ahead log on the smallest disk.
pub const WAL_FILE_BYTES_MIN: u64 = 1 << 20;
/// One part in so many of the free disk is the size of a file of the write-ahead log.
pub const WAL_FILE_DISK_SHARE: u64 = 16;
/// Bytes of the disk that stay free for checkpoints, so that a full disk can be recovered.
pub const DISK_RESERVE_BYTES: u64 = 2 << 20;
/// The smallest disk budget, in bytes.
pub const DISK_BUDGET_BYTES_MIN: u64 = 32 << 20;
/// How often to look at how much room the disk has.
pub const DISK_CHECK_INTERVAL: Duration = Duration::from_secs(5);
/// A disk is low when less than one part in so many is free,
pub const DISK_LOW_SHARE: u64 = 10;
/// and less than so many bytes are.
pub const DISK_LOW_BYTES_MAX: u64 = 8 << 30;
/// Files of the write-ahead log: with the first, 194 MiB at most to replay.
pub const WAL_FILES_MAX: usize = 4;
/// Bytes written to the write-ahead log before a checkpoint is due.
pub const CHECKPOINT_WAL_BYTES: u64 = 64 << 20;
/// How long something may be in the write-ahead log alone before a checkpoint is due.
pub const CHECKPOINT_AGE: Duration = Duration::from_secs(5);
/// How long to wait before trying a full disk again.
pub const FULL_DISK_RETRY: Duration = Duration::from_secs(1);
/// Acknowledged bytes in memory before they are handed to the segment files.
pub const UNFLUSHED_BYTES_SOFT: usize = 8 << 20;
/// Acknowledged bytes in memory at which the writer waits for the flush.
pub const UNFLUSHED_BYTES_MAX: usize = 48 << 20;
/// Bytes of a segment after which the next one begins.
pub const SEGMENT_BYTES: u64 = 128 << 20;
/// Bytes of a segment between two entries of its index.
pub const INDEX_INTERVAL_BYTES: u64 = 4096;
/// How often to look for records that are no longer to be kept, by default. Kafka looks every five
/// minutes; small disks fill in less.
pub const RETENTION_CHECK_INTERVAL: Duration = Duration::from_mins(1);
/// Segment files kept open for readers.
pub const READ_FILES_MAX: usize = 256;
/// Bytes of segments that were written but not synced, for each of their files; beyond it they are
/// synced at once. Syncing the write-ahead log waits behind them in the disk's queue: at 20,000
/// records/s the p99 of an acknowledgement is 2 ms, with 1 MiB 4 ms, without a bound 19 ms.
pub const UNSYNCED_BYTES: u64 = 256 << 10;
/// Segment files that were written but not synced; beyond it they are synced at once.
pub const UNSYNCED_FILES_MAX: usize = 1_024;
/// Submissions waiting for the log's writer.
pub const WRITER_QUEUE_MAX: usize = 4_096;
/// Consumer groups that may have committed offsets.
pub const GROUPS_MAX: usize = 10_000;
/// Bytes of the words that a client may put beside a committed offset, as Kafka.
pub const COMMIT_METADATA_BYTES_MAX: usize = 4_096;

const _: () = assert!(BATCH_BYTES_MAX + (64 << 10) <= ROUND_BYTES_MAX);
const _: () = assert!(ROUND_BYTES_MAX as u64 <= WAL_FIRST_FILE_BYTES);
const _: () = assert!(UNFLUSHED_BYTES_SOFT + ROUND_BYTES_MAX <= UNFLUSHED_BYTES_MAX);

// Router: publishing.

/// The longest a publish may take until its outcome is told (default of `delivery_timeout`).
pub const DELIVERY_TIMEOUT: Duration = Duration::from_secs(15);
/// The largest record: 1,000,000 bytes, under the 1,048,588 that brokers take by default.
pub const RECORD_BYTES_MAX: usize = 1_000_000;
/// What a record counts beyond its key, value and headers: framing, and its place in the queue.
pub const RECORD_OVERHEAD_BYTES: usize = 128;
/// The most bytes of records whose outcome is open, over all partitions.
pub const PUBLISH_QUEUE_BYTES_MAX: usize = 64 << 20;
/// The most bytes in one produce request.
pub const PUBLISH_BATCH_BYTES_MAX: usize = 1_000_000;
/// The most records in one produce request.
pub const PUBLISH_BATCH_RECORDS_MAX: usize = 4_096;
/// The most partitions being published to at once; each has a task and a connection.
pub const PARTITIONS_PUBLISHING_MAX: usize = 1_024;
/// The most topics whose partitions are being looked up at once.
pub const TOPIC_LOOKUPS_MAX: usize = 64;
/// A partition unused for so long gives its task and its connection back. Brokers close idle
/// connections after ten minutes.
pub const PARTITION_IDLE_TIMEOUT: Duration = Duration::from_secs(120);
/// A connection idle for so long is tried with a harmless request before a record is sent on it.
pub const CONNECTION_TRUST: Duration = Duration::from_millis(250);
/// The longest wait for any one call to a broker that carries no record.
pub const BROKER_CALL_TIMEOUT: Duration = Duration::from_secs(5);
/// How old the picture of the cluster's topics may become.
pub const TOPICS_REFRESH_INTERVAL: Duration = Duration::from_secs(30);
/// The least time between two looks at the cluster's topics.
pub const TOPICS_REFRESH_PAUSE: Duration = Duration::from_millis(100);
/// How long a missing topic may take to be created by the broker.
pub const TOPIC_CREATION_TIMEOUT: Duration = Duration::from_secs(3);
/// The first wait before a repeat.
pub const RETRY_FIRST: Duration = Duration::from_millis(50);
/// The longest wait before a repeat.
pub const RETRY_MAX: Duration = Duration::from_secs(1);
/// After so many failures in a row the client starts again from the bootstrap addresses.
pub const CLIENT_FAILURES_MAX: u32 = 3;
/// The largest message accepted from a broker.
pub const BROKER_MESSAGE_BYTES_MAX: usize = 8 << 20;
/// The longest a produce-path check may take.
pub const CHECK_TIMEOUT: Duration = Duration::from_secs(3);
/// How long a good produce-path check is believed.
pub const CHECK_GOOD_FOR: Duration = Duration::from_secs(5);
/// How long a bad produce-path check is believed.
pub const CHECK_BAD_FOR: Duration = Duration::from_secs(1);

// Router: consuming.

/// How often offsets are committed.
pub const COMMIT_INTERVAL: Duration = Duration::from_secs(1);
/// Unchanged offsets are committed again after so long: brokers forget, a week after the last
/// commit, the offsets of a group without members.
pub const COMMIT_RENEWAL: Duration = Duration::from_secs(24 * 60 * 60);
/// How long the broker may hold a fetch until there is something.
pub const FETCH_WAIT: Duration = Duration::from_millis(FETCH_WAIT_MS.cast_unsigned() as u64);
/// The same in milliseconds.
pub const FETCH_WAIT_MS: i32 = 500;
/// After so many answers in a row that make no sense, a partition is not read on.
pub const SENSELESS_ANSWERS_MAX: u32 = 3;
/// The most bytes in one fetch.
pub const FETCH_BYTES_MAX: i32 = 1 << 20;
/// The bytes in one fetch that every partition may have, however many there are.
pub const FETCH_BYTES_MIN: i32 = 64 << 10;
/// The bytes that the fetches of all partitions share.
pub const FETCH_QUEUE_BYTES_MAX: i32 = 64 << 20;
/// Fetches that wait for the handler; each partition holds one more.
pub const FETCH_QUEUE_MAX: usize = 4;
/// The most partitions that one consumer reads; each has a task and a connection.
pub const PARTITIONS_CONSUMED_MAX: usize = 1_024;
/// The largest answer accepted from a group's coordinator.
pub const GROUP_ANSWER_BYTES_MAX: usize = 1 << 20;
/// How often a topic that does not exist yet is looked for.
pub const TOPIC_WAIT_INTERVAL: Duration = Duration::from_secs(1);
/// How long a consumer's group waits for a sign of life of it, unless told otherwise.
pub const SESSION_TIMEOUT: Duration = Duration::from_secs(10);
/// How often it gives one: so long may others wait for it to hear that they joined.
pub const HEARTBEAT_INTERVAL: Duration = Duration::from_secs(1);
/// How long a consumer may take to give partitions up, unless told otherwise.
pub const REBALANCE_TIMEOUT: Duration = Duration::from_secs(60);
/// How long a consumer that is asked to stop waits for its handler and its last commit.
pub const CONSUMER_STOP_TIMEOUT: Duration = Duration::from_secs(5);
/// How often an event is tried before it becomes a dead letter, unless configured.
pub const HANDLER_TRIES_MAX: u32 = 10;
/// The first wait before an event is tried again; it doubles from try to try.
pub const HANDLER_RETRY_FIRST: Duration = RETRY_FIRST;
/// The longest such wait.
pub const HANDLER_RETRY_MAX: Duration = Duration::from_secs(30);
/// The longest wait that a handler may ask for.
pub const HANDLER_RETRY_AFTER_MAX: Duration = Duration::from_secs(300);
/// The bytes of events that are with handlers which keep the order of keys only; one fetch comes
/// on top.
pub const HANDLER_BYTES_MAX: usize = 8 << 20;
/// Fetches that wait for one such handler: as many as those bytes can be.
pub const HANDLER_QUEUE_MAX: usize = HANDLER_BYTES_MAX / RECORD_OVERHEAD_BYTES + 1;
/// Events that are handled or being handled, but not to be committed since one before them is not
/// done; beyond it no more are begun. They come again after a crash.
pub const HANDLER_WINDOW_EVENTS_MAX: usize = 100_000;
/// How often the command that sends dead letters back commits how far it got: what it sent after
/// the last commit is sent again after a crash.
pub const REDRIVE_COMMIT_INTERVAL: Duration = Duration::from_millis(100);
/// Deliveries of one consumer at a time.
pub const HANDLER_CONCURRENCY_MAX: usize = 256;
/// How long a connection to a webhook may take.
pub const WEBHOOK_CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// How long a webhook may take for one event, to the last byte of its answer.
pub const WEBHOOK_TIMEOUT: Duration = Duration::from_secs(30);
/// The bytes of a webhook's answer that are read; the connection is closed on one with more.
pub const WEBHOOK_ANSWER_BYTES_MAX: usize = 64 << 10;
/// The bytes of a webhook's answer that are shown in a reason.
pub const WEBHOOK_SHOWN_BYTES_MAX: usize = 200;
/// The bytes of a file with a webhook's secret.
pub const WEBHOOK_SECRET_BYTES_MAX: usize = 4_096;
/// The bytes of a dead letter's reason; it is cut beyond.
pub const DEAD_LETTER_REASON_BYTES_MAX: usize = 1_024;
/// How long a program that handles events may take for one of them.
pub const EXEC_ANSWER_TIMEOUT: Duration = Duration::from_secs(60);
/// How long such a program that failed may take to end by itself, and then to be killed.
pub const EXEC_END_TIMEOUT: Duration = Duration::from_secs(1);
/// How long the command that publishes one event may take.
pub const COMMAND_DELIVERY_TIMEOUT: Duration = Duration::from_secs(9);
/// How long the command that consumes tries to reach a broker.
pub const COMMAND_CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// The largest answer accepted by the commands that operate a broker.
pub const ADMIN_ANSWER_BYTES_MAX: usize = 64 << 20;
/// How long a broker may take for what these commands ask it to change, in milliseconds.
pub const ADMIN_PATIENCE_MS: i32 = 4_000;
/// How often they look whether brokers show what was changed.
pub const ADMIN_LOOK_INTERVAL: Duration = Duration::from_millis(20);

const _: () = assert!(RECORD_BYTES_MAX < PUBLISH_QUEUE_BYTES_MAX / 2);
const _: () = assert!(PUBLISH_BATCH_BYTES_MAX < BROKER_MESSAGE_BYTES_MAX);
const _: () = assert!((ADMIN_PATIENCE_MS as u128) < BROKER_CALL_TIMEOUT.as_millis());

// Gateway.

/// The most HTTP connections at once on one listener; one more is answered 503 and closed.
pub const HTTP_CONNECTIONS_MAX: usize = 10_000;
/// The most connections at once on the admin listener.
pub const ADMIN_CONNECTIONS_MAX: usize = 64;
/// The largest head of a request or of an upstream's answer, in bytes.
pub const HTTP_HEAD_BYTES_MAX: usize = 16 * 1024;
/// The most bytes of extensions and trailers in one body that comes in chunks.
pub const CHUNK_OVERHEAD_BYTES_MAX: usize = 16 * 1024;
/// How long a connection whose request was refused is still read, so that its client sees the answer.
pub const REFUSED_LINGER: Duration = Duration::from_secs(1);
/// How many bytes are read of it.
pub const REFUSED_LINGER_BYTES_MAX: usize = 256 * 1024;
/// The most header fields in one head.
pub const HTTP_HEADERS_MAX: usize = 100;
/// What one connection may hold unread, in bytes.
pub const HTTP_BUFFER_BYTES_MAX: usize = 64 * 1024;
/// How long a connection may be idle, or take to send a request's head.
pub const HTTP_IDLE_TIMEOUT: Duration = Duration::from_secs(60);
/// How long a request's body may take to arrive.
pub const HTTP_BODY_TIMEOUT: Duration = Duration::from_secs(30);
/// How long written bytes may stay unacknowledged by the peer before the connection is dropped.
pub const HTTP_PEER_TIMEOUT: Duration = Duration::from_secs(30);
/// The shortest pause after a failed accept (out of descriptors, say).
pub const ACCEPT_RETRY_PAUSE: Duration = Duration::from_millis(50);
/// The largest body of a publish request, in bytes.
pub const PUBLISH_BODY_BYTES_MAX: usize = 1024 * 1024;
/// The bytes of all publish requests at once, from the first byte read to the answer.
pub const PUBLISH_IN_FLIGHT_BYTES_MAX: usize = 64 * 1024 * 1024;
/// The longest record key that the query may give, in bytes.
pub const PUBLISH_KEY_BYTES_MAX: usize = 4096;
/// Events in one batch.
pub const PUBLISH_BATCH_EVENTS_MAX: usize = 1_000;
/// Publish requests under way at once, streams among them.
pub const PUBLISH_REQUESTS_MAX: usize = 4_096;
/// Clients whose rate is remembered.
pub const CLIENTS_LIMITED_MAX: usize = 16_384;
/// The longest that a client whose batches exceeded its rate is kept waiting for it, in nanoseconds.
pub const CLIENT_DEBT_NS_MAX: u64 = 60_000_000_000;
/// Events of one stream whose outcome is open.
pub const LINES_IN_FLIGHT_MAX: usize = 1_024;
/// Their bytes; one line that may be longer comes on top.
pub const LINES_IN_FLIGHT_BYTES_MAX: usize = 2 << 20;
/// Bytes of results that go out together at the latest.
pub const LINES_CHUNK_BYTES: usize = 16 << 10;
/// Chunks of results that wait for their client to read them.
pub const LINES_CHUNKS_WAITING_MAX: usize = 4;
/// How long the events of a request that are for a topic which was not there, or out of reach, are
/// refused without asking again.
pub const PUBLISH_TOPIC_BAD_FOR: Duration = Duration::from_secs(1);
/// How deep the arrays and objects of a payload may be nested, where it is JSON: readers that go down
/// step by step have to come back up.
pub const PAYLOAD_DEPTH_MAX: usize = 100;
/// The longest request id that is taken over from a client, in bytes.
pub const REQUEST_ID_BYTES_MAX: usize = 128;
/// Audit events that wait to be published; one more is dropped and counted.
pub const AUDIT_QUEUE_EVENTS_MAX: usize = 4096;
/// Audit events being published at once.
pub const AUDIT_IN_FLIGHT_MAX: usize = 256;
/// The shortest time between two log lines about dropped audit events.
pub const AUDIT_DROP_LOG_INTERVAL: Duration = Duration::from_secs(10);
/// How long `/readyz` may take.
pub const READINESS_TIMEOUT: Duration = Duration::from_secs(5);

const _: () = assert!(PUBLISH_BODY_BYTES_MAX <= PUBLISH_IN_FLIGHT_BYTES_MAX);
const _: () = assert!(HTTP_HEAD_BYTES_MAX <= HTTP_BUFFER_BYTES_MAX);
// What is read at once fits beside the longest line.
const _: () = assert!(HTTP_BUFFER_BYTES_MAX <= LINES_IN_FLIGHT_BYTES_MAX);

// Process.

/// How long accepted work may take to finish after a request to stop.
pub const DRAIN_TIMEOUT: Duration = Duration::from_secs(10);
/// How long the embedded broker may take to close its files, beyond the drain.
pub const BROKER_STOP_TIMEOUT: Duration = Duration::from_secs(5);
/// How long the admin listener may take to finish its answers.
pub const ADMIN_STOP_TIMEOUT: Duration = Duration::from_millis(500);
/// How long threads may take to end once everything has stopped.
pub const RUNTIME_STOP_TIMEOUT: Duration = Duration::from_millis(500);
/// The most threads for blocking calls (name look-ups).
pub const BLOCKING_THREADS_MAX: usize = 16;
/// The largest configuration file, in bytes.
pub const CONFIG_FILE_BYTES_MAX: u64 = 1024 * 1024;

// Proxy.

/// Requests to one upstream service at once; one more waits for the connect timeout.
pub const UPSTREAM_IN_FLIGHT_MAX: usize = 1024;
/// Upstream services of one route.
pub const UPSTREAMS_MAX: usize = 64;
/// An upstream service that failed so often in a row gets no requests for a while.
pub const UPSTREAM_FAILURES_MAX: u32 = 5;
/// How long the first time, in milliseconds. It doubles with each further failure
pub const UPSTREAM_EJECTION_MS_FIRST: i64 = 1_000;
/// up to this.
pub const UPSTREAM_EJECTION_MS_MAX: i64 = 30_000;
/// Health checks that fail in a row until an upstream service gets no requests.
pub const UPSTREAM_PROBES_FAILED_MAX: u32 = 2;
/// How often an upstream service's health is checked, where a path for that is configured.
pub const UPSTREAM_PROBE_INTERVAL: Duration = Duration::from_secs(2);
/// One request in so many may be tried again,
pub const UPSTREAM_RETRY_SHARE: u32 = 5;
/// and so many more where none was for a while.
pub const UPSTREAM_RETRIES_SAVED_MAX: u32 = 10;
/// How long a connection to an upstream service is used: its name may have moved meanwhile.
pub const UPSTREAM_CONNECTION_AGE_MAX: Duration = Duration::from_secs(30);
/// Idle connections kept to one upstream service.
pub const UPSTREAM_IDLE_CONNECTIONS_MAX: usize = 64;
/// How long an idle connection to an upstream service is kept. Less than the usual keep-alive of
/// servers (Node.js: 5 s), so that they rarely close it while we send.
pub const UPSTREAM_IDLE_TIMEOUT: Duration = Duration::from_secs(4);
/// How long a connection to an upstream service may take.
pub const UPSTREAM_CONNECT_TIMEOUT: Duration = Duration::from_secs(2);
/// How long an upstream service may take to begin its answer.
pub const UPSTREAM_FIRST_BYTE_TIMEOUT: Duration = Duration::from_secs(10);
/// How long a proxied request may take, from its head to the last byte of the answer.
pub const UPSTREAM_TOTAL_TIMEOUT: Duration = Duration::from_secs(60);
/// The largest body that is passed on to an upstream service, in bytes.
pub const UPSTREAM_REQUEST_BYTES_MAX: usize = 1024 * 1024;
/// The longest path parameter, in bytes.
pub const PATH_PARAMETER_BYTES_MAX: usize = 256;

const _: () = assert!(
    UPSTREAM_CONNECT_TIMEOUT.as_millis() < UPSTREAM_TOTAL_TIMEOUT.as_millis()
        && UPSTREAM_FIRST_BYTE_TIMEOUT.as_millis() < UPSTREAM_TOTAL_TIMEOUT.as_millis()
);
