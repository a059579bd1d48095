//! `Produce`: checks batches, hands them to the log, and answers when they are durable.
//!
//! **Invariants.** Batches are handed over in the order in which they arrived on a connection.
//! acks=1 is as durable as acks=all; only acks=0 promises nothing.
use std::sync::Arc;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use pagi_protocol::kafka::error_code::KafkaCode;
use pagi_protocol::kafka::messages::produce::{
    ProducePartition, ProducePartitionResponse, ProduceRequest, ProduceResponse,
    ProduceTopicResponse,
};
use pagi_protocol::kafka::record_batch::{self, BatchError, BatchHeader};

use crate::broker::context::{Context, code_of};
use crate::broker::store::clock::now_ms;
use crate::broker::store::view::{Partition, Topic};
use crate::broker::store::writer::{Command, Done};
use crate::broker::store::{Outcome, Pending};
use crate::core::log::settings::TopicSettings;
use crate::core::log::state::Placed;
use crate::limits::PRODUCE_WAIT_MAX;

/// The first version whose batches are of the one record format that is taken.
const FIRST_VERSION_TAKEN: i16 = 3;
const ACKS_NONE: i16 = 0;
const CODECS: i16 = 5;

/// Batches that were handed over.
#[derive(Debug)]
pub struct Submitted {
    response: ProduceResponse,
    /// For each command, where its outcome goes: topic and partition in the response.
    places: Vec<Place>,
    pending: Option<Pending>,
    wait: Duration,
    answered: bool,
}

#[derive(Debug)]
struct Place {
    topic: usize,
    partition: usize,
    log: Arc<Partition>,
    records: u64,
    bytes: u64,
    append_time_ms: Option<i64>,
}

/// A refusal of one partition's batches, in a code and in words.
type Refused = (KafkaCode, Option<String>);

/// Checks and hands over.
pub async fn submit(context: &Context, request: ProduceRequest, version: i16) -> Submitted {
    let whole = refuse_all(&request, version);
    let mut places = Vec::new();
    let mut commands = Vec::new();
    let mut response = ProduceResponse::default();
    for topic in request.topic_data {
        let found = context.topic(&topic.name);
        let mut partitions = Vec::with_capacity(topic.partition_data.len());
        for data in topic.partition_data {
            let index = data.index;
            let taken = match whole {
                Some(code) => Err((code, None)),
                None => check(context, found.as_deref(), data),
            };
            let mut answer = ProducePartitionResponse { index, ..Default::default() };
            match taken {
                Ok(Checked { log, batch, records, append_time_ms }) => {
                    let (topic, partition) = (response.responses.len(), partitions.len());
                    let bytes = batch.len() as u64;
                    commands.push(Command::Append { partition: log.id, batch });
                    places.push(Place { topic, partition, log, records, bytes, append_time_ms });
                }
                Err((code, words)) => {
                    answer.error_code = code.number();
                    answer.error_message = words;
                }
            }
            partitions.push(answer);
        }
        let partition_responses = partitions;
        response.responses.push(ProduceTopicResponse { name: topic.name, partition_responses });
    }
    let wait = Duration::from_millis(u64::try_from(request.timeout_ms).unwrap_or(0).max(1));
    let pending = match commands.is_empty() {
        true => None,
        false => context.store.submit(commands).await.ok(),
    };
    Submitted {
        response,
        places,
        pending,
        wait: wait.min(PRODUCE_WAIT_MAX),
        answered: request.acks != ACKS_NONE,
    }
}

/// What is wrong with the request as a whole.
fn refuse_all(request: &ProduceRequest, version: i16) -> Option<KafkaCode> {
    if version < FIRST_VERSION_TAKEN {
        Some(KafkaCode::UnsupportedVersion)
    } else if !(-1..=1).contains(&request.acks) {
        Some(KafkaCode::InvalidRequiredAcks)
    } else if request.transactional_id.is_some() {
        Some(KafkaCode::TransactionalIdAuthorizationFailed)
    } else {
        None
    }
}

/// A batch that may be appended.
struct Checked {
    log: Arc<Partition>,
    batch: Bytes,
    records: u64,
    /// The broker's time, where records get it.
    append_time_ms: Option<i64>,
}

