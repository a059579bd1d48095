//! A small Kafka connection of our own, for what `rskafka` does not speak: groups, and record
//! batches as they are.
//!
//! **Invariants.** One request at a time. Every step has a timeout. A connection on which
//! anything failed is not used again: it is taken by value, and only comes back with an answer.
use std::time::Duration;

use bytes::Bytes;
use pagi_protocol::kafka::cursor::DecodeError;
use pagi_protocol::kafka::error_code::KafkaCode;
use pagi_protocol::kafka::exchange::{Message, decode_response, encode_request};
use pagi_protocol::kafka::frame::{self, InvalidLength};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::limits::BROKER_CALL_TIMEOUT;

/// Why a call did not succeed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum LinkError {
    /// The connection could not be made, or broke.
    #[error("{0}")]
    Io(#[from] std::io::Error),
    /// It took too long.
    #[error("no answer within {} ms", .0.as_millis())]
    Timeout(Duration),
    /// The answer is too long.
    #[error(transparent)]
    Length(#[from] InvalidLength),
    /// The answer makes no sense.
    #[error("the answer makes no sense: {0}")]
    Decode(#[from] DecodeError),
    /// The answer is that to another request.
    #[error("the answer is that to another request")]
    Correlation,
    /// The broker answers with this error code.
    #[error("the broker answers {}", code_name(*.0))]
    Refused(i16),
    /// The answer does not tell what was asked for.
    #[error("the answer leaves out what was asked for")]
    LeftOut,
    /// The topic has no such partition.
    #[error("the partition does not exist")]
    NoPartition,
    /// The partition has no leader that is known.
    #[error("the partition has no leader at the moment")]
    NoLeader,
}

fn code_name(code: i16) -> String {
    KafkaCode::from_number(code).map_or_else(|| format!("error {code}"), |code| format!("{code:?}"))
}

impl LinkError {
    /// Whether an answer came that cannot be read.
    pub(super) const fn is_senseless(&self) -> bool {
        matches!(self, Self::Length(_) | Self::Decode(_) | Self::Correlation | Self::LeftOut)
    }

    /// Whether the broker answers with this code.
    pub(super) const fn is(&self, code: KafkaCode) -> bool {
        matches!(self, Self::Refused(number) if *number == code.number())
    }
}

/// A connection to one broker.
#[derive(Debug)]
pub(crate) struct Connection {
    stream: TcpStream,
    client_id: String,
    answer_bytes_max: usize,
    correlation_id: i32,
}

impl Connection {
    /// Connects to `host:port`.
    pub(crate) async fn open(
        address: &str,
        client_id: &str,
        answer_bytes_max: usize,
    ) -> Result<Self, LinkError> {
        let connecting = timeout(BROKER_CALL_TIMEOUT, TcpStream::connect(address)).await;
        let stream = connecting.map_err(|_| LinkError::Timeout(BROKER_CALL_TIMEOUT))??;
        stream.set_nodelay(true)?;
        Ok(Self { stream, client_id: client_id.to_owned(), answer_bytes_max, correlation_id: 0 })
    }

    /// Sends a request in this version, and gives back its answer and the connection.
    pub(crate) async fn call<A: Message>(
        self,
        request: &impl Message,
        version: i16,
    ) -> Result<(A, Self), LinkError> {
        self.call_within(BROKER_CALL_TIMEOUT, request, version).await
    }

    /// As [`Self::call`], for an answer that may take so long.
    pub(super) async fn call_within<A: Message>(
        mut self,
        patience: Duration,
        request: &impl Message,
        version: i16,
    ) -> Result<(A, Self), LinkError> {
        self.correlation_id = self.correlation_id.wrapping_add(1);
        let pieces = encode_request(request, version, self.correlation_id, &self.client_id)?;
        let exchange = timeout(patience, self.exchange(pieces.concat())).await;
        let answer = exchange.map_err(|_| LinkError::Timeout(patience))??;
        let (correlation_id, answer) = decode_response(answer, version)?;
        if correlation_id != self.correlation_id {
            return Err(LinkError::Correlation);
        }
        Ok((answer, self))
    }

    async fn exchange(&mut self, request: Vec<u8>) -> Result<Bytes, LinkError> {
        self.stream.write_all(&request).await?;
        let mut prefix = [0; frame::PREFIX_BYTES];
        self.stream.read_exact(&mut prefix).await?;
        let length = frame::length(prefix, self.answer_bytes_max)?;
        let mut answer = vec![0; length];
        self.stream.read_exact(&mut answer).await?;
        Ok(Bytes::from(answer))
    }
}
