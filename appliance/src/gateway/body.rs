//! Reading a request's body into memory, under a cap, a budget shared by all requests, and a time.
//!
//! **Invariants.** No more bytes are held than were reserved. What the head announces is judged
//! before a byte is read.
use std::sync::Arc;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http_body_util::BodyExt;
use hyper::body::{Body, Incoming};
use pagi_protocol::{ErrorCode, PagiError};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::timeout;

/// Bytes held by one request; given back when dropped.
pub(super) struct Reservation {
    budget: Arc<Semaphore>,
    held: Option<OwnedSemaphorePermit>,
}

impl Reservation {
    pub(super) const fn new(budget: Arc<Semaphore>) -> Self {
        Self { budget, held: None }
    }

    /// Takes so many more bytes out of the budget.
    pub(super) fn add(&mut self, bytes: usize) -> Result<(), PagiError> {
        let full = || PagiError::new(ErrorCode::Overloaded, "too many bytes are being published");
        let permits = u32::try_from(bytes).map_err(|_| full())?;
        let more = Arc::clone(&self.budget).try_acquire_many_owned(permits).map_err(|_| full())?;
        match &mut self.held {
            Some(held) => held.merge(more),
            held => *held = Some(more),
        }
        Ok(())
    }

    /// Takes so many more bytes out of the budget, once they are there.
    pub(super) async fn wait_for(&mut self, bytes: usize) {
        let permits = u32::try_from(bytes).unwrap_or(u32::MAX);
        let more = Arc::clone(&self.budget).acquire_many_owned(permits).await.ok();
        match (&mut self.held, more) {
            (Some(held), Some(more)) => held.merge(more),
            (held, more) => *held = more,
        }
    }

    /// Gives so many of the bytes, or all that there are, to another holder.
    pub(super) fn split(&mut self, bytes: usize) -> Self {
        let bytes = bytes.min(self.bytes());
        let held = self.held.as_mut().and_then(|held| held.split(bytes));
        Self { budget: Arc::clone(&self.budget), held }
    }

    /// Gives back what is more than so many bytes.
    pub(super) fn shrink_to(&mut self, bytes: usize) {
        drop(self.split(self.bytes().saturating_sub(bytes)));
    }

    fn bytes(&self) -> usize {
        self.held.as_ref().map_or(0, OwnedSemaphorePermit::num_permits)
    }
}

/// Reads a body of at most `bytes_max` bytes, reserving each before it is held.
pub(super) async fn read(
    body: Incoming,
    bytes_max: usize,
    time_max: Duration,
    reservation: &mut Reservation,
) -> Result<Bytes, PagiError> {
    let announced = body.size_hint().exact().map(usize::try_from);
    let announced = announced.transpose().map_err(|_| too_large(bytes_max))?;
    if announced.is_some_and(|bytes| bytes > bytes_max) {
        return Err(too_large(bytes_max));
    }
    reservation.add(announced.unwrap_or(0))?;
    let reserve = |bytes| if announced.is_some() { Ok(()) } else { reservation.add(bytes) };
    match timeout(time_max, collect(body, bytes_max, announced, reserve)).await {
        Ok(body) => body,
        Err(_) => Err(too_slow(time_max)),
    }
}

async fn collect(
    mut body: Incoming,
    bytes_max: usize,
    announced: Option<usize>,
    mut reserve: impl FnMut(usize) -> Result<(), PagiError>,
) -> Result<Bytes, PagiError> {
    let mut whole = BytesMut::new();
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|error| broken_off(&error))?;
        let Ok(data) = frame.into_data() else { continue };
        if whole.len() + data.len() > bytes_max {
            return Err(too_large(bytes_max));
        }
        reserve(data.len())?;
        if whole.is_empty() && announced == Some(data.len()) {
            // The usual case: everything came at once, and nothing is copied.
            return Ok(data);
        }
        if whole.is_empty() {
            whole.reserve(announced.unwrap_or(data.len()));
        }
        whole.extend_from_slice(&data);
    }
    Ok(whole.freeze())
}

/// The body did not go on in time.
pub(super) fn too_slow(time_max: Duration) -> PagiError {
    PagiError::new(
        ErrorCode::RequestTimeout,
        format!("the body did not arrive within {} s", time_max.as_secs_f32()),
    )
}

/// The body ended before its end.
pub(super) fn broken_off(error: &hyper::Error) -> PagiError {
    PagiError::new(ErrorCode::InvalidEvent, format!("the body broke off: {error}"))
}

fn too_large(bytes_max: usize) -> PagiError {
    PagiError::new(
        ErrorCode::PayloadTooLarge,
        format!("the body may have at most {bytes_max} bytes"),
    )
}
