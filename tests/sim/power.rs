//! The power goes, or the process is killed, at every operation, and again while recovering.
use crate::disk::{Disk, Fault};
use crate::rng::Rng;
use crate::runs::{case, cuts, seeds};
use crate::world::{CAPACITY, Outside, TURNS_AFTERWARDS, World, verify};

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

fn operations_of(seed: u64) -> u64 {
    let disk = Disk::new(CAPACITY, seed);
    life(&disk, Outside::default(), TURNS, seed);
    disk.operations().0
}

/// One process that ends at operation `at`, then others on what it left.
fn end_at(test: &str, seed: u64, at: u64, first: End) -> u64 {
    let disk = Disk::new(CAPACITY, seed);
    disk.arm(Fault::PowerCut(at));
    let outside = life(&disk, Outside::default(), TURNS, seed);
    let left = first.leaves(&disk, seed ^ at);
    case(test, seed, &format!("{first:?} at {at}"), || {
        verify(&left.fork(), outside.clone(), seed);
    });

    let mut rng = Rng::of(seed ^ (at << 16), 5);
    let whole = left.fork();
    let recovered = life(&whole, outside.clone(), 0, seed + 1);
    drop(recovered);
    let recovery = whole.operations().0;
    for _ in 0..cuts(1) {
        // Half of the second ends come during recovery, half soon afterwards.
        let range = if rng.percent(50) { recovery } else { recovery + 30 };
        let at_second = rng.next() % range.max(1);
        let second = if rng.percent(70) { End::PowerCut } else { End::Kill };
        let again = left.fork();
        again.arm(Fault::PowerCut(at_second));
        case(test, seed, &format!("{first:?} at {at}, then {second:?} at {at_second}"), || {
            let outside = life(&again, outside.clone(), TURNS_AFTERWARDS, seed + 1);
            verify(&second.leaves(&again, rng.next()), outside, seed);
        });
    }
    1 + cuts(1) as u64
}

fn sweep(test: &str, end: End) {
    let mut ends = 0;
    for seed in seeds(2) {
        let operations = operations_of(seed);
        println!("seed {seed}: {operations} operations");
        for at in 0..=operations {
            ends += end_at(test, seed, at, end);
        }
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
