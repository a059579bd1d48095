//! The default handler: writes each event as a line of JSON, to standard output as a rule.
//!
//! **Invariants.** The lines of a batch are written and flushed before the batch counts as done.
//! Writing happens on a thread of its own: a reader that does not read holds up nothing else,
//! and the process can still be told to stop.
use std::io::{ErrorKind, Write};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};

use tokio::sync::oneshot;

use super::event::Event;
use super::handler::{Answer, Handler, HandlerError};
use super::json_line;

type Done = oneshot::Sender<(Vec<u8>, std::io::Result<()>)>;

/// Writes each event as a line of JSON.
#[derive(Debug)]
pub struct LogHandler {
    writer: SyncSender<(Vec<u8>, Done)>,
    lines: Vec<u8>,
}

impl LogHandler {
    /// Writes to standard output.
    ///
    /// # Errors
    /// When the writing thread cannot be started.
    pub fn stdout() -> Result<Self, HandlerError> {
        Self::to(std::io::stdout())
    }

    /// Writes to any writer.
    ///
    /// # Errors
    /// When the writing thread cannot be started.
    pub fn to(output: impl Write + Send + 'static) -> Result<Self, HandlerError> {
        let (writer, batches) = sync_channel(1);
        std::thread::Builder::new()
            .name("pagi-log-writer".to_owned())
            .spawn(move || write(output, &batches))
            .map_err(|error| HandlerError::Failed(format!("cannot start a thread: {error}")))?;
        Ok(Self { writer, lines: Vec::new() })
    }
}

impl Handler for LogHandler {
    async fn handle(&mut self, events: &[Event]) -> Result<Vec<Answer>, HandlerError> {
        let mut lines = std::mem::take(&mut self.lines);
        lines.clear();
        for event in events {
            json_line::append(&mut lines, event);
        }
        let (done, outcome) = oneshot::channel();
        self.writer.try_send((lines, done)).map_err(|_| HandlerError::Closed)?;
        let (lines, result) = outcome.await.map_err(|_| HandlerError::Closed)?;
        self.lines = lines;
        match result {
            Ok(()) => Ok(vec![Answer::Done; events.len()]),
            Err(error) if error.kind() == ErrorKind::BrokenPipe => Err(HandlerError::Closed),
            Err(error) => Err(HandlerError::Failed(format!("cannot write an event: {error}"))),
        }
    }
}

fn write(mut output: impl Write, batches: &Receiver<(Vec<u8>, Done)>) {
    while let Ok((lines, done)) = batches.recv() {
        let result = output.write_all(&lines).and_then(|()| output.flush());
        // Nobody waits for the outcome any more if the consumer has stopped meanwhile.
        let _ = done.send((lines, result));
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use bytes::Bytes;
    use pagi_protocol::TopicName;

    use super::*;

    #[derive(Clone, Default)]
    struct Output(Arc<Mutex<Vec<u8>>>, Option<ErrorKind>);

    impl Write for Output {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            match self.1 {
                Some(kind) => Err(kind.into()),
                None => self.0.lock().unwrap().write(bytes),
            }
        }

        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }

    fn event(offset: i64) -> Event {
        Event {
            topic: TopicName::parse("t").unwrap(),
            partition: 0,
            offset,
            timestamp_ms: 0,
            key: None,
            headers: vec![],
            value: Some(Bytes::from_static(b"x")),
        }
    }

    #[tokio::test]
    async fn a_batch_is_written_when_it_counts_as_done() {
        let output = Output::default();
        let mut handler = LogHandler::to(output.clone()).unwrap();
        handler.handle(&[event(1), event(2)]).await.unwrap();
        handler.handle(&[event(3)]).await.unwrap();
        let written = String::from_utf8(output.0.lock().unwrap().clone()).unwrap();
        let offsets: Vec<_> = written.lines().map(|l| l.contains("\"payload\":\"x\"")).collect();
        assert_eq!(offsets, [true; 3]);
    }

    #[tokio::test]
    async fn a_broken_pipe_closes_and_any_other_error_fails() {
        for (kind, closed) in [(ErrorKind::BrokenPipe, true), (ErrorKind::StorageFull, false)] {
            let output = Output(Arc::default(), Some(kind));
            let error = LogHandler::to(output).unwrap().handle(&[event(1)]).await.unwrap_err();
            assert_eq!(error == HandlerError::Closed, closed, "{error}");
        }
    }
}
