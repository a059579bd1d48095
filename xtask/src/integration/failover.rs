//! A broker of a cluster dies while events are published and consumed.
//!
//! Nothing that was acknowledged is lost, and once the partitions have new leaders, publishing and
//! consuming go on within [`FOLLOW_MAX`].
use std::collections::{BTreeMap, HashMap};
use std::net::SocketAddr;
use std::path::Path;
use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use serde::Deserialize;

use super::cluster::Cluster;
use crate::appliance::Appliance;
use crate::failure::{Failure, Outcome};
use crate::member::{Member, Place, until};
use crate::{project, publisher};

const TOPIC: &str = "failover";
const PARTITIONS: i32 = 6;
/// Each with a key of its own; there are enough of them for every partition to have one.
const PUBLISHERS: usize = 24;
const PAUSE: Duration = Duration::from_millis(20);
/// How soon publishing and consuming have to go on in each partition.
const FOLLOW_MAX: Duration = Duration::from_secs(5);

/// An event that was acknowledged.
#[derive(Debug, Clone)]
struct Acknowledged {
    place: Place,
    payload: String,
    at: Instant,
}

/// Kills a broker under load, and tells what was seen.
pub(super) fn run(cluster: &Cluster, binary: &Path) -> Outcome<String> {
    let brokers = cluster.brokers(None);
    let partitions = PARTITIONS.to_string();
    let create = ["topics", "create", TOPIC, "--replicas", "3", "--partitions", &partitions];
    project::output(Command::new(binary).args(create).args(["--brokers", &brokers]))?;
    let gateway = Appliance::start(binary, &project::target(), &["--brokers", &brokers])?;
    let address = gateway.addresses.gateway.ok_or_else(|| Failure::new("no gateway"))?;
    let mut consume = Command::new(binary);
    consume.args(["router", "start-consumer", "--topics", TOPIC, "--group", TOPIC]);
    let consumer = Member::start("the router", consume.args(["--brokers", &brokers]))?;

    let acknowledged = Mutex::new(Vec::new());
    let stop = AtomicBool::new(false);
    let (stop, acknowledged_now) = (&stop, &acknowledged);
    let (told, refused) = thread::scope(|scope| {
        let publishers: Vec<_> = (0..PUBLISHERS)
            .map(|number| scope.spawn(move || publish(address, number, stop, acknowledged_now)))
            .collect();
        let told = fail_over(cluster, binary, &consumer, acknowledged_now);
        stop.store(true, Ordering::Relaxed);
        let mut refused = 0;
        for publisher in publishers {
            refused += publisher.join().map_err(|_| Failure::new("a publisher broke"))??;
        }
        Ok::<_, Failure>((told?, refused))
    })?;

    let acknowledged = acknowledged.into_inner().unwrap_or_else(PoisonError::into_inner);
    let missing = || {
        let seen = consumer.seen();
        let mut counts: BTreeMap<Place, usize> = BTreeMap::new();
        seen.into_iter().for_each(|place| *counts.entry(place).or_default() += 1);
        acknowledged.iter().filter(|one| !counts.contains_key(&one.place)).count()
    };
    until("the router to handle everything", || missing() == 0)?;
    consumer.terminate()?;
    let stored = read_all(binary, &cluster.brokers(None))?;
    let lost =
        acknowledged.iter().filter(|one| stored.get(&one.place) != Some(&one.payload)).count();
    let told = format!(
        "{} events acknowledged, {refused} refused, {lost} lost; {told}",
        acknowledged.len()
    );
    if lost > 0 { Err(Failure::new(told)) } else { Ok(told) }
}

