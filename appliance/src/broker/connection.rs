//! One client's connection: requests are read ahead, answers are written in their order.
//!
//! **Invariants.** Both halves run in one task. A request's bytes are counted from before it is
//! read until the last use of them; a client that does not finish what it began is cut off.
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use pagi_protocol::kafka::cursor::DecodeError;
use pagi_protocol::kafka::frame::{self, InvalidLength, PREFIX_BYTES};
use rustix::net::sockopt::set_tcp_quickack;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::net::tcp::{ReadHalf, WriteHalf};
use tokio::sync::{OwnedSemaphorePermit, mpsc};
use tokio::time::timeout;
use tracing::{debug, warn};

use super::config::Endpoint;
use super::context::Context;
use super::dispatch::{Answer, NoAnswer, dispatch};
use super::peer::Peer;
use crate::limits::{
    FRAME_BYTES_MAX, KAFKA_IDLE_MAX, KAFKA_LINGER_MAX, KAFKA_TRANSFER_MAX,
    REQUESTS_PER_CONNECTION_MAX,
};

/// Why a connection ended.
#[derive(Debug, thiserror::Error)]
enum End {
    /// The client closed it.
    #[error("the client closed it")]
    Closed,
    /// The process stops.
    #[error("the process stops")]
    Stopped,
    /// Nothing came for a long time, or a transfer did not end.
    #[error("{0}")]
    TimedOut(&'static str),
    /// The socket failed.
    #[error(transparent)]
    Io(#[from] io::Error),
    /// What came is not a Kafka request.
    #[error(transparent)]
    Length(#[from] InvalidLength),
    /// What came is not a Kafka request.
    #[error("a request cannot be read: {0}")]
    Decode(#[from] DecodeError),
    /// There is no answer that is sure to be right.
    #[error("the log has ended")]
    NoAnswer,
}

/// Serves a connection to its end.
pub async fn serve(context: Arc<Context>, mut stream: TcpStream, peer: SocketAddr) {
    context.metrics.connections.inc();
    let end = match run(&context, &mut stream, peer).await {
        Err(end) => end,
        Ok(never) => match never {},
    };
    if matches!(end, End::Stopped) {
        linger(&mut stream).await;
    }
    context.metrics.connections.dec();
    match end {
        End::Length(_) | End::Decode(_) => {
            context.metrics.refused_connections.inc();
            warn!(%peer, reason = %end, "a Kafka connection was closed");
        }
        _ => debug!(%peer, reason = %end, "a Kafka connection ended"),
    }
}

async fn run(
    context: &Arc<Context>,
    stream: &mut TcpStream,
    address: SocketAddr,
) -> Result<std::convert::Infallible, End> {
    stream.set_nodelay(true)?;
    let local = stream.local_addr()?;
    let endpoint = context.advertised.clone().unwrap_or_else(|| Endpoint::from(local));
    let peer = Arc::new(Peer::new(endpoint, address));
    let (read, write) = stream.split();
    let (answers, queue) = mpsc::channel(REQUESTS_PER_CONNECTION_MAX);
    let end = tokio::select! {
        end = read_requests(context, &peer, read, answers) => end,
        end = write_answers(write, queue) => end,
    };
    match end {
        Err(End::Closed) if context.shutdown.is_requested() => Err(End::Stopped),
        end => end,
    }
}

/// Says that no more answers come, and waits until the client has seen that, or for a bounded time.
/// A socket that is closed while requests are in it is reset instead, and the client may not get to
/// see the answers that are on their way.
async fn linger(stream: &mut TcpStream) {
    let wait = async {
        stream.shutdown().await?;
        let mut unread = [0; 4096];
        while stream.read(&mut unread).await? > 0 {}
        io::Result::Ok(())
    };
    // It is over either way.
    let _ = timeout(KAFKA_LINGER_MAX, wait).await;
}

async fn read_requests(
    context: &Arc<Context>,
    peer: &Arc<Peer>,
    mut read: ReadHalf<'_>,
    answers: mpsc::Sender<Answer>,
) -> Result<std::convert::Infallible, End> {
    loop {
        let bytes = tokio::select! {
            next = timeout(KAFKA_IDLE_MAX, next_length(&mut read)) => {
                next.map_err(|_| End::TimedOut("it was silent for too long"))??
            }
            () = context.shutdown.requested() => {
                // What was read is still answered; the writing half ends when that is done.
                drop(answers);
                tokio::time::sleep(KAFKA_TRANSFER_MAX).await;
                return Err(End::Stopped);
            }
        };
        quick_ack(read.as_ref());
        let permit = context.room_for_frame(bytes).await.map_err(|_| End::Stopped)?;
        let body = timeout(KAFKA_TRANSFER_MAX, read_body(&mut read, bytes));
        let body = body.await.map_err(|_| End::TimedOut("a request did not arrive whole"))??;
        let frame = Bytes::from_owner(Frame { body, _permit: permit });
        let answer = dispatch(context, peer, frame).await?;
        answers.send(answer).await.map_err(|_| End::Closed)?;
    }
}

/// A request in memory; it is counted until the last slice of it is gone.
struct Frame {
    body: BytesMut,
    _permit: OwnedSemaphorePermit,
}

impl AsRef<[u8]> for Frame {
    fn as_ref(&self) -> &[u8] {
        &self.body
    }
}

async fn next_length(read: &mut ReadHalf<'_>) -> Result<usize, End> {
    let mut prefix = [0; PREFIX_BYTES];
    match read.read_exact(&mut prefix).await {
        Ok(_) => Ok(frame::length(prefix, FRAME_BYTES_MAX)?),
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Err(End::Closed),
        Err(error) => Err(error.into()),
    }
}

/// The room that is made is counted before, and takes no memory until bytes come.
async fn read_body(read: &mut ReadHalf<'_>, bytes: usize) -> Result<BytesMut, End> {
    let mut body = BytesMut::with_capacity(bytes);
    while body.len() < bytes {
        let rest = (bytes - body.len()) as u64;
        if (&mut *read).take(rest).read_buf(&mut body).await? == 0 {
            return Err(End::Closed);
        }
        quick_ack((*read).as_ref());
    }
    Ok(body)
}

/// Some clients, rskafka among them, write a request in two pieces without `TCP_NODELAY`, and send
/// each last piece only when all before it is acknowledged, which the kernel delays by 40 ms. It
/// forgets this after each read, so every piece of a request needs it anew.
fn quick_ack(stream: &TcpStream) {
    // Without it the connection is slower, and as right.
    let _ = set_tcp_quickack(stream, true);
}

async fn write_answers(
    mut write: WriteHalf<'_>,
    mut queue: mpsc::Receiver<Answer>,
) -> Result<std::convert::Infallible, End> {
    while let Some(answer) = queue.recv().await {
        let response = answer.await.map_err(|NoAnswer| End::NoAnswer)?;
        if let Some(chunks) = response {
            let written = timeout(KAFKA_TRANSFER_MAX, write_chunks(&mut write, chunks)).await;
            written.map_err(|_| End::TimedOut("a response was not read"))??;
        }
    }
    Err(End::Closed)
}

async fn write_chunks(write: &mut WriteHalf<'_>, chunks: Vec<Bytes>) -> io::Result<()> {
    let mut chunks = Chunks(chunks.into());
    write.write_all_buf(&mut chunks).await
}

/// Several chunks as one buffer, for vectored writes.
struct Chunks(std::collections::VecDeque<Bytes>);

impl bytes::Buf for Chunks {
    fn remaining(&self) -> usize {
        self.0.iter().map(Bytes::len).sum()
    }

    fn chunk(&self) -> &[u8] {
        self.0.front().map_or(&[], |chunk| chunk)
    }

    fn chunks_vectored<'a>(&'a self, slices: &mut [io::IoSlice<'a>]) -> usize {
        slices.iter_mut().zip(&self.0).map(|(slot, chunk)| *slot = io::IoSlice::new(chunk)).count()
    }

    fn advance(&mut self, mut count: usize) {
        while let Some(front) = self.0.front_mut() {
            if count < front.len() {
                bytes::Buf::advance(front, count);
                return;
            }
            count -= front.len();
            self.0.pop_front();
        }
    }
}
