//! What is measured.
use std::cell::{Cell, RefCell};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use super::crowd::Crowd;
use super::disk;
use super::franz_go;
use super::http;
use super::kafka::{self, Shape};
use super::load::Load;
use super::process;
use super::report::Row;
use super::target::Target;
use crate::appliance::Appliance;
use crate::failure::{Failure, Outcome};
use crate::latency::Latencies;

/// One case; it may give a row for each target.
#[derive(Debug)]
pub(super) struct Case {
    pub(super) name: &'static str,
    pub(super) what: &'static str,
    pub(super) run: fn(&Place) -> Outcome<Vec<Row>>,
}

/// Where and how long to measure.
#[derive(Debug)]
pub(super) struct Place {
    pub(super) binary: PathBuf,
    pub(super) folder: PathBuf,
    pub(super) how_long: Duration,
    /// Whether Kafka is measured beside the appliance.
    pub(super) kafka: bool,
}

pub(super) const CASES: [Case; 16] = [
    Case { name: "disk", what: "4 KiB pwrite + fdatasync, one after the other", run: only_disk },
    Case { name: "idle", what: "ready after, and memory with nothing to do", run: idle },
    Case { name: "ack", what: "one producer, one 1 KiB record a request", run: ack },
    Case {
        name: "spread",
        what: "one producer, each request with 4 KiB for each of 1, 32, 128 or 512 partitions",
        run: spread,
    },
    Case {
        name: "steady",
        what: "20,000 records/s of 1 KiB on 4 connections, 20 a batch, from when they were due",
        run: steady,
    },
    Case { name: "restart", what: "kill -9 and start with 10 GiB stored", run: restart },
    Case { name: "produce-1", what: "4 connections, 64 x 1 KiB a batch", run: |p| flood(p, 1, 64) },
    Case { name: "produce-32", what: "4 connections, 4 x 1 KiB a batch", run: |p| flood(p, 32, 4) },
    Case {
        name: "produce-128",
        what: "4 connections, 4 x 1 KiB a batch",
        run: |p| flood(p, 128, 4),
    },
    Case { name: "consume", what: "1 KiB records from the page cache", run: consume },
    Case {
        name: "franz-4",
        what: "franz-go, 4 partitions, 1 KiB records, acks=all, idempotent",
        run: |place| franz_go(place, "produce", 4),
    },
    Case {
        name: "franz-128",
        what: "franz-go, 128 partitions, 1 KiB records, acks=all, idempotent",
        run: |place| franz_go(place, "produce", 128),
    },
    Case {
        name: "franz-consume",
        what: "franz-go, 4 partitions, 1 KiB records from the page cache",
        run: |place| franz_go(place, "consume", 4),
    },
    Case {
        name: "crowd",
        what: "2,000 records/s to 5,000 partitions, read by 200 groups and 800 readers",
        run: crowd,
    },
    Case { name: "publish", what: "64 connections, one 1 KiB event a request", run: publish },
    Case { name: "proxy", what: "64 connections, 200 bytes of JSON", run: proxy },
];

const VALUE_BYTES: usize = 1024;
const HTTP_CONNECTIONS: usize = 64;
const WARM_UP: Duration = Duration::from_secs(1);
const DISK_PROBE: Duration = Duration::from_millis(500);
/// Stored before it is killed.
const STORED_BYTES: u64 = 10 << 30;
/// How often it is killed and started again.
const RESTARTS: usize = 5;
/// How often the appliance is started to see when it is ready.
const STARTS: usize = 20;
/// Long enough for everything that follows a start to be over.
const IDLE_TIME: Duration = Duration::from_secs(2);

fn only_disk(place: &Place) -> Outcome<Vec<Row>> {
    let cpu_before = process::cpu_seconds(std::process::id())?;
    let mut latencies = disk::fdatasync(&place.folder, place.how_long)?;
    let cpu_seconds = process::cpu_seconds(std::process::id())? - cpu_before;
    let operations = latencies.count();
    let load = Load { operations, elapsed: place.how_long, ..Load::default() };
    let mut row = Row {
        case: "fdatasync".to_owned(),
        target: "disk".to_owned(),
        cpu_us: Some(cpu_seconds * 1e6 / operations.max(1) as f64),
        cpu_seconds: Some(cpu_seconds),
        ..Row::default()
    };
    add_rates(&mut row, &load);
    add_latencies(&mut row, &mut latencies);
    Ok(vec![row])
}

fn idle(place: &Place) -> Outcome<Vec<Row>> {
    let mut ready = Latencies::default();
    for _ in 0..STARTS {
        let target = Target::appliance(&place.binary, &place.folder, &[])?;
        let seconds = target.ready_ms.unwrap_or_default() / 1e3;
        ready.add(Duration::try_from_secs_f64(seconds)?);
    }
    let target = Target::appliance(&place.binary, &place.folder, &[])?;
    let ((), resident) = process::watch_memory(target.pid, || std::thread::sleep(IDLE_TIME));
    let name = target.name.to_owned();
    let mut start =
        Row { case: "start to ready".to_owned(), target: name.clone(), ..Row::default() };
    add_latencies(&mut start, &mut ready);
    let resident_mb = Some(megabytes(resident));
    Ok(vec![start, Row { case: "idle".to_owned(), target: name, resident_mb, ..Row::default() }])
}

