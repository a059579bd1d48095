//! A stream of events, one a line, and of their results, while the events are still arriving.
//!
//! Two halves run side by side: one reads lines and hands the events over, the other waits for
//! their outcomes in the same order and writes them down.
//!
//! **Invariants.** There is one result for each line that is not blank, in their order. What is in
//! memory is bounded for each stream, in events and bytes, and counts against the budget of all
//! requests; beyond it nothing more is read. A client that does not read its results is not read
//! either. The outcome of everything that was handed over is waited for, also when the client left.
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use http::{HeaderMap, HeaderValue};
use http_body_util::BodyExt;
use hyper::body::Incoming;
use pagi_protocol::http::EventResult;
use pagi_protocol::{ErrorCode, PagiError};
use tokio::sync::Semaphore;
use tokio::sync::mpsc::{self, Receiver, Sender};
use tokio::time::{sleep, sleep_until, timeout};

use super::admission::Admitted;
use super::body::{Reservation, broken_off, too_slow};
use super::lines_body::{self, LinesBody, LinesWriter};
use super::publication::Plan;
use super::respond::Failure;
use super::submission::{Outcomes, Submitted, Submitter};
use crate::core::lines::{Line, Lines};
use crate::limits::{LINES_IN_FLIGHT_BYTES_MAX, LINES_IN_FLIGHT_MAX};
use crate::shutdown::Shutdown;

/// Where lines come from.
pub(super) struct Source {
    body: Incoming,
    admitted: Admitted,
    lines: Lines,
    line_bytes_max: usize,
    patience: Duration,
    held: Held,
    stop: Shutdown,
    /// By when the line that has begun must be complete.
    due: Option<Instant>,
    ended: bool,
}

/// Bytes that count against the stream's own budget and that of all requests.
struct Held {
    own: Reservation,
    shared: Reservation,
}

/// A stream whose first result is known.
pub(super) struct Begun {
    /// The answer's body.
    pub(super) body: LinesBody,
    first: EventResult,
    outcomes: Outcomes,
    rest: Rest,
}

/// What is left to do.
struct Rest {
    source: Source,
    plan: Plan,
    submitter: Submitter,
    writer: LinesWriter,
    request_id: HeaderValue,
}

/// A line on its way.
enum Waiting {
    Event {
        submitted: Submitted,
        _held: Held,
    },
    /// The stream ends before its end.
    End(PagiError),
}

impl Source {
    /// The lines of `body`. Each may take as long as `patience`, and so may the silence before it.
    pub(super) fn new(
        body: Incoming,
        admitted: Admitted,
        line_bytes_max: usize,
        patience: Duration,
        budget: &Arc<Semaphore>,
        stop: Shutdown,
    ) -> Self {
        let own = Semaphore::new(line_bytes_max + LINES_IN_FLIGHT_BYTES_MAX);
        let held = Held {
            own: Reservation::new(Arc::new(own)),
            shared: Reservation::new(Arc::clone(budget)),
        };
        let lines = Lines::new(line_bytes_max);
        Self {
            body,
            admitted,
            lines,
            line_bytes_max,
            patience,
            held,
            stop,
            due: None,
            ended: false,
        }
    }

    /// The next line; none at the end.
    async fn next(&mut self) -> Result<Option<(Line, Held)>, PagiError> {
        loop {
            let line = self.lines.next_line();
            let line = line.or_else(|| self.ended.then(|| self.lines.finish()).flatten());
            if let Some(line) = line {
                let held = self.held.split(match &line {
                    Line::Whole(bytes) => bytes.len(),
                    Line::TooLong => 0,
                });
                self.due = None;
                return Ok(Some((line, held)));
            }
            self.held.shrink_to(self.lines.held_bytes());
            if self.lines.held_bytes() == 0 {
                self.due = None;
            }
            if self.ended {
                return Ok(None);
            }
            self.read().await?;
        }
    }

    /// Reads on.
    async fn read(&mut self) -> Result<(), PagiError> {
        // Who sends a line byte by byte must not hold on to memory for ever.
        let due = *self.due.get_or_insert_with(|| Instant::now() + self.patience);
        let frame = tokio::select! {
            biased;
            () = self.stop.requested() => {
                let detail = "the service is stopping; what follows was not read";
                return Err(PagiError::new(ErrorCode::ShuttingDown, detail));
            }
            () = sleep_until(due.into()) => return Err(too_slow(self.patience)),
            frame = self.body.frame() => frame,
        };
        match frame {
            None => self.ended = true,
            Some(frame) => {
                if let Ok(data) = frame.map_err(|error| broken_off(&error))?.into_data() {
                    let room = self.held.wait_for(data.len());
                    timeout(self.patience, room).await.map_err(|_| {
                        let detail =
                            "too many bytes are being published; what follows was not read";
                        PagiError::new(ErrorCode::Overloaded, detail)
                    })?;
                    self.lines.push(data);
                }
            }
        }
        Ok(())
    }

