//! SIGTERM under load: whoever was heard is answered, and the process ends in time and without an
//! error.
//!
//! Nothing may be stored whose client got no answer: that is how a request that was accepted and
//! then dropped would show.
use std::collections::HashMap;
use std::net::SocketAddr;
use std::thread::ScopedJoinHandle;
use std::time::{Duration, Instant};

use bytes::Bytes;

use super::copy;
use super::findings::{Findings, Sort};
use super::lanes::Lanes;
use super::ledger::Ledger;
use super::load::{Load, MANY};
use super::node::{Node, Setup, free_address};
use super::observer::Observer;
use super::random::Random;
use super::shared::Shared;
use super::site::{Ending, Report, Site};
use super::verify;
use crate::failure::{Failure, Outcome};
use crate::kafka::Broker;
use crate::publisher::{self, Published};

/// So many stops happen to one data folder, before the next one begins empty.
const STOPS_PER_FOLDER: u32 = 10;
/// The drain deadline, as it is when nobody sets it.
const DEADLINE: Duration = Duration::from_secs(10);
/// Until nobody waits any longer.
const STOP_PATIENCE: Duration = Duration::from_secs(30);
const HTTP_CLIENTS: u32 = 8;
const HTTP_TOPIC: &str = "http";

/// What the stops had in common.
#[derive(Debug, Default)]
struct Tally {
    events: u64,
    slowest: Duration,
}

/// R10.
pub(super) fn run(site: &Site) -> Outcome<Ending> {
    let mut report = Report::begin();
    let mut tally = Tally::default();
    let mut folders = 0;
    while report.cycles < site.cycles && report.findings.is_empty() {
        let scratch = site.scratch("drain")?;
        let mut random = site.random.part(folders);
        folders += 1;
        let http = Some(free_address(&mut random)?);
        let setup = Setup { http, ..Setup::new(&site.binary, scratch.path(), &mut random)? };
        let mut node = setup.start()?;
        node.ready()?;
        let lanes = Lanes::new("orders", 4, 4);
        lanes.create(setup.address)?;
        Broker::connect(setup.address)?.create_topic(HTTP_TOPIC, 1)?;
        let ledger = Ledger::create(&scratch.path().join("ledger"))?;
        let mut load = Load::new(setup.address, MANY, lanes, ledger, &random);
        let before = report.acknowledged;
        let outcome = load.during(|shared, observer| {
            for _ in 0..STOPS_PER_FOLDER.min(site.cycles - report.cycles) {
                let round = report.cycles;
                let published = stop(&mut node, &setup, round, shared, &mut random, &mut tally)?;
                shared.without_sessions(|| {
                    node = setup.start()?;
                    report.ready.add(node.ready()?);
                    compare(setup.address, shared, observer, &published)
                })?;
                report.cycles += 1;
                report.acknowledged = before + shared.ledger.records();
                report.progress("drain", site.cycles);
                if !shared.findings.is_empty() {
                    break;
                }
            }
            Ok(())
        });
        report.findings.extend(&load.shared.findings);
        if outcome.is_err() || !report.findings.is_empty() {
            println!("    drain: what there is stays in {}", scratch.keep().display());
        }
        outcome?;
    }
    report.what = format!(
        "{HTTP_CLIENTS} HTTP clients with {} events, slowest stop {:.2} s",
        tally.events,
        tally.slowest.as_secs_f64()
    );
    Ok(Ending::Ran(report))
}

/// Asks it to stop while everyone is at work, and gives what the HTTP clients saw.
fn stop(
    node: &mut Node,
    setup: &Setup,
    round: u32,
    shared: &Shared,
    random: &mut Random,
    tally: &mut Tally,
) -> Outcome<Vec<Published>> {
    let http = setup.http.ok_or_else(|| Failure::new("no gateway"))?;
    std::thread::scope(|scope| {
        let clients: Vec<_> = (0..HTTP_CLIENTS)
            .map(|client| {
                let name = format!("{round}-{client}");
                scope.spawn(move || publisher::until_closed(http, HTTP_TOPIC, &name))
            })
            .collect();
        std::thread::sleep(random.millis(100..=500));
        node.terminate()?;
        let begin = Instant::now();
        let status = node.wait(STOP_PATIENCE)?;
        let took = begin.elapsed();
        tally.slowest = tally.slowest.max(took);
        if took > DEADLINE || !status.is_some_and(|status| status.success()) {
            let words = node.last_words();
            shared.findings.add(Sort::Wrong, || {
                format!("asked to stop, after {took:?} it ended with {status:?} and said:\n{words}")
            });
        }
        let joined = clients.into_iter().map(ScopedJoinHandle::join);
        let published: Outcome<Vec<Published>> =
            joined.map(|one| one.map_err(|_| Failure::new("an HTTP client failed"))?).collect();
        let published = published?;
        tally.events += published.iter().map(|one| one.accepted.len() as u64).sum::<u64>();
        Ok(published)
    })
}

/// Holds what is there against what was answered.
fn compare(
    address: SocketAddr,
    shared: &Shared,
    observer: &Observer,
    published: &[Published],
) -> Outcome {
    let stored = verify::everything(shared, observer)?;
    let answered = shared.ledger.records();
    if stored != answered {
        shared
            .findings
            .add(Sort::Wrong, || format!("{stored} records are stored, {answered} were answered"));
    }
    let mut broker = Broker::connect(address)?;
    compare_events(&copy::values(&mut broker, (HTTP_TOPIC, 0))?, published, &shared.findings);
    Ok(())
}

fn compare_events(stored: &[Bytes], published: &[Published], findings: &Findings) {
    let mut counts: HashMap<&[u8], u32> = HashMap::new();
    for value in stored {
        *counts.entry(value).or_default() += 1;
    }
    let count = |event: &String| counts.get(event.as_bytes()).copied().unwrap_or(0);
    for one in published {
        for event in &one.accepted {
            match count(event) {
                0 => findings.add(Sort::Lost, || format!("{event} was accepted")),
                1 => {}
                n => findings.add(Sort::Twice, || format!("{event} is there {n} times")),
            }
        }
        for event in one.refused.iter().chain(&one.unanswered).filter(|event| count(event) > 0) {
            findings.add(Sort::Wrong, || format!("{event} is stored, and its client was not told"));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_are_held_against_their_answers() {
        let text = |text: &str| text.to_owned();
        let published = Published {
            accepted: vec![text("a"), text("b"), text("c")],
            refused: vec![text("d")],
            unanswered: Some(text("e")),
        };
        let stored = ["a", "b", "b", "e"].map(|text| Bytes::from(text.to_owned()));
        let findings = Findings::default();
        compare_events(&stored, &[published], &findings);
        let count = |sort| findings.count(sort);
        assert_eq!((count(Sort::Lost), count(Sort::Twice), count(Sort::Wrong)), (1, 1, 1));
    }
}
