//! Which answers a flaky proxy keeps to itself, so that clients must send records again.
use std::sync::atomic::{AtomicU32, Ordering};

const PRODUCE: [u8; 2] = [0, 0];

/// Picks every so many-th Produce request of those that name what it looks for.
#[derive(Debug)]
pub(crate) struct Flaky {
    needle: &'static [u8],
    every: u32,
    seen: AtomicU32,
}

impl Default for Flaky {
    /// Every fourth Produce request in which the word `flaky` stands, as in a topic's name.
    fn default() -> Self {
        Self { needle: b"flaky", every: 4, seen: AtomicU32::new(0) }
    }
}

impl Flaky {
    /// The request's correlation id, if its answer is to be kept back.
    pub(super) fn picks(&self, request: &[u8]) -> Option<i32> {
        let named = request.starts_with(&PRODUCE)
            && request.windows(self.needle.len()).any(|window| window == self.needle);
        let picked =
            named && (self.seen.fetch_add(1, Ordering::SeqCst) + 1).is_multiple_of(self.every);
        // Behind the API's key and version.
        picked.then(|| correlation_id(request.get(4..)?)).flatten()
    }
}

/// The correlation id that an answer begins with.
pub(super) fn correlation_id(answer: &[u8]) -> Option<i32> {
    answer.first_chunk().copied().map(i32::from_be_bytes)
}