fn ack(place: &Place) -> Outcome<Vec<Row>> {
    let shape = Shape {
        partitions: 1,
        records_per_batch: 1,
        value_bytes: VALUE_BYTES,
        connections: 1,
        in_flight: 1,
        every: None,
    };
    on_each(place, "ack, one producer", &|target, how_long| {
        kafka::produce(target.kafka, "bench-ack", shape, how_long)
    })
}

fn spread(place: &Place) -> Outcome<Vec<Row>> {
    let mut rows = Vec::new();
    for partitions in [1, 32, 128, 512] {
        let shape = Shape {
            partitions,
            records_per_batch: 4,
            value_bytes: VALUE_BYTES,
            connections: 1,
            in_flight: 1,
            every: None,
        };
        let case = format!("ack, one request, {partitions} x 4 KiB");
        rows.extend(on_each(place, &case, &|target, how_long| {
            kafka::produce(target.kafka, &format!("bench-spread-{partitions}"), shape, how_long)
        })?);
    }
    Ok(rows)
}

fn steady(place: &Place) -> Outcome<Vec<Row>> {
    let shape = Shape {
        partitions: 1,
        records_per_batch: 20,
        value_bytes: VALUE_BYTES,
        connections: 4,
        in_flight: 1,
        every: Some(Duration::from_millis(4)),
    };
    on_each(place, "ack, 20,000 records/s", &|target, how_long| {
        kafka::produce(target.kafka, "bench-steady", shape, how_long)
    })
}

fn restart(place: &Place) -> Outcome<Vec<Row>> {
    let shape = Shape {
        partitions: 32,
        records_per_batch: 64,
        value_bytes: VALUE_BYTES,
        connections: 4,
        in_flight: 2,
        every: None,
    };
    let mut appliance = Appliance::start(&place.binary, &place.folder, &[])?;
    let mut stored = 0;
    let mut ready = Latencies::default();
    while stored < STORED_BYTES {
        stored += kafka::produce(appliance.kafka()?, "bench-stored", shape, WARM_UP)?.bytes;
    }
    for _ in 0..RESTARTS {
        kafka::produce(appliance.kafka()?, "bench-stored", shape, WARM_UP)?;
        appliance = appliance.crash(&place.binary)?;
        ready.add(appliance.ready_after);
    }
    let mut row = Row {
        case: format!("kill -9 to ready, {} GiB stored", stored >> 30),
        target: "pagi".to_owned(),
        resident_mb: Some(megabytes(process::resident_kib(appliance.pid())?)),
        ..Row::default()
    };
    add_latencies(&mut row, &mut ready);
    Ok(vec![row])
}

fn flood(place: &Place, partitions: i32, records_per_batch: i32) -> Outcome<Vec<Row>> {
    let shape = Shape {
        partitions,
        records_per_batch,
        value_bytes: VALUE_BYTES,
        connections: 4,
        in_flight: 2,
        every: None,
    };
    let plural = if partitions == 1 { "" } else { "s" };
    on_each(place, &format!("produce, {partitions} partition{plural}"), &|target, how_long| {
        kafka::produce(target.kafka, &format!("bench-{partitions}"), shape, how_long)
    })
}

fn consume(place: &Place) -> Outcome<Vec<Row>> {
    let shape = Shape {
        partitions: 1,
        records_per_batch: 64,
        value_bytes: VALUE_BYTES,
        connections: 1,
        in_flight: 2,
        every: None,
    };
    let mut rows = Vec::new();
    for target in targets(place) {
        let target = target(place)?;
        kafka::produce(target.kafka, "bench-consume", shape, Duration::from_secs(2))?;
        rows.push(measured(place, &target, "consume", &|target, how_long| {
            kafka::consume(target.kafka, "bench-consume", VALUE_BYTES, how_long)
        })?);
    }
    Ok(rows)
}

fn franz_go(place: &Place, what: &str, partitions: i32) -> Outcome<Vec<Row>> {
    let Some(binary) = franz_go::build()? else { return Ok(Vec::new()) };
    let mut rows = Vec::new();
    for target in targets(place) {
        let target = target(place)?;
        if what == "consume" {
            franz_go::run(&binary, "produce", &target, partitions, Duration::from_secs(3))?;
        }
        let case = format!("franz-go {what}, {partitions} partitions");
        let latencies = Cell::default();
        let mut row = measured(place, &target, &case, &|target, how_long| {
            let (load, p50_ms, p99_ms) =
                franz_go::run(&binary, what, target, partitions, how_long)?;
            latencies.set((p50_ms, p99_ms));
            Ok(load)
        })?;
        (row.p50_ms, row.p99_ms) = latencies.get();
        rows.push(row);
    }
    Ok(rows)
}

