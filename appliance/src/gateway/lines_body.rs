//! The answer to a stream of lines: written while it is already being read.
//!
//! **Invariants.** The body ends as it should only after [`LinesWriter::end`]: a client that sees
//! its end has seen every result. No more than a few chunks wait for a client to read them.
use std::pin::{Pin, pin};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use serde::Serialize;
use tokio::sync::mpsc::{self, Receiver, Sender};
use tokio::time::timeout;

use crate::limits::{LINES_CHUNK_BYTES, LINES_CHUNKS_WAITING_MAX};

/// What hyper reads.
pub(super) struct LinesBody {
    chunks: Receiver<Chunk>,
    ended: bool,
}

enum Chunk {
    Lines(Bytes),
    End,
}

/// Why the body has no proper end.
#[derive(Debug, thiserror::Error)]
#[error("the results broke off")]
pub(super) struct BrokenOff;

/// Where results are written.
pub(super) struct LinesWriter {
    /// None once the client has left, or does not read.
    chunks: Option<Sender<Chunk>>,
    buffer: BytesMut,
    patience: Duration,
}

/// The two ends. A client that reads nothing for as long as `patience` is given up.
pub(super) fn channel(patience: Duration) -> (LinesWriter, LinesBody) {
    let (sender, chunks) = mpsc::channel(LINES_CHUNKS_WAITING_MAX);
    let writer = LinesWriter { chunks: Some(sender), buffer: BytesMut::new(), patience };
    (writer, LinesBody { chunks, ended: false })
}

impl LinesWriter {
    /// Writes one line. It may wait for others until [`LinesWriter::meanwhile`].
    pub(super) async fn write(&mut self, line: &impl Serialize) {
        // Strings and numbers only: it cannot fail.
        let line = serde_json::to_vec(line).unwrap_or_default();
        self.buffer.extend_from_slice(&line);
        self.buffer.extend_from_slice(b"\n");
        if self.buffer.len() >= LINES_CHUNK_BYTES {
            self.flush().await;
        }
    }

    /// Waits for something; if that takes time, what was written goes out meanwhile.
    pub(super) async fn meanwhile<T>(&mut self, future: impl Future<Output = T>) -> T {
        let mut future = pin!(future);
        tokio::select! {
            biased;
            value = &mut future => return value,
            () = std::future::ready(()) => {}
        }
        self.flush().await;
        future.await
    }

    /// Whether nobody reads any more.
    pub(super) fn is_left(&self) -> bool {
        self.chunks.as_ref().is_none_or(Sender::is_closed)
    }

    /// Ends the body.
    pub(super) async fn end(mut self) {
        self.flush().await;
        self.send(Chunk::End).await;
    }

    async fn flush(&mut self) {
        if !self.buffer.is_empty() {
            let lines = self.buffer.split().freeze();
            self.send(Chunk::Lines(lines)).await;
        }
    }

    async fn send(&mut self, chunk: Chunk) {
        if let Some(chunks) = &self.chunks
            && !matches!(timeout(self.patience, chunks.send(chunk)).await, Ok(Ok(())))
        {
            self.chunks = None;
        }
    }
}

impl LinesBody {
    /// The next lines; none at the end.
    pub(super) fn poll_lines(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Bytes, BrokenOff>>> {
        if self.ended {
            return Poll::Ready(None);
        }
        let chunk = ready!(Pin::new(&mut self.chunks).poll_recv(cx));
        self.ended = !matches!(chunk, Some(Chunk::Lines(_)));
        Poll::Ready(match chunk {
            Some(Chunk::Lines(lines)) => Some(Ok(lines)),
            Some(Chunk::End) => None,
            None => Some(Err(BrokenOff)),
        })
    }

    pub(super) const fn is_at_end(&self) -> bool {
        self.ended
    }
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;

    use super::*;

    const PATIENCE: Duration = Duration::from_secs(60);

    async fn next(body: &mut LinesBody) -> Option<Result<Bytes, BrokenOff>> {
        poll_fn(|cx| body.poll_lines(cx)).await
    }

    #[tokio::test]
    async fn lines_go_out_together_and_before_something_is_waited_for() {
        let (mut writer, mut body) = channel(PATIENCE);
        writer.write(&1).await;
        assert_eq!(writer.meanwhile(std::future::ready(7)).await, 7);
        writer.write(&2).await;
        let told = writer.meanwhile(next(&mut body)).await;
        assert_eq!(told.unwrap().unwrap(), "1\n2\n");
        writer.end().await;
        assert!(next(&mut body).await.is_none());
        assert!(body.is_at_end());
    }

    #[tokio::test]
    async fn without_an_end_the_body_is_broken() {
        let (mut writer, mut body) = channel(PATIENCE);
        writer.write(&1).await;
        drop(writer);
        assert!(next(&mut body).await.unwrap().is_err());
    }

    #[tokio::test]
    async fn who_reads_nothing_is_given_up() {
        let (mut writer, body) = channel(Duration::from_millis(1));
        while !writer.is_left() {
            writer.write(&"x".repeat(LINES_CHUNK_BYTES)).await;
        }
        drop(body);
    }
}
