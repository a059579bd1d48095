//! The disk fills up, by our own files and by others': the log refuses, goes on reading, and
//! heals.
use pagi_appliance::core::log::state::Refusal;

use crate::disk::Disk;
use crate::model::Intent;
use crate::rng::Rng;
use crate::runs::{case, seeds};
use crate::world::{Outside, open};

/// Little more than what the log keeps free for itself.
const CAPACITY: usize = 3 << 20;
const TURNS: usize = 60;

/// Others take some, nearly all, or all that is free.
fn others_take(disk: &Disk, rng: &mut Rng) {
    disk.others_take(0);
    let free = disk.free();
    let left = [0, 1, 5_000, 20_000, 100_000, (2 << 20) + 10_000, free][rng.below(7)];
    disk.others_take(free.saturating_sub(left));
}

fn run(seed: u64) {
    let mut rng = Rng::of(seed, 7);
    let mut disk = Disk::new(CAPACITY, seed);
    let mut world = open(&disk, Outside::default(), seed);
    world.run(5).expect("there is room");
    for _ in 0..TURNS {
        if rng.percent(20) {
            others_take(&disk, &mut rng);
        }
        world.run(1).expect("a full disk is no reason to end");
        world.check();
        if rng.percent(5) {
            let outside = world.end();
            disk = disk.after_kill(false);
            world = open(&disk, outside, seed);
            world.check();
        }
    }
}

#[test]
fn a_full_disk_refuses_and_loses_nothing() {
    for seed in seeds(10) {
        case("a_full_disk_refuses_and_loses_nothing", seed, "", || run(seed));
    }
}

#[test]
fn room_that_comes_back_is_used_without_a_restart() {
    for seed in seeds(5) {
        case("room_that_comes_back_is_used_without_a_restart", seed, "", || {
            let mut rng = Rng::of(seed, 8);
            let disk = Disk::new(CAPACITY, seed);
            let mut world = open(&disk, Outside::default(), seed);
            world.run(10).unwrap();
            world.calm_down();
            for _ in 0..6 {
                disk.others_take(disk.free());
                world.run(15).unwrap();
                assert_eq!(world.try_append(&mut rng), Err(Refusal::StorageFull));
                world.check();
                disk.others_take(0);
                world.checkpoint().unwrap();
                world.extend().unwrap();
                world.try_append(&mut rng).expect("there is room again");
            }
        });
    }
}

#[test]
fn a_topic_can_be_deleted_on_a_full_disk_and_its_room_is_used() {
    for seed in seeds(5) {
        case("a_topic_can_be_deleted_on_a_full_disk_and_its_room_is_used", seed, "", || {
            let mut rng = Rng::of(seed, 9);
            let disk = Disk::new(CAPACITY, seed);
            let mut world = open(&disk, Outside::default(), seed);
            world.calm_down();
            world.extend().unwrap();
            while world.try_append(&mut rng) != Err(Refusal::StorageFull) {
                world.checkpoint().unwrap();
                world.extend().unwrap();
            }
            let topics = world.acknowledged().topics;
            let delete = |name| Intent::Delete { name };
            world.ask(topics.into_values().map(|topic| delete(topic.made.name)).collect()).unwrap();
            assert!(world.acknowledged().topics.is_empty(), "deleting was refused");
            world.checkpoint().unwrap();
            world.try_append(&mut rng).expect("there is room again");
        });
    }
}