/// Publishes one event after the other; how many were not acknowledged.
fn publish(
    address: SocketAddr,
    number: usize,
    stop: &AtomicBool,
    acknowledged: &Mutex<Vec<Acknowledged>>,
) -> Outcome<usize> {
    let query = format!("topic={TOPIC}&key=twin-{number}");
    let mut refused = 0;
    for event in 0_u64.. {
        if stop.load(Ordering::Relaxed) {
            break;
        }
        let payload = format!("{{\"event\":\"{number}-{event}\"}}");
        let answer = publisher::once(address, &query, &payload)?;
        match answer.status {
            201 => {
                let place = serde_json::from_str(&answer.body)?;
                let one = Acknowledged { place, payload, at: Instant::now() };
                acknowledged.lock().unwrap_or_else(PoisonError::into_inner).push(one);
            }
            503 | 504 => refused += 1,
            status => return Err(Failure::new(format!("answered {status}: {}", answer.body))),
        }
        thread::sleep(PAUSE);
    }
    Ok(refused)
}

fn fail_over(
    cluster: &Cluster,
    binary: &Path,
    consumer: &Member,
    acknowledged: &Mutex<Vec<Acknowledged>>,
) -> Outcome<String> {
    let all: Vec<i32> = (0..PARTITIONS).collect();
    consumer.reads(&all)?;
    let before = leaders(binary, &cluster.brokers(None))?;
    let victim = before.first().copied().ok_or_else(|| Failure::new("no partitions"))?;
    let survivors = cluster.brokers(Some(victim));
    let killed = Instant::now();
    cluster.kill(victim)?;
    until("other leaders", || {
        leaders(binary, &survivors).is_ok_and(|leaders| !leaders.contains(&victim))
    })?;
    let moved = Instant::now();
    let first = |partition: i32| {
        let acknowledged = acknowledged.lock().unwrap_or_else(PoisonError::into_inner);
        let mut new = acknowledged.iter().filter(|one| one.at > moved);
        new.find(|one| one.place.partition == partition).map(|one| (one.at, one.place))
    };
    let mut published: HashMap<i32, (Instant, Place)> = HashMap::new();
    until("publishing to go on in every partition", || {
        published.extend(all.iter().filter_map(|partition| Some((*partition, first(*partition)?))));
        published.len() == all.len()
    })?;
    let consumed = |seen: &[Place]| published.values().all(|(_, place)| seen.contains(place));
    until("consuming to go on in every partition", || consumed(&consumer.seen()))?;
    let consuming = moved.elapsed();
    let publishing = published.values().map(|(at, _)| at.duration_since(moved)).max();
    let publishing = publishing.unwrap_or_default();
    let told = format!(
        "leaders moved {:.1} s after the kill of node {victim}, publishing went on everywhere {:.2} s \
         and consuming {:.2} s later",
        moved.duration_since(killed).as_secs_f64(),
        publishing.as_secs_f64(),
        consuming.as_secs_f64()
    );
    if publishing.max(consuming) > FOLLOW_MAX { Err(Failure::new(told)) } else { Ok(told) }
}

/// The leader of each partition, as these brokers tell.
fn leaders(binary: &Path, brokers: &str) -> Outcome<Vec<usize>> {
    #[derive(Deserialize)]
    struct Described {
        partitions: Vec<Partition>,
    }
    #[derive(Deserialize)]
    struct Partition {
        leader: Option<usize>,
    }
    let mut describe = Command::new(binary);
    describe.args(["topics", "describe", TOPIC, "--output", "json", "--brokers", brokers]);
    let described: Described = serde_json::from_str(&project::output(&mut describe)?)?;
    let leaders: Option<Vec<usize>> = described.partitions.iter().map(|p| p.leader).collect();
    leaders.ok_or_else(|| Failure::new("a partition has no leader"))
}

/// What is stored, by place.
fn read_all(binary: &Path, brokers: &str) -> Outcome<HashMap<Place, String>> {
    #[derive(Deserialize)]
    struct Line {
        payload: String,
        #[serde(flatten)]
        place: Place,
    }
    let mut read = Command::new(binary);
    read.args(["router", "start-consumer", "--topics", TOPIC, "--group", "failover-reads-all"]);
    let printed = project::output(read.args(["--exit-at-end", "--brokers", brokers]))?;
    let lines = printed.lines().map(serde_json::from_str::<Line>);
    Ok(lines.map(|line| line.map(|line| (line.place, line.payload))).collect::<Result<_, _>>()?)
}
