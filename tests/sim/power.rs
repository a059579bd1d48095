//! The power goes, or the process is killed, at every operation, and again while recovering.
use crate::disk::{Disk, Fault};
use crate::rng::Rng;
use crate::runs::{case, cuts, seeds};
use crate::world::{CAPACITY, Outside, World, verify};

const TURNS: u64 = 35;
/// A disk with little more than what the log keeps free for itself.
const TIGHT: usize = (2 << 20) + (160 << 10);

/// How the process ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum End {
    PowerCut,
    Kill,
}

impl End {
    fn leaves(self, disk: &Disk, seed: u64) -> Disk {
        match self {
            Self::PowerCut => disk.after_power_cut(seed),
            Self::Kill => disk.after_kill(false),
        }
    }
}

/// What happens until the end, and how it ends.
#[derive(Debug, Clone)]
pub(crate) struct Workload {
    pub(crate) seed: u64,
    /// The turns that are carried out.
    pub(crate) turns: Vec<u64>,
    pub(crate) end: End,
    /// How many different things the end may leave, each of which is tried where names are at
    /// stake.
    survivors: usize,
    tight: bool,
}

impl Workload {
    pub(crate) fn new(seed: u64, end: End) -> Self {
        Self { seed, turns: (0..TURNS).collect(), end, survivors: 5, tight: false }
    }

    /// One of many: of several lengths, and some on a disk that fills up.
    pub(crate) fn varied(seed: u64) -> Self {
        let mut rng = Rng::of(seed, 31);
        let end = if rng.percent(70) { End::PowerCut } else { End::Kill };
        let turns = [15, TURNS, 60][rng.below(3)];
        let tight = rng.percent(15);
        Self { turns: (0..turns).collect(), tight, ..Self::new(seed, end) }
    }

    fn disk(&self) -> Disk {
        Disk::new(if self.tight { TIGHT } else { CAPACITY }, self.seed)
    }

    fn outside(&self) -> Outside {
        Outside { tight: self.tight, ..Outside::default() }
    }

    /// Runs until the fault, from the start of the process.
    fn life(&self, disk: &Disk, outside: Outside, turns: &[u64], seed: u64) -> Outside {
        match World::open(disk, outside, seed) {
            Ok(mut world) => {
                let ran = world.run_only(turns, seed);
                assert!(ran.is_ok() || disk.is_dead(), "the log stopped on a sound disk");
                world.end()
            }
            Err(unopened) => {
                assert!(disk.is_dead(), "{}", unopened.error);
                unopened.outside
            }
        }
    }

    /// How many operations there are, and which of them make names durable.
    pub(crate) fn operations(&self) -> (u64, Vec<u64>) {
        let disk = self.disk();
        self.life(&disk, self.outside(), &self.turns, self.seed);
        (disk.operations().0, disk.name_syncs())
    }

    /// One process that ends at operation `at`, then others on what it left, `times` times.
    fn end_at(&self, test: &str, at: u64, times: usize) -> u64 {
        let (seed, first) = (self.seed, self.end);
        let disk = self.disk();
        disk.arm(Fault::PowerCut(at));
        let outside = self.life(&disk, self.outside(), &self.turns, seed);
        let mut rng = Rng::of(seed ^ (at << 16), 5);
        let mut ends = 0;
        for time in 0..times {
            let left = first.leaves(&disk, rng.next());
            case(test, seed, &format!("{first:?} at {at}, time {time}"), || {
                self.verify(&left.fork(), outside.clone(), seed);
            });
            ends += 1;
            for _ in 0..cuts(1) {
                let (second, at_second) = self.second_end(&left, &outside, &mut rng);
                let again = left.fork();
                again.arm(Fault::PowerCut(at_second));
                let what =
                    format!("{first:?} at {at}, time {time}, then {second:?} at {at_second}");
                case(test, seed, &what, || {
                    let outside = self.life(&again, outside.clone(), &self.turns, seed + 1);
                    self.verify(&second.leaves(&again, rng.next()), outside, seed);
                });
                ends += 1;
            }
        }
        ends
    }

    /// Half of the second ends come during recovery, the others some time afterwards.
    fn second_end(&self, left: &Disk, outside: &Outside, rng: &mut Rng) -> (End, u64) {
        let whole = left.fork();
        self.life(&whole, outside.clone(), &[], self.seed + 1);
        let (recovery, _) = whole.operations();
        let range = if rng.percent(50) { recovery } else { recovery + 150 };
        let end = if rng.percent(70) { End::PowerCut } else { End::Kill };
        (end, rng.next() % range.max(1))
    }

    /// A full disk is made larger before all is checked: what needs room must go well then.
    fn verify(&self, left: &Disk, outside: Outside, seed: u64) {
        if self.tight {
            left.enlarge(CAPACITY);
        }
        verify(left, outside, seed);
    }

    /// The end at these operations. How many ends there were.
    pub(crate) fn sweep(&self, test: &str, at: Option<u64>) -> u64 {
        let (operations, name_syncs) = self.operations();
        let range = at.map_or(0..=operations, |at| at..=at);
        range
            .map(|at| {
                let times = if name_syncs.contains(&at) { self.survivors } else { 1 };
                self.end_at(test, at, times)
            })
            .sum()
    }
}

fn sweep(test: &str, end: End) {
    let mut ends = 0;
    for seed in seeds(2) {
        let workload = Workload::new(seed, end);
        println!("seed {seed}: {} operations", workload.operations().0);
        ends += workload.sweep(test, None);
    }
    println!("{ends} cuts");
}

#[test]
fn nothing_acknowledged_is_lost_when_the_power_goes_at_any_operation() {
    sweep("nothing_acknowledged_is_lost_when_the_power_goes", End::PowerCut);
}

#[test]
fn nothing_acknowledged_is_lost_when_the_process_is_killed_and_then_the_power_goes() {
    sweep("nothing_acknowledged_is_lost_when_the_process_is_killed", End::Kill);
}
