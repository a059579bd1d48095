//! Many workloads, each with an end at every operation, on all cores: `cargo xtask sim`.
//!
//! A workload that fails is made smaller, turn by turn, while it still fails; what is left is
//! printed with the command that runs it again.
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::{Duration, Instant};

use parking_lot::Mutex;

use crate::errors;
use crate::power::Workload;
use crate::runs::number;

const TEST: &str = "campaign";
const PROGRESS_EVERY: Duration = Duration::from_secs(5);
const SHRINKING_MAX: Duration = Duration::from_secs(120);
/// Every so manieth seed is also run with an operation that fails, at each place.
const FAULTS_EVERY: u64 = 8;

/// What was asked for, in the environment.
struct Asked {
    cuts: u64,
    until: Option<Instant>,
    first_seed: u64,
    /// One workload alone, with these turns, and perhaps one end.
    turns: Option<Vec<u64>>,
    at: Option<u64>,
    alone: bool,
}

impl Asked {
    fn new() -> Self {
        let minutes = number("PAGI_SIM_MINUTES");
        let turns = std::env::var("PAGI_SIM_TURNS").ok();
        let at = number("PAGI_SIM_AT");
        Self {
            cuts: number("PAGI_SIM_TOTAL").unwrap_or(20_000),
            until: minutes.map(|minutes| Instant::now() + Duration::from_secs(60 * minutes)),
            first_seed: number("PAGI_SIM_FIRST").unwrap_or(0),
            alone: turns.is_some() || at.is_some(),
            turns: turns.map(|list| list.split(',').filter_map(|n| n.parse().ok()).collect()),
            at,
        }
    }
}

#[derive(Default)]
struct Tally {
    next_seed: AtomicU64,
    seeds: AtomicU64,
    cuts: AtomicU64,
    faults: AtomicU64,
    stop: AtomicBool,
    failed: Mutex<Option<Workload>>,
}

impl Tally {
    fn work(&self, asked: &Asked) {
        while !self.stop.load(Ordering::Acquire) && self.cuts.load(Ordering::Acquire) < asked.cuts {
            if asked.until.is_some_and(|until| Instant::now() >= until) {
                break;
            }
            let seed = asked.first_seed + self.next_seed.fetch_add(1, Ordering::AcqRel);
            let workload = Workload::varied(seed);
            let run = || {
                self.cuts.fetch_add(workload.sweep(TEST, None), Ordering::AcqRel);
                if seed.is_multiple_of(FAULTS_EVERY) {
                    self.faults.fetch_add(errors::all_of(seed), Ordering::AcqRel);
                }
            };
            if catch_unwind(AssertUnwindSafe(run)).is_err() {
                self.stop.store(true, Ordering::Release);
                self.failed.lock().get_or_insert(workload);
            }
            self.seeds.fetch_add(1, Ordering::AcqRel);
        }
    }

    fn show(&self, begin: Instant) {
        let (cuts, seeds) = (self.cuts.load(Ordering::Acquire), self.seeds.load(Ordering::Acquire));
        let faults = self.faults.load(Ordering::Acquire);
        let seconds = begin.elapsed().as_secs_f64();
        let rate = cuts as f64 / seconds.max(0.001);
        println!(
            "{seconds:7.0} s  {cuts} cuts and {faults} failing operations in {seeds} workloads, \
             {rate:.0} cuts/s"
        );
    }
}

fn progress(tally: &Tally, begin: Instant, ended: &Receiver<()>) {
    while ended.recv_timeout(PROGRESS_EVERY) == Err(RecvTimeoutError::Timeout) {
        tally.show(begin);
    }
}

fn fails(workload: &Workload) -> bool {
    catch_unwind(AssertUnwindSafe(|| workload.sweep(TEST, None))).is_err()
}

/// Leaves out one turn after the other, as long as it goes on failing.
fn shrink(mut workload: Workload) -> Workload {
    let deadline = Instant::now() + SHRINKING_MAX;
    let mut pieces = workload.turns.len().div_ceil(2);
    while pieces > 0 && Instant::now() < deadline {
        let mut at = 0;
        while at < workload.turns.len() && Instant::now() < deadline {
            let mut smaller = workload.clone();
            smaller.turns.drain(at..(at + pieces).min(workload.turns.len()));
            if fails(&smaller) {
                workload = smaller;
            } else {
                at += pieces;
            }
        }
        pieces /= 2;
    }
    workload
}

/// The first operation at which the workload fails when it ends there.
fn first_failing(workload: &Workload) -> Option<u64> {
    let (operations, _) = workload.operations();
    let at = |at: &u64| catch_unwind(AssertUnwindSafe(|| workload.sweep(TEST, Some(*at)))).is_err();
    (0..=operations).find(at)
}

fn report(workload: Workload) -> ! {
    let seed = workload.seed;
    println!("\nseed {seed} fails; making it smaller (at most {} s)", SHRINKING_MAX.as_secs());
    // Each attempt would print why it fails.
    let hook = std::panic::take_hook();
    std::panic::set_hook(Box::new(|_| {}));
    let small = if fails(&workload) { shrink(workload) } else { workload };
    let at = catch_unwind(AssertUnwindSafe(|| first_failing(&small))).ok().flatten();
    std::panic::set_hook(hook);
    let turns: Vec<String> = small.turns.iter().map(u64::to_string).collect();
    let (count, turns) = (turns.len(), turns.join(","));
    let Some(at) = at else {
        panic!("seed {seed} fails, see above. Again: cargo xtask sim --seed {seed} --cuts 1")
    };
    println!("smallest: seed {seed}, {count} turns, {:?} at operation {at}", small.end);
    println!("again: cargo xtask sim --seed {seed} --turns {turns} --at {at}");
    small.sweep(TEST, Some(at));
    panic!("seed {seed} failed")
}

#[test]
#[ignore = "cargo xtask sim runs it"]
fn nothing_acknowledged_is_lost_in_a_campaign() {
    let asked = Asked::new();
    if asked.alone {
        let mut workload = Workload::varied(asked.first_seed);
        workload.turns = asked.turns.unwrap_or(workload.turns);
        println!("{} cuts", workload.sweep(TEST, asked.at));
        return;
    }
    let (tally, begin) = (Tally::default(), Instant::now());
    let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    std::thread::scope(|scope| {
        let (end, ended) = channel();
        let (tally, asked) = (&tally, &asked);
        scope.spawn(move || progress(tally, begin, &ended));
        let workers: Vec<_> = (0..cores).map(|_| scope.spawn(|| tally.work(asked))).collect();
        workers.into_iter().for_each(|worker| worker.join().unwrap());
        drop(end);
    });
    tally.show(begin);
    if let Some(workload) = tally.failed.into_inner() {
        report(workload);
    }
    println!("nothing was lost");
}