fn crowd(place: &Place) -> Outcome<Vec<Row>> {
    let Some(binary) = franz_go::build()? else { return Ok(Vec::new()) };
    let mut rows = Vec::new();
    for target in targets(place) {
        let target = target(place)?;
        let crowd = RefCell::new(Crowd::start(&binary, &target)?);
        let case = format!("crowd, {} connections", crowd.borrow().connections);
        let latencies = Cell::default();
        let mut row = measured(place, &target, &case, &|_, how_long| {
            let (load, p50_ms, p99_ms) = crowd.borrow_mut().round(how_long)?;
            latencies.set((p50_ms, p99_ms));
            Ok(load)
        })?;
        (row.p50_ms, row.p99_ms) = latencies.get();
        rows.push(row);
    }
    Ok(rows)
}

fn publish(place: &Place) -> Outcome<Vec<Row>> {
    let target = Target::appliance(&place.binary, &place.folder, &[])?;
    let row = measured(place, &target, "publish over HTTP", &|target, how_long| {
        let gateway = gateway(target)?;
        let request = |number| http::publish(gateway, "bench-publish", VALUE_BYTES, number);
        http::closed_loop(gateway, HTTP_CONNECTIONS, how_long, "201", request)
    })?;
    Ok(vec![row])
}

fn proxy(place: &Place) -> Outcome<Vec<Row>> {
    let upstream = format!("http://{}", http::upstream()?);
    let target = Target::appliance(&place.binary, &place.folder, &["--identity-url", &upstream])?;
    let row = measured(place, &target, "proxy", &|target, how_long| {
        let gateway = gateway(target)?;
        let request = |number| http::twin_status(gateway, number);
        http::closed_loop(gateway, HTTP_CONNECTIONS, how_long, "200", request)
    })?;
    Ok(vec![row])
}

fn gateway(target: &Target) -> Outcome<SocketAddr> {
    target.gateway.ok_or_else(|| Failure::new("it did not say where the gateway is"))
}

/// Puts a load on a target for so long.
type PutLoad<'a> = &'a dyn Fn(&Target, Duration) -> Outcome<Load>;

type Start = fn(&Place) -> Outcome<Target>;

fn targets(place: &Place) -> Vec<Start> {
    let mut targets: Vec<Start> =
        vec![|place| Target::appliance(&place.binary, &place.folder, &[])];
    if place.kafka {
        targets.push(|place| Target::kafka(&place.folder, false));
        targets.push(|place| Target::kafka(&place.folder, true));
    }
    targets
}

fn on_each(place: &Place, case: &str, load: PutLoad<'_>) -> Outcome<Vec<Row>> {
    targets(place).iter().map(|start| measured(place, &start(place)?, case, load)).collect()
}

/// Runs `load` and measures the target meanwhile, the disk before and after. What a process does for
/// the first time, compiling itself for example, is not measured.
fn measured(place: &Place, target: &Target, case: &str, load: PutLoad<'_>) -> Outcome<Row> {
    load(target, WARM_UP)?;
    let mut disk = disk::fdatasync(&place.folder, DISK_PROBE)?;
    let cpu_before = process::cpu_seconds(target.pid)?;
    let written_before = disk::written_bytes(&place.folder)?;
    let (load, resident) = process::watch_memory(target.pid, || load(target, place.how_long));
    let mut load = load?;
    let cpu_seconds = process::cpu_seconds(target.pid)? - cpu_before;
    let written = disk::written_bytes(&place.folder)? - written_before;
    disk.append(disk::fdatasync(&place.folder, DISK_PROBE)?);
    let mut row = Row {
        case: case.to_owned(),
        target: target.name.to_owned(),
        cpu_us: Some(cpu_seconds * 1e6 / load.operations.max(1) as f64),
        cpu_seconds: Some(cpu_seconds),
        resident_mb: Some(megabytes(resident)),
        written_per_byte: (load.bytes > 0 && written > load.bytes / 2)
            .then(|| written as f64 / load.bytes.max(1) as f64),
        disk_p50_ms: disk.permille_ms(500),
        disk_p99_ms: disk.permille_ms(990),
        ..Row::default()
    };
    add_rates(&mut row, &load);
    add_latencies(&mut row, &mut load.latencies);
    Ok(row)
}

fn add_rates(row: &mut Row, load: &Load) {
    let seconds = load.elapsed.as_secs_f64();
    row.per_second = Some(load.operations as f64 / seconds);
    row.megabytes_per_second =
        Some(load.bytes as f64 / seconds / 1e6).filter(|megabytes| *megabytes > 0.0);
}

fn add_latencies(row: &mut Row, latencies: &mut Latencies) {
    row.p50_ms = latencies.permille_ms(500);
    row.p99_ms = latencies.permille_ms(990);
    row.p999_ms = latencies.permille_ms(999);
}

fn megabytes(kib: u64) -> f64 {
    kib as f64 * 1024.0 / 1e6
}
