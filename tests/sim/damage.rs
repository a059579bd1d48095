//! Bits flip, blocks turn to zeros, files are cut or vanish: what was acknowledged is there, or
//! the log does not open, or reading says that it is damaged. Nothing wrong is ever served.
use std::ops::Range;
use std::sync::Arc;

use bytes::Bytes;
use pagi_appliance::broker::store::reader::Reader;
use pagi_appliance::broker::store::storage::Storage;
use pagi_appliance::core::log::checkpoint::Checkpoint;
use pagi_appliance::core::log::ids::Sequence;
use pagi_appliance::core::log::round::{BLOCK_BYTES, HEADER_BYTES, RoundHeader};

use crate::disk::Disk;
use crate::model::Model;
use crate::observed::Observed;
use crate::rng::Rng;
use crate::runs::{case, cuts, seeds};
use crate::world::{CAPACITY, Outside, START_MS, open, open_log};

/// A log that ended without a last checkpoint.
pub(crate) struct Scene {
    pub(crate) disk: Disk,
    /// What it holds, and what it held before the last round.
    pub(crate) now: Model,
    pub(crate) before: Model,
    live: Vec<Live>,
}

/// A round that the checkpoint does not hold.
#[derive(Debug, Clone)]
struct Live {
    path: String,
    bytes: Range<usize>,
    sequence: Sequence,
}

impl Scene {
    pub(crate) fn new(seed: u64) -> Self {
        let disk = Disk::new(CAPACITY, seed);
        let mut rng = Rng::of(seed, 10);
        let mut world = open(&disk, Outside::default(), seed);
        world.run(40).unwrap();
        world.calm_down();
        // Some rounds in more than one file, behind the last checkpoint.
        world.checkpoint().unwrap();
        for _ in 0..10 {
            world.extend().unwrap();
            world.try_append(&mut rng).unwrap();
        }
        world.extend().unwrap();
        let before = world.acknowledged();
        world.try_append(&mut rng).unwrap();
        let now = world.acknowledged();
        drop(world);
        let disk = disk.after_kill(false);
        let live = live_rounds(&disk);
        Self { disk, now, before, live }
    }

    fn last(&self) -> &Live {
        self.live.iter().max_by_key(|live| live.sequence).unwrap()
    }
}

fn read(disk: &Disk, path: &str) -> Bytes {
    disk.open(path).unwrap().read(0, usize::MAX).unwrap()
}

fn live_rounds(disk: &Disk) -> Vec<Live> {
    let checkpoint = Checkpoint::decode(read(disk, "checkpoint")).unwrap();
    let mut live = Vec::new();
    for (path, _) in disk.all_files().into_iter().filter(|(path, _)| path.ends_with(".wal")) {
        let file = read(disk, &path);
        for at in (0..file.len()).step_by(BLOCK_BYTES) {
            let Some(header) = RoundHeader::parse(&file[at..], checkpoint.salt) else { continue };
            if header.sequence > checkpoint.sequence && header.body(&file.slice(at..)).is_some() {
                let bytes = at..at + HEADER_BYTES + header.body_bytes;
                live.push(Live { path: path.clone(), bytes, sequence: header.sequence });
            }
        }
    }
    live
}

/// What became of opening: every reader's view, or that it was refused.
fn outcome(disk: &Disk, seed: u64) -> Result<Observed, String> {
    let opened = open_log(disk, START_MS).map_err(|error| error.to_string())?;
    let reader = Reader(Arc::clone(&opened.read_files));
    Observed::of(&opened.view, &reader, &mut Rng::of(seed, 11)).map_err(|error| error.to_string())
}

fn holds(observed: &Observed, model: &Model) -> bool {
    observed.differences(model).is_empty()
}

/// Damage to bytes of a file of the write-ahead log must end as the rounds there demand.
fn check_wal(scene: &Scene, path: &str, damaged: &Range<usize>, disk: &Disk, seed: u64) {
    let hit = |live: &&Live| {
        live.path == path && live.bytes.start < damaged.end && damaged.start < live.bytes.end
    };
    let hit: Vec<Sequence> = scene.live.iter().filter(hit).map(|live| live.sequence).collect();
    match (outcome(disk, seed), &hit[..]) {
        (Ok(observed), []) => assert!(holds(&observed, &scene.now), "no round was damaged"),
        (Err(error), []) => panic!("no round was damaged: {error}"),
        (Ok(observed), [last]) if *last == scene.last().sequence => {
            assert!(holds(&observed, &scene.before), "the last round is as good as torn");
        }
        (Ok(_), _) => panic!("opened without the acknowledged rounds {hit:?}"),
        (Err(error), [last]) if *last == scene.last().sequence => panic!("torn: {error}"),
        (Err(error), _) => assert!(error.contains("Acknowledged data is damaged"), "{error}"),
    }
}

