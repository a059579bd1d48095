//! The body of an upstream service's answer on its way to the client.
//!
//! **Invariants.** It holds its connection until its end, and gives it back only then.
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use hyper::body::{Body, Frame, Incoming, SizeHint};
use tokio::time::{Instant, Sleep, sleep_until};

use super::error::BodyError;
use super::pool::Checkout;
use super::upstreams::Picked;

/// The answer's body, passed on as it arrives, until its end or the deadline of the request.
pub struct UpstreamBody {
    body: Incoming,
    deadline: Pin<Box<Sleep>>,
    /// Where the answer comes from, and where the connection goes back to
    upstream: Picked,
    /// when it may be used again.
    reusable: bool,
    connection: Option<Checkout>,
    ended: bool,
}

impl UpstreamBody {
    pub(super) fn new(
        body: Incoming,
        deadline: Instant,
        upstream: Picked,
        reusable: bool,
        checkout: Checkout,
    ) -> Self {
        let deadline = Box::pin(sleep_until(deadline));
        Self { body, deadline, upstream, reusable, connection: Some(checkout), ended: false }
    }

    /// The answer cannot be read to its end.
    fn close(&mut self) {
        self.upstream.failed();
        self.connection = None;
    }
}

impl std::fmt::Debug for UpstreamBody {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("UpstreamBody").field("ended", &self.ended).finish_non_exhaustive()
    }
}

impl Body for UpstreamBody {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let this = self.get_mut();
        let polled = Pin::new(&mut this.body).poll_frame(cx);
        if polled.is_pending() {
            ready!(this.deadline.as_mut().poll(cx));
        }
        // Also where the bytes never pause.
        if this.deadline.deadline() <= Instant::now() {
            this.close();
            return Poll::Ready(Some(Err(BodyError::Timeout)));
        }
        polled.map(|frame| match frame {
            None => {
                this.ended = true;
                None
            }
            Some(Ok(frame)) => Some(Ok(frame)),
            Some(Err(error)) => {
                this.close();
                Some(Err(error.into()))
            }
        })
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

impl Drop for UpstreamBody {
    fn drop(&mut self) {
        if (self.ended || self.body.is_end_stream())
            && self.reusable
            && let Some(checkout) = self.connection.take()
        {
            self.upstream.pool().give_back(checkout);
        }
    }
}
