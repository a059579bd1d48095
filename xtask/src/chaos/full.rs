//! A full disk, and back: producers are refused, nothing else stops, and freeing room heals.
use std::net::SocketAddr;
use std::path::Path;
use std::time::{Duration, Instant};

use bytes::Bytes;
use pagi_protocol::kafka::error_code::KafkaCode;

use super::findings::Sort;
use super::lanes::Lanes;
use super::ledger::Ledger;
use super::load::{Load, Shape};
use super::loop_fs::{Format, LoopFs};
use super::node::{Node, Setup, free_address};
use super::random::Random;
use super::shared::Shared;
use super::site::{Ending, Report, Site};
use super::topics;
use super::verify;
use crate::failure::{Failure, Outcome, While};
use crate::kafka::{self, Broker};
use crate::plain;
use crate::publisher;

/// Few and slow: what they send stays for ever.
const LIGHT: Shape = Shape { producers: 4, pause_ms_max: 100 };
const DISK_MIB_MIN: usize = 16;
const DISK_MIB_MAX: usize = 32;
const FILLER: &str = "filler";
const FILLER_BYTES: usize = 64 << 10;
/// All records, as DeleteRecords names it.
const TO_THE_END: i64 = -1;
/// So often each disk is filled.
const FILLS: u32 = 2;
/// More than fits on the disk.
const FILLER_BATCHES_MAX: u32 = 1_024;
/// Until producers are taken again once there is room.
const HEAL_PATIENCE: Duration = Duration::from_secs(20);
/// Until a full disk is noticed.
const LOOK_PAUSE: Duration = Duration::from_millis(20);
const STOP_PATIENCE: Duration = Duration::from_secs(20);

/// R5.
pub(super) fn run(site: &Site) -> Outcome<Ending> {
    if let Some(why) = Format::Ext4.missing() {
        return Ok(Ending::Skipped(why));
    }
    let mut report = Report::begin();
    let mut healed_after = Duration::ZERO;
    let mut filled_bytes = 0;
    while report.cycles < site.cycles && report.findings.is_empty() {
        let scratch = site.scratch("full")?;
        let mut random = site.random.part(report.cycles);
        let mib = DISK_MIB_MIN + random.below(DISK_MIB_MAX - DISK_MIB_MIN + 1);
        let fs = LoopFs::create(scratch.path(), Format::Ext4, u64::try_from(mib)?)?;
        let outcome = cycle(site, &fs, scratch.path(), &mut random, &mut report);
        if outcome.is_err() || !report.findings.is_empty() {
            drop(fs);
            println!("    full: what there is stays in {}", scratch.keep().display());
        }
        let (filled, healed) = outcome.on(format!("go on with a disk of {mib} MiB"))?;
        filled_bytes += filled;
        healed_after = healed_after.max(healed);
        report.cycles += 1;
        report.progress("full", site.cycles);
    }
    report.what = format!(
        "disks of {DISK_MIB_MIN} to {DISK_MIB_MAX} MiB took {} MiB each on average, healed after \
         {:.1} s at most",
        (filled_bytes >> 20) / u64::from(report.cycles.max(1)),
        healed_after.as_secs_f64()
    );
    Ok(Ending::Ran(report))
}

/// Fills a disk, starts again while it is full, and makes room. Gives what it took, and how long
/// it took until it took more.
fn cycle(
    site: &Site,
    fs: &LoopFs,
    scratch: &Path,
    random: &mut Random,
    report: &mut Report,
) -> Outcome<(u64, Duration)> {
    let data_dir = fs.path().join("data");
    let http = Some(free_address(random)?);
    let setup = Setup { data_dir, http, ..Setup::new(&site.binary, scratch, random)? };
    let mut node = setup.start()?;
    node.ready()?;
    let lanes = Lanes::new("orders", 1, 2);
    lanes.create(setup.address)?;
    let ledger = Ledger::create(&scratch.join("ledger"))?;
    let before = report.acknowledged;
    let mut load = Load::new(setup.address, LIGHT, lanes, ledger, random);
    let outcome = load.during(|shared, observer| {
        let (mut filled, mut healed) = (0, Duration::ZERO);
        for _ in 0..FILLS {
            filled += fill(setup.address, shared)?;
            refuse_http(&setup, shared)?;
            verify::everything(shared, observer)?;
            // Again on the full disk, after a crash or a stop in good order.
            if random.one_in(2) {
                node.terminate()?;
                let stopped = node.wait(STOP_PATIENCE)?;
                stopped.ok_or_else(|| Failure::new("it does not stop when full"))?;
            } else {
                node.kill()?;
            }
            node = setup.start()?;
            report.ready.add(node.ready().on("start on a full disk")?);
            verify::everything(shared, observer)?;
            // What a stop gave free is filled again.
            filled += fill(setup.address, shared)?;
            healed = healed.max(heal(setup.address, random.one_in(2), shared)?);
            verify::everything(shared, observer)?;
        }
        Ok((node, filled, healed))
    });
    report.acknowledged = before + load.shared.ledger.records();
    let (node, filled, healed) = match outcome {
        Ok(outcome) => outcome,
        Err(failure) => {
            report.findings.extend(&load.shared.findings);
            return Err(failure);
        }
    };
    crash_once_more(node, &setup, &load)?;
    report.findings.extend(&load.shared.findings);
    Ok((filled, healed))
}

