//! The body of a request on its way to an upstream service.
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use hyper::body::{Body, Frame, Incoming, SizeHint};

use super::error::BodyError;

/// Nothing, or a client's body, passed on as it arrives and cut off where it is too large.
pub(super) enum RequestBody {
    Empty,
    Streamed { body: Incoming, rest_bytes: u64, bytes_max: usize },
}

impl RequestBody {
    /// Passes `body` on up to `bytes_max` bytes; `None` when it announces more.
    pub(super) fn new(body: Incoming, bytes_max: usize) -> Option<Self> {
        if body.is_end_stream() {
            return Some(Self::Empty);
        }
        let rest_bytes = u64::try_from(bytes_max).unwrap_or(u64::MAX);
        (body.size_hint().lower() <= rest_bytes).then_some(Self::Streamed {
            body,
            rest_bytes,
            bytes_max,
        })
    }

    pub(super) const fn is_empty(&self) -> bool {
        matches!(self, Self::Empty)
    }
}

impl Body for RequestBody {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let Self::Streamed { body, rest_bytes, bytes_max } = self.get_mut() else {
            return Poll::Ready(None);
        };
        let Some(frame) = ready!(Pin::new(body).poll_frame(cx)) else { return Poll::Ready(None) };
        let frame = frame?;
        let bytes =
            frame.data_ref().map_or(0, |data| u64::try_from(data.len()).unwrap_or(u64::MAX));
        Poll::Ready(Some(match rest_bytes.checked_sub(bytes) {
            Some(rest) => {
                *rest_bytes = rest;
                Ok(frame)
            }
            None => Err(BodyError::TooLarge(*bytes_max)),
        }))
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Self::Empty => true,
            Self::Streamed { body, .. } => body.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Empty => SizeHint::with_exact(0),
            Self::Streamed { body, .. } => body.size_hint(),
        }
    }
}