/// Checks one partition's batch as a broker must before it appends it.
fn check(
    context: &Context,
    topic: Option<&Topic>,
    data: ProducePartition,
) -> Result<Checked, Refused> {
    let partition = topic
        .and_then(|topic| topic.partition(data.index))
        .ok_or((KafkaCode::UnknownTopicOrPartition, None))?;
    let batch: Bytes = data.records.unwrap_or_default();
    let header = BatchHeader::parse(&batch).map_err(refused)?;
    let settings = topic.map(|topic| &topic.made.settings);
    let of_topic = settings.and_then(TopicSettings::message_bytes_max);
    let bytes_max = of_topic.unwrap_or(context.config.message_bytes_max);
    if header.total_bytes > bytes_max.min(context.store.batch_bytes_max()) {
        return Err((KafkaCode::MessageTooLarge, None));
    }
    header.validate(&batch).map_err(refused)?;
    let invalid = |words: &str| Err((KafkaCode::InvalidRecord, Some(words.to_owned())));
    if header.total_bytes != batch.len() {
        return invalid("a request carries exactly one record batch for each partition");
    }
    if header.is_control() || header.is_transactional() {
        return invalid("transactions are not supported");
    }
    if header.attributes & 0b111 >= CODECS {
        return Err((KafkaCode::UnsupportedCompressionType, None));
    }
    if header.producer_id >= 0 && (header.base_sequence < 0 || header.producer_epoch < 0) {
        return invalid("an idempotent batch has no sequence");
    }
    let records = u64::from(header.records.unsigned_abs());
    let (mut batch, mut append_time_ms) = (batch, None);
    if settings.is_some_and(TopicSettings::append_time) {
        let (mut stamped, now_ms) = (BytesMut::from(batch.as_ref()), now_ms());
        record_batch::set_append_time(&mut stamped, now_ms);
        (batch, append_time_ms) = (stamped.freeze(), Some(now_ms));
    }
    Ok(Checked { log: Arc::clone(partition), batch, records, append_time_ms })
}

fn refused(error: BatchError) -> Refused {
    let code = match error {
        BatchError::Magic(0 | 1) => KafkaCode::UnsupportedForMessageFormat,
        BatchError::Count { .. } => KafkaCode::InvalidRecord,
        _ => KafkaCode::CorruptMessage,
    };
    (code, Some(error.to_string()))
}

impl Submitted {
    /// Whether the client wants an answer: not with acks=0.
    #[must_use]
    pub const fn is_answered(&self) -> bool {
        self.answered
    }

    /// Waits until the batches are durable. `None` when the log has ended: what became of the
    /// batches is then unknown, and any answer could be wrong.
    pub async fn respond(mut self, context: &Context) -> Option<ProduceResponse> {
        if let Some(pending) = self.pending.take() {
            match tokio::time::timeout(self.wait, pending.outcomes()).await {
                Ok(outcomes) => {
                    for (place, outcome) in self.places.iter().zip(outcomes.ok()?) {
                        settle(&mut self.response, place, outcome, context);
                    }
                }
                Err(_elapsed) => {
                    for place in &self.places {
                        if let Some(answer) = answer_at(&mut self.response, place) {
                            answer.error_code = KafkaCode::RequestTimedOut.number();
                        }
                    }
                }
            }
        } else if !self.places.is_empty() {
            return None;
        }
        Some(self.response)
    }
}

fn settle(response: &mut ProduceResponse, place: &Place, outcome: Outcome, context: &Context) {
    let Some(answer) = answer_at(response, place) else { return };
    match outcome {
        Ok(Done::Appended(placed)) => {
            let (Placed::New { base_offset } | Placed::Duplicate { base_offset }) = placed;
            answer.base_offset = base_offset;
            answer.log_append_time_ms = place.append_time_ms.unwrap_or(-1);
            answer.log_start_offset = place.log.log.lock().log_start();
            if matches!(placed, Placed::New { .. }) {
                context.metrics.produced_records.inc_by(place.records);
                context.metrics.produced_bytes.inc_by(place.bytes);
            }
        }
        Ok(_) => answer.error_code = KafkaCode::UnknownServerError.number(),
        Err(refusal) => {
            answer.error_code = code_of(refusal).number();
            answer.error_message = Some(refusal.to_string());
        }
    }
}

fn answer_at<'a>(
    response: &'a mut ProduceResponse,
    place: &Place,
) -> Option<&'a mut ProducePartitionResponse> {
    response.responses.get_mut(place.topic)?.partition_responses.get_mut(place.partition)
}