    /// The bytes of a line, if they may be read.
    fn whole(&self, line: Line) -> Result<Bytes, PagiError> {
        match line {
            Line::Whole(bytes) => Ok(bytes),
            Line::TooLong => Err(PagiError::new(
                ErrorCode::PayloadTooLarge,
                format!("a line may have at most {} bytes", self.line_bytes_max),
            )),
        }
    }
}

impl Held {
    async fn wait_for(&mut self, bytes: usize) {
        self.own.wait_for(bytes).await;
        self.shared.wait_for(bytes).await;
    }

    fn split(&mut self, bytes: usize) -> Self {
        Self { own: self.own.split(bytes), shared: self.shared.split(bytes) }
    }

    fn shrink_to(&mut self, bytes: usize) {
        self.own.shrink_to(bytes);
        self.shared.shrink_to(bytes);
    }
}

/// Sees the first event to its outcome.
///
/// # Errors
/// Nothing was stored, and nothing that follows would be: the request as a whole has failed.
pub(super) async fn begin(
    mut source: Source,
    plan: Plan,
    mut submitter: Submitter,
    request_id: &HeaderValue,
) -> Result<Begun, Failure> {
    let Some((line, held)) = source.next().await? else {
        return Err(PagiError::new(ErrorCode::InvalidEvent, "there is no line").into());
    };
    let submitted = submit(&source, &plan, &mut submitter, line).await;
    let outcome = submitted.outcome().await;
    drop(held);
    match outcome {
        Err(failure) if speaks_for_all(failure.error.code()) => Err(failure),
        outcome => {
            let mut outcomes = Outcomes::default();
            let first = outcomes.add(outcome, request_id);
            let (writer, body) = lines_body::channel(source.patience);
            let request_id = request_id.clone();
            let rest = Rest { source, plan, submitter, writer, request_id };
            Ok(Begun { body, first, outcomes, rest })
        }
    }
}

/// Whether an error is not one of the event, and surely nothing was written.
const fn speaks_for_all(code: ErrorCode) -> bool {
    matches!(
        code,
        ErrorCode::BrokerUnavailable
            | ErrorCode::Overloaded
            | ErrorCode::ShuttingDown
            | ErrorCode::StorageFull
    )
}

impl Begun {
    /// The answer's body, and what is left to do until its end.
    pub(super) fn into_parts(self) -> (LinesBody, impl Future<Output = Outcomes> + Send + 'static) {
        let Self { body, first, outcomes, rest } = self;
        (body, rest.finish(first, outcomes))
    }
}

impl Rest {
    async fn finish(mut self, first: EventResult, outcomes: Outcomes) -> Outcomes {
        self.writer.write(&first).await;
        let (window, waiting) = mpsc::channel(LINES_IN_FLIGHT_MAX);
        let Self { source, plan, submitter, writer, request_id } = self;
        let reading = read(source, plan, submitter, window);
        let writing = write(waiting, writer, outcomes, &request_id);
        tokio::join!(reading, writing).1
    }
}

/// Hands over every event, until the end or until there is nobody to tell.
async fn read(mut source: Source, plan: Plan, mut submitter: Submitter, window: Sender<Waiting>) {
    loop {
        let waiting = match source.next().await {
            Ok(None) => return,
            Ok(Some((line, held))) => {
                // The first one was counted when the request was let in.
                let rest = source.admitted.charge(1);
                if !rest.is_zero() {
                    sleep(rest).await;
                }
                let submitted = submit(&source, &plan, &mut submitter, line).await;
                Waiting::Event { submitted, _held: held }
            }
            Err(error) => Waiting::End(error),
        };
        let last = matches!(waiting, Waiting::End(_));
        if window.send(waiting).await.is_err() || last {
            return;
        }
    }
}

/// Writes every outcome.
async fn write(
    mut window: Receiver<Waiting>,
    mut writer: LinesWriter,
    mut outcomes: Outcomes,
    request_id: &HeaderValue,
) -> Outcomes {
    while let Some(waiting) = writer.meanwhile(window.recv()).await {
        let result = match waiting {
            Waiting::Event { submitted, _held } => {
                outcomes.add(writer.meanwhile(submitted.outcome()).await, request_id)
            }
            Waiting::End(error) => EventResult::Failed(Failure::from(error).document(request_id)),
        };
        writer.write(&result).await;
        if writer.is_left() {
            window.close();
        }
    }
    writer.end().await;
    outcomes
}

async fn submit(source: &Source, plan: &Plan, submitter: &mut Submitter, line: Line) -> Submitted {
    let event = source.whole(line).and_then(|line| plan.read(&HeaderMap::new(), line));
    submitter.submit(event, Instant::now()).await
}