#[test]
fn a_flipped_bit_in_the_write_ahead_log_is_never_passed_over() {
    let test = "a_flipped_bit_in_the_write_ahead_log_is_never_passed_over";
    for seed in seeds(1) {
        let scene = Scene::new(seed);
        let mut rng = Rng::of(seed, 12);
        for n in 0..cuts(3) * 60 {
            let (path, at) = if rng.percent(80) {
                let live = rng.pick(&scene.live).unwrap();
                (live.path.clone(), live.bytes.start + rng.below([40, live.bytes.len()][n % 2]))
            } else {
                let number = rng.below(3);
                (format!("wal/{number}.wal"), rng.below(32 << 10))
            };
            let bit = at * 8 + rng.below(8);
            case(test, seed, &format!("bit {bit} of {path}"), || {
                let disk = scene.disk.fork();
                disk.flip(&path, bit);
                check_wal(&scene, &path, &(at..at + 1), &disk, seed);
            });
        }
    }
}

#[test]
fn blocks_of_zeros_in_the_write_ahead_log_are_never_passed_over() {
    let test = "blocks_of_zeros_in_the_write_ahead_log_are_never_passed_over";
    for seed in seeds(1) {
        let scene = Scene::new(seed);
        for live in &scene.live {
            for length in [512, BLOCK_BYTES, 2 * BLOCK_BYTES] {
                let damaged = live.bytes.start..live.bytes.start + length;
                case(test, seed, &format!("zeros at {damaged:?} of {}", live.path), || {
                    let disk = scene.disk.fork();
                    disk.blank(&live.path, damaged.start, length);
                    let reaches_last = scene.last().path == live.path
                        && scene.last().bytes.start < damaged.end
                        && live.sequence != scene.last().sequence;
                    // Zeros over all of the end look like an end: that cannot be told apart.
                    if !reaches_last {
                        check_wal(&scene, &live.path, &damaged, &disk, seed);
                    }
                });
            }
        }
    }
}

#[test]
fn a_flipped_bit_in_the_checkpoint_stops_the_start() {
    let scene = Scene::new(0);
    let bytes = read(&scene.disk, "checkpoint").len();
    let mut rng = Rng::of(0, 13);
    for _ in 0..cuts(3) * 100 {
        let disk = scene.disk.fork();
        disk.flip("checkpoint", rng.below(bytes * 8));
        assert!(outcome(&disk, 0).is_err());
    }
}

#[test]
fn damage_to_segments_is_never_served() {
    let test = "damage_to_segments_is_never_served";
    for seed in seeds(1) {
        let scene = Scene::new(seed);
        let files: Vec<_> = scene.disk.all_files();
        let files: Vec<_> = files.iter().filter(|(p, _)| p.starts_with("topics/")).collect();
        let mut rng = Rng::of(seed, 14);
        for _ in 0..cuts(3) * 80 {
            let Some((path, bytes)) = rng.pick(&files).copied() else { continue };
            // Headers are where a flipped bit could go unnoticed.
            let at = if rng.percent(50) { rng.below(24.min(*bytes)) } else { rng.below(*bytes) };
            let bit = at * 8 + rng.below(8);
            case(test, seed, &format!("bit {bit} of {path}"), || {
                let disk = scene.disk.fork();
                disk.flip(path, bit);
                match outcome(&disk, seed) {
                    Ok(observed) => {
                        let differences = observed.differences(&scene.now);
                        assert!(differences.is_empty(), "{}", differences.join("\n"));
                    }
                    Err(error) => {
                        assert!(path.ends_with(".log"), "an index can be done without: {error}");
                        assert!(error.contains("is damaged at byte"), "{error}");
                    }
                }
            });
        }
    }
}

#[test]
fn a_file_that_was_cut_or_is_gone_is_noticed() {
    let test = "a_file_that_was_cut_or_is_gone_is_noticed";
    for seed in seeds(1) {
        let scene = Scene::new(seed);
        let mut rng = Rng::of(seed, 15);
        let checkpoint = Checkpoint::decode(read(&scene.disk, "checkpoint")).unwrap();
        let known: Vec<String> =
            checkpoint.wal_files.iter().map(|file| format!("wal/{}.wal", file.number)).collect();
        for (path, bytes) in scene.disk.all_files() {
            let lengths = [0, 1, bytes / 2, bytes.saturating_sub(1), rng.below(bytes)];
            for length in lengths.into_iter().map(Some).chain([None]) {
                case(test, seed, &format!("{path} cut to {length:?}"), || {
                    let disk = scene.disk.fork();
                    match length {
                        Some(length) => disk.shorten(&path, length),
                        None => disk.lose(&path),
                    }
                    match outcome(&disk, seed) {
                        // A file that is newer than the checkpoint has told nobody of itself.
                        Ok(_) if path.ends_with(".wal") && !known.contains(&path) => {}
                        Ok(observed) => assert!(holds(&observed, &scene.now), "opened"),
                        Err(error) => assert!(!path.ends_with(".index"), "{error}"),
                    }
                });
            }
        }
    }
}
