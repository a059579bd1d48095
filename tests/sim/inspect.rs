//! What looks into a folder finds every damage, and nothing wrong with what a crash leaves.
use std::sync::Arc;

use pagi_appliance::broker::inspect::finding::Finding;
use pagi_appliance::broker::inspect::picture::{Picture, damaged_checkpoint};
use pagi_appliance::broker::inspect::verify::verify;
use pagi_appliance::broker::store::storage::Storage;

use crate::disk::{Disk, Fault};
use crate::rng::Rng;
use crate::runs::{case, cuts, sampled, seeds};
use crate::world::{CAPACITY, Outside, World, open};

/// The damage that is found on this disk; none where there is no folder yet.
fn damages(disk: &Disk) -> Vec<Finding> {
    let storage: Arc<dyn Storage> = Arc::new(disk.clone());
    let picture = match Picture::of(&storage) {
        Ok(None) => return Vec::new(),
        Ok(Some(picture)) => picture,
        Err(error) => return vec![damaged_checkpoint(&error).expect("it is the checkpoint")],
    };
    let mut findings = verify(&storage, &picture).unwrap().findings;
    findings.retain(Finding::is_damage);
    findings
}

#[test]
fn what_a_power_cut_leaves_is_not_taken_for_damage() {
    let test = "what_a_power_cut_leaves_is_not_taken_for_damage";
    for seed in seeds(2) {
        let run = |fault| {
            let disk = Disk::new(CAPACITY, seed);
            disk.arm(fault);
            if let Ok(mut world) = World::open(&disk, Outside::default(), seed) {
                let _ = world.run(35);
            }
            disk
        };
        let (operations, _) = run(Fault::None).operations();
        for at in sampled(operations, seed) {
            let left = run(Fault::PowerCut(at)).after_power_cut(seed ^ at);
            case(test, seed, &format!("power cut at {at}"), || {
                assert_eq!(damages(&left), []);
            });
        }
    }
}

#[test]
fn a_flipped_bit_is_found_wherever_it_is_looked_at() {
    let test = "a_flipped_bit_is_found_wherever_it_is_looked_at";
    for seed in seeds(1) {
        let disk = Disk::new(CAPACITY, seed);
        let mut world = open(&disk, Outside::default(), seed);
        world.run(40).unwrap();
        world.calm_down();
        world.checkpoint().unwrap();
        drop(world);
        assert_eq!(damages(&disk), []);
        let mut rng = Rng::of(seed, 30);
        let files = disk.all_files();
        let mut files: Vec<_> =
            files.iter().filter(|(p, n)| !p.contains("wal/") && *n > 0).collect();
        files.retain(|(path, _)| path != "LOCK");
        for _ in 0..cuts(3) * 100 {
            let (path, bytes) = rng.pick(&files).copied().unwrap();
            let bit = rng.below(bytes * 8);
            case(test, seed, &format!("bit {bit} of {path}"), || {
                let disk = disk.fork();
                disk.flip(path, bit);
                let found = damages(&disk);
                assert!(found.iter().any(|finding| finding.path == *path), "{found:?}");
            });
        }
    }
}
