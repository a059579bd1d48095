//! A client's connection, of which only requests with unmistakable framing are seen.
//!
//! **Invariants.** hyper, which tolerates more, reads the head of a request only when the whole of it
//! was found good. In the place of a request that was not, it reads one of the method [`REFUSED`],
//! so that the refusal is answered in its turn, after all requests before it; nothing is read
//! after that. Bytes are copied only where a head arrives in parts.
//!
//! **References.** RFC 9112 sections 9.6 (tear-down) and 11.2 (request smuggling).
use std::io;
use std::pin::Pin;
use std::sync::{Arc, OnceLock};
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Sleep, sleep};

use crate::core::framing::{Refusal, Scan, Scanner};
use crate::limits;

/// The method of what is read in the place of a refused request.
pub(super) const REFUSED: &str = "REFUSED";
const IN_ITS_PLACE: &[u8] = b"REFUSED / HTTP/1.1\r\nhost: refused\r\nconnection: close\r\n\r\n";
/// How much is read at a time while a head is incomplete, and of what is not wanted any more.
const PART_BYTES: usize = 4096;

/// Why a request on a connection was refused, once one was.
pub(super) type RefusalCell = Arc<OnceLock<Refusal>>;

pub(super) struct StrictStream<S> {
    inner: S,
    scanner: Scanner,
    refusal: RefusalCell,
    /// What was read and not passed on; so many bytes of it may be.
    held: Vec<u8>,
    ready: usize,
    then: Then,
    linger: Option<Linger>,
}

/// What comes behind the bytes that are ready.
#[derive(Clone, Copy)]
enum Then {
    More,
    /// Nothing, without an end: an end would look as if the client had gone.
    Silence,
    Broken(Refusal),
}

struct Linger {
    until: Pin<Box<Sleep>>,
    bytes: usize,
}

impl<S: AsyncRead + AsyncWrite + Unpin> StrictStream<S> {
    pub(super) fn new(inner: S, refusal: RefusalCell) -> Self {
        let (scanner, held) = (Scanner::default(), Vec::new());
        Self { inner, scanner, refusal, held, ready: 0, then: Then::More, linger: None }
    }

    /// What a scan of `held` has found.
    fn found(&mut self, scan: Scan) {
        match scan {
            Scan::Safe(count) => self.ready = count,
            Scan::TooLong(_) => {
                // hyper says 431 to that.
                self.ready = self.held.len();
                self.then = Then::Silence;
            }
            Scan::Refused(count, refusal) => {
                self.held.truncate(count);
                self.held.extend_from_slice(IN_ITS_PLACE);
                self.ready = self.held.len();
                self.then = Then::Silence;
                let _ = self.refusal.set(refusal);
            }
            Scan::Broken(refusal) => {
                self.held.clear();
                self.then = Then::Broken(refusal);
                let _ = self.refusal.set(refusal);
            }
        }
    }

    fn hand_over(&mut self, buf: &mut ReadBuf<'_>) {
        let count = self.ready.min(buf.remaining());
        buf.put_slice(self.held.get(..count).unwrap_or_default());
        self.held.drain(..count);
        self.ready -= count;
        if self.held.is_empty() {
            // Heads in parts are rare: the memory is not kept for the next one.
            self.held = Vec::new();
        }
    }

    /// Reads straight into the buffer of whoever asks; what is not safe is taken back out of it.
    fn read_through(
        &mut self,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buf.filled().len();
        ready!(Pin::new(&mut self.inner).poll_read(cx, buf))?;
        let fresh = buf.filled().get(before..).unwrap_or_default();
        let scan = self.scanner.scan(fresh);
        let (safe, of_the_rest) = match scan {
            Scan::Safe(safe) => (safe, Scan::Safe(0)),
            Scan::TooLong(safe) => (safe, Scan::TooLong(0)),
            Scan::Refused(safe, refusal) => (safe, Scan::Refused(0, refusal)),
            Scan::Broken(refusal) => (0, Scan::Broken(refusal)),
        };
        if safe < fresh.len() {
            self.held.extend_from_slice(fresh.get(safe..).unwrap_or_default());
            buf.set_filled(before + safe);
            self.found(of_the_rest);
        }
        Poll::Ready(Ok(()))
    }

    /// Reads more behind the part of a head that is held.
    fn read_more(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<usize>> {
        let mut part = [0; PART_BYTES];
        let mut buf = ReadBuf::new(&mut part);
        ready!(Pin::new(&mut self.inner).poll_read(cx, &mut buf))?;
        self.held.extend_from_slice(buf.filled());
        let scan = self.scanner.scan(&self.held);
        self.found(scan);
        Poll::Ready(Ok(buf.filled().len()))
    }

    /// Reads on for a while, and drops it: closing with bytes unread would take the answer back
    /// before the client has seen it.
    fn poll_linger(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let linger = self.linger.get_or_insert_with(|| Linger {
            until: Box::pin(sleep(limits::REFUSED_LINGER)),
            bytes: limits::REFUSED_LINGER_BYTES_MAX,
        });
        let mut part = [0; PART_BYTES];
        while linger.bytes > 0 && linger.until.as_mut().poll(cx).is_pending() {
            let mut buf = ReadBuf::new(&mut part);
            match ready!(Pin::new(&mut self.inner).poll_read(cx, &mut buf)) {
                Ok(()) if !buf.filled().is_empty() => {
                    linger.bytes = linger.bytes.saturating_sub(buf.filled().len());
                }
                _ => break,
            }
        }
        Poll::Ready(())
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncRead for StrictStream<S> {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let before = buf.filled().len();
        loop {
            if this.ready > 0 {
                this.hand_over(buf);
                return Poll::Ready(Ok(()));
            }
            match this.then {
                Then::More if this.held.is_empty() => {
                    ready!(this.read_through(cx, buf))?;
                    // Without bytes, held or not, the client has ended the connection.
                    let nothing_held = this.held.is_empty() && matches!(this.then, Then::More);
                    if nothing_held || buf.filled().len() > before {
                        return Poll::Ready(Ok(()));
                    }
                }
                Then::More => {
                    if ready!(this.read_more(cx))? == 0 {
                        return Poll::Ready(Ok(()));
                    }
                }
                Then::Silence => return Poll::Pending,
                Then::Broken(refusal) => {
                    return Poll::Ready(Err(io::Error::new(io::ErrorKind::InvalidData, refusal)));
                }
            }
        }
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncWrite for StrictStream<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.inner).poll_write(cx, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        parts: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.inner).poll_write_vectored(cx, parts)
    }

    fn is_write_vectored(&self) -> bool {
        self.inner.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.linger.is_none() {
            ready!(Pin::new(&mut self.inner).poll_shutdown(cx))?;
        }
        if matches!(self.then, Then::More) {
            return Poll::Ready(Ok(()));
        }
        ready!(self.poll_linger(cx));
        Poll::Ready(Ok(()))
    }
}
