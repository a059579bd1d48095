//! The power goes, or the process is killed, at every operation, and again while recovering.
use crate::disk::{Disk, Fault};
use crate::rng::Rng;
use crate::runs::{case, cuts, seeds};
use crate::world::{CAPACITY, Outside, World, verify};

const TURNS: usize = 35;

/// How the process ends.
#[derive(Debug, Clone, Copy)]
enum End {
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

/// Runs until the fault, from the start of the process.
fn life(disk: &Disk, outside: Outside, turns: usize, seed: u64) -> Outside {
    match World::open(disk, outside, seed) {
        Ok(mut world) => {
            let ran = world.run(turns);
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
fn operations_of(seed: u64) -> (u64, Vec<u64>) {
    let disk = Disk::new(CAPACITY, seed);
    life(&disk, Outside::default(), TURNS, seed);
    (disk.operations().0, disk.name_syncs())
}

/// One process that ends at operation `at`, then others on what it left, `times` times.
fn end_at(test: &str, seed: u64, at: u64, first: End, times: usize) -> usize {
    let disk = Disk::new(CAPACITY, seed);
    disk.arm(Fault::PowerCut(at));
    let outside = life(&disk, Outside::default(), TURNS, seed);
    let mut rng = Rng::of(seed ^ (at << 16), 5);
    for time in 0..times {
        let left = first.leaves(&disk, rng.next());
        case(test, seed, &format!("{first:?} at {at}, time {time}"), || {
            verify(&left.fork(), outside.clone(), seed);
        });
        for _ in 0..cuts(1) {
            let (second, at_second) = second_end(&left, &outside, seed, &mut rng);
            let again = left.fork();
            again.arm(Fault::PowerCut(at_second));
            let what = format!("{first:?} at {at}, time {time}, then {second:?} at {at_second}");
            case(test, seed, &what, || {
                let outside = life(&again, outside.clone(), TURNS, seed + 1);
                verify(&second.leaves(&again, rng.next()), outside, seed);
            });
        }
    }
    times * (1 + cuts(1))
}

/// Half of the second ends come during recovery, the others some time afterwards.
fn second_end(left: &Disk, outside: &Outside, seed: u64, rng: &mut Rng) -> (End, u64) {
    let whole = left.fork();
    life(&whole, outside.clone(), 0, seed + 1);
    let (recovery, _) = whole.operations();
    let range = if rng.percent(50) { recovery } else { recovery + 150 };
    let end = if rng.percent(70) { End::PowerCut } else { End::Kill };
    (end, rng.next() % range.max(1))
}

fn sweep(test: &str, end: End, survivors: usize) {
    let mut ends = 0;
    for seed in seeds(2) {
        let (operations, name_syncs) = operations_of(seed);
        println!("seed {seed}: {operations} operations");
        for at in 0..=operations {
            let times = if name_syncs.contains(&at) { survivors } else { 1 };
            ends += end_at(test, seed, at, end, times);
        }
    }
    println!("{ends} cuts");
}

#[test]
fn nothing_acknowledged_is_lost_when_the_power_goes_at_any_operation() {
    sweep("nothing_acknowledged_is_lost_when_the_power_goes", End::PowerCut, 5);
}

#[test]
fn nothing_acknowledged_is_lost_when_the_process_is_killed_and_then_the_power_goes() {
    sweep("nothing_acknowledged_is_lost_when_the_process_is_killed", End::Kill, 5);
}
