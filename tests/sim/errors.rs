//! Every operation fails once: the process ends, and nothing acknowledged is lost, whether the
//! kernel still shows what it could not write or not.
use crate::disk::{Disk, Fault};
use crate::rng::Rng;
use crate::runs::{case, sampled, seeds};
use crate::world::{CAPACITY, Outside, World, open, verify};

const TURNS: usize = 30;

/// Runs with the fault; gives what is known outside and whether the process ended itself.
fn life(disk: &Disk, outside: Outside, turns: usize, seed: u64) -> (Outside, bool) {
    match World::open(disk, outside, seed) {
        Ok(mut world) => {
            let ended = world.run(turns).is_err();
            (world.end(), ended)
        }
        Err(unopened) => (unopened.outside, true),
    }
}

/// After the end: the kernel goes on showing what it has, or reads the disk again, or the power
/// goes as well, at once or when the next process has shown to others what it found.
fn verify_all(disk: &Disk, outside: &Outside, seed: u64) {
    for evict in [false, true] {
        verify(&disk.after_kill(evict), outside.clone(), seed);
    }
    verify(&disk.after_power_cut(seed), outside.clone(), seed);
    let next = disk.after_kill(false);
    let outside = open(&next, outside.clone(), seed).end();
    verify(&next.after_power_cut(seed), outside, seed);
}

fn check(test: &str, seed: u64, fault: Fault) {
    case(test, seed, &format!("{fault:?}"), || {
        let disk = Disk::new(CAPACITY, seed);
        disk.arm(fault);
        let (outside, ended) = life(&disk, Outside::default(), TURNS, seed);
        let happened = disk.has_failed();
        assert!(ended || !happened, "the process went on after an error");
        verify_all(&disk, &outside, seed);
    });
}

fn operations_of(seed: u64) -> (u64, u64) {
    let disk = Disk::new(CAPACITY, seed);
    let (_, ended) = life(&disk, Outside::default(), TURNS, seed);
    assert!(!ended);
    disk.operations()
}

/// Every operation of the seed's run fails once, in each way. How many there were.
pub(crate) fn all_of(seed: u64) -> u64 {
    let (changes, looks) = operations_of(seed);
    for at in 0..changes {
        check("campaign", seed, Fault::Change(at));
        check("campaign", seed, Fault::ChangeAndForget(at));
    }
    (0..looks).for_each(|at| check("campaign", seed, Fault::Look(at)));
    2 * changes + looks
}

#[test]
fn nothing_acknowledged_is_lost_when_a_write_or_a_sync_fails() {
    for seed in seeds(1) {
        let (changes, _) = operations_of(seed);
        for at in sampled(changes, seed) {
            let test = "nothing_acknowledged_is_lost_when_a_write_or_a_sync_fails";
            check(test, seed, Fault::Change(at));
            check(test, seed, Fault::ChangeAndForget(at));
        }
    }
}

#[test]
fn nothing_acknowledged_is_lost_when_a_read_fails() {
    for seed in seeds(1) {
        let (_, looks) = operations_of(seed);
        for at in sampled(looks, seed) {
            check("nothing_acknowledged_is_lost_when_a_read_fails", seed, Fault::Look(at));
        }
    }
}

#[test]
fn nothing_acknowledged_is_lost_when_recovery_fails() {
    for seed in seeds(1) {
        let (changes, _) = operations_of(seed);
        let mut rng = Rng::of(seed, 6);
        for at in sampled(changes, seed).step_by(3) {
            let disk = Disk::new(CAPACITY, seed);
            disk.arm(Fault::PowerCut(at));
            let (outside, _) = life(&disk, Outside::default(), TURNS, seed);
            let left = disk.after_power_cut(seed ^ at);
            let whole = left.fork();
            life(&whole, outside.clone(), 0, seed);
            let (changes, looks) = whole.operations();
            for fault in [
                Fault::Change(rng.next() % changes),
                Fault::ChangeAndForget(rng.next() % changes),
                Fault::Look(rng.next() % looks),
            ] {
                let test = "nothing_acknowledged_is_lost_when_recovery_fails";
                case(test, seed, &format!("power cut at {at}, then {fault:?}"), || {
                    let left = left.fork();
                    left.arm(fault);
                    let (outside, _) = life(&left, outside.clone(), 2, seed);
                    verify_all(&left, &outside, seed);
                });
            }
        }
    }
}