fn crash_once_more(node: Node, setup: &Setup, load: &Load) -> Outcome {
    node.kill()?;
    let mut node = setup.start()?;
    node.ready()?;
    verify::everything(&load.shared, &load.observer)?;
    node.kill()
}

/// Produces until it is refused, as it must be with an error that lets clients try again. Gives
/// the bytes that were taken.
fn fill(address: SocketAddr, shared: &Shared) -> Outcome<u64> {
    let mut broker = Broker::connect(address)?;
    if fill_more(&mut broker)? == KafkaCode::UnknownTopicOrPartition.number() {
        again_and_again("create a topic", || broker.create_topic(FILLER, 1))?;
    }
    let mut bytes = 0;
    for _ in 0..FILLER_BATCHES_MAX {
        let code = fill_more(&mut broker)?;
        if code == KafkaCode::None.number() {
            bytes += FILLER_BYTES as u64;
            continue;
        }
        if !KafkaCode::from_number(code).is_some_and(KafkaCode::retriable) {
            let code = kafka::name(code);
            shared.findings.add(Sort::Wrong, || format!("a full disk was answered {code}"));
        }
        return Ok(bytes);
    }
    Err(Failure::new("the disk is never full"))
}

/// An HTTP client is told that the storage is full.
fn refuse_http(setup: &Setup, shared: &Shared) -> Outcome {
    const INSUFFICIENT_STORAGE: u16 = 507;
    let http = setup.http.ok_or_else(|| Failure::new("no gateway"))?;
    let payload = format!("\"{}\"", "x".repeat(FILLER_BYTES));
    let status = publisher::once(http, &format!("topic={FILLER}"), &payload)?.status;
    if status != INSUFFICIENT_STORAGE {
        shared.findings.add(Sort::Wrong, || format!("HTTP on a full disk was answered {status}"));
    }
    Ok(())
}

/// Deletes the filler or its records, and waits until producers are taken again.
fn heal(address: SocketAddr, records_only: bool, shared: &Shared) -> Outcome<Duration> {
    let mut broker = Broker::connect(address)?;
    let begin = Instant::now();
    again_and_again("make room on a full disk", || match records_only {
        true => topics::delete_records(&mut broker, FILLER, TO_THE_END),
        false => topics::delete(&mut broker, FILLER),
    })?;
    let before = shared.ledger.records();
    while shared.ledger.records() == before {
        if begin.elapsed() > HEAL_PATIENCE {
            shared.findings.add(Sort::Wrong, || {
                format!("{HEAL_PATIENCE:?} after making room producers are still refused")
            });
            break;
        }
        std::thread::sleep(LOOK_PAUSE);
    }
    Ok(begin.elapsed())
}

/// What is refused on a full disk may be tried again: room is given back a little later.
fn again_and_again(what: &str, mut act: impl FnMut() -> Outcome) -> Outcome {
    let begin = Instant::now();
    loop {
        match act() {
            Err(_) if begin.elapsed() < HEAL_PATIENCE => std::thread::sleep(LOOK_PAUSE),
            outcome => return outcome.on(what),
        }
    }
}

/// Produces one record more, and gives its error code.
fn fill_more(broker: &mut Broker) -> Outcome<i16> {
    let record = plain::batch(0, [Bytes::from(vec![0x5a; FILLER_BYTES])])?;
    let codes = plain::produce(broker, FILLER, vec![record])?;
    codes.first().copied().ok_or_else(|| Failure::new("no partition in the answer"))
}
