//! What a load did, and how workers are run side by side.
use std::thread;
use std::time::{Duration, Instant};

use crate::failure::{Failure, Outcome};
use crate::latency::Latencies;

/// What was done, by one worker or by all together.
#[derive(Debug, Default)]
pub(super) struct Load {
    pub(super) operations: u64,
    /// Payload only.
    pub(super) bytes: u64,
    /// One for each request, which may be many operations.
    pub(super) latencies: Latencies,
    pub(super) elapsed: Duration,
}

/// Runs `workers` threads, each with its number, and adds up what they did.
pub(super) fn side_by_side(
    workers: usize,
    worker: impl Fn(usize) -> Outcome<Load> + Sync,
) -> Outcome<Load> {
    let begin = Instant::now();
    let loads: Vec<Outcome<Load>> = thread::scope(|scope| {
        let worker = &worker;
        let threads: Vec<_> =
            (0..workers).map(|number| scope.spawn(move || worker(number))).collect();
        let joined = threads.into_iter().map(thread::ScopedJoinHandle::join);
        joined.map(|r| r.unwrap_or_else(|_| Err(Failure::new("a worker panicked")))).collect()
    });
    let mut sum = Load { elapsed: begin.elapsed(), ..Load::default() };
    for load in loads {
        let load = load?;
        sum.operations += load.operations;
        sum.bytes += load.bytes;
        sum.latencies.append(load.latencies);
    }
    Ok(sum)
}
