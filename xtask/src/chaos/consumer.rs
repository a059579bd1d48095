//! kill -9 of a consumer, at a time, behind a line, or inside the n-th of its system calls: its
//! next start goes on where it had committed, and it had committed nothing that it did not print.
use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, ChildStdout, Command, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use bytes::Bytes;

use super::findings::{Findings, Sort};
use super::loop_fs::is_installed;
use super::node::Setup;
use super::random::Random;
use super::site::{Ending, Report, Site};
use crate::failure::{Failure, Outcome, While};
use crate::kafka::{Broker, check};
use crate::{offsets, plain};

const TOPIC: &str = "events";
const GROUP: &str = "chaos-router";
const PARTITIONS: [i32; 4] = [0, 1, 2, 3];
/// New events in each partition before each start.
const EVENTS: i64 = 150;
/// The longest that a consumer lives: longer than the second between two commits.
const LIFE_MS_MAX: u64 = 1_600;
/// How long reading everything to the end may take.
const END_PATIENCE: Duration = Duration::from_secs(120);
/// Where calls are that wait for the broker, tell it something, or print.
const CALLS: [(&str, usize); 6] = [
    ("connect", 8),
    ("sendto,writev,sendmsg", 60),
    ("recvfrom,readv,recvmsg", 60),
    ("write", 40),
    ("epoll_wait,epoll_pwait", 80),
    ("futex", 80),
];

/// When it is killed.
#[derive(Debug)]
enum Kill {
    After(Duration),
    /// So many lines were read, with a rest behind each.
    Behind(usize, Duration),
    /// In the n-th of these calls of a thread.
    Inside(&'static str, usize),
}

/// What was printed, and what it means.
#[derive(Debug, Default)]
struct Progress {
    /// Behind the last event that was printed, by partition.
    printed: [i64; PARTITIONS.len()],
    /// What the group had committed when the last one was killed.
    committed: [i64; PARTITIONS.len()],
    events: u64,
    again: u64,
    most_again: u64,
}

/// R7.
pub(super) fn run(site: &Site) -> Outcome<Ending> {
    let mut report = Report::begin();
    let mut random = site.random.clone();
    let scratch = site.scratch("consumer")?;
    let setup = Setup::new(&site.binary, scratch.path(), &mut random)?;
    let mut node = setup.start()?;
    node.ready()?;
    let mut broker = Broker::connect(setup.address)?;
    broker.create_topic(TOPIC, i32::try_from(PARTITIONS.len())?)?;
    let traced = is_installed("strace");
    let mut progress = Progress::default();
    let mut events = 0;
    while report.cycles < site.cycles && report.findings.is_empty() {
        publish(&mut broker, events)?;
        events += EVENTS;
        let kill = choose(&mut random, traced);
        let mut child = start(&site.binary, setup.address, &kill, &[])?;
        let lines = until_killed(&mut child, &kill)?;
        progress.take(&lines, &report.findings);
        progress.compare(&mut broker, &report.findings)?;
        report.cycles += 1;
        report.acknowledged = u64::try_from(events)? * PARTITIONS.len() as u64;
        report.progress("consumer", site.cycles);
    }
    if report.findings.is_empty() {
        to_the_end(&site.binary, setup.address, events, &mut progress, &report.findings)?;
    } else {
        println!("    consumer: what there is stays in {}", scratch.keep().display());
    }
    let Progress { events, again, most_again, .. } = progress;
    report.what = format!(
        "{events} events printed, {again} of them again, at most {most_again} after one kill{}",
        if traced { "" } else { "; not inside of calls: install strace" }
    );
    Ok(Ending::Ran(report))
}

fn choose(random: &mut Random, traced: bool) -> Kill {
    match random.below(if traced { 4 } else { 2 }) {
        0 => Kill::After(random.millis(0..=LIFE_MS_MAX)),
        1 => Kill::Behind(1 + random.below(600), random.millis(0..=2)),
        _ => {
            let (calls, most) = CALLS.get(random.below(CALLS.len())).copied().unwrap_or(("", 1));
            Kill::Inside(calls, 1 + random.below(most))
        }
    }
}

/// The last one is left alone: everything is printed at least once.
fn to_the_end(
    binary: &Path,
    address: SocketAddr,
    events: i64,
    progress: &mut Progress,
    findings: &Findings,
) -> Outcome {
    let much_later = Kill::After(END_PATIENCE);
    let mut child = start(binary, address, &much_later, &["--exit-at-end"])?;
    let lines = until_killed(&mut child, &much_later)?;
    progress.take(&lines, findings);
    for (partition, printed) in PARTITIONS.iter().zip(progress.printed) {
        if printed != events {
            findings.add(Sort::Lost, || {
                format!("partition {partition}: {events} events, {printed} were printed")
            });
        }
    }
    Ok(())
}

fn start(binary: &Path, address: SocketAddr, kill: &Kill, more: &[&str]) -> Outcome<Child> {
    let mut command = match kill {
        Kill::Inside(calls, nth) => {
            let calls: Vec<String> = calls.split(',').map(|call| format!("?{call}")).collect();
            let calls = calls.join(",");
            let mut strace = Command::new("strace");
            strace.args(["-D", "-f", "--seccomp-bpf", "-qq", "-e", "signal=none"]);
            strace.args(["-o", "/dev/null", "-e", &format!("trace={calls}")]);
            strace.args(["-e", &format!("inject={calls}:signal=KILL:when={nth}")]);
            strace.arg(binary);
            strace
        }
        _ => Command::new(binary),
    };
    command.args(["router", "start-consumer", "--topics", TOPIC, "--group", GROUP]);
    // A static member, so that the next one need not wait for the session of this one.
    command.args(["--group-instance-id", "chaos"]);
    command.args(["--brokers", &address.to_string(), "--from", "earliest"]).args(more);
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null());
    command.spawn().on("start a consumer")
}

/// Reads what it prints until it is dead; the last line may be half of one.
fn until_killed(child: &mut Child, kill: &Kill) -> Outcome<Vec<String>> {
    const LOOK_PAUSE: Duration = Duration::from_millis(1);
    let stdout = child.stdout.take().ok_or_else(|| Failure::new("no stdout"))?;
    let (after, lines_max, rest) = match kill {
        Kill::After(time) => (*time, usize::MAX, Duration::ZERO),
        Kill::Behind(lines, rest) => (Duration::from_millis(LIFE_MS_MAX), *lines, *rest),
        Kill::Inside(..) => (Duration::from_millis(LIFE_MS_MAX), usize::MAX, Duration::ZERO),
    };
    let count = AtomicUsize::new(0);
    std::thread::scope(|scope| {
        let reader = scope.spawn(|| read_lines(stdout, rest, &count));
        let begin = Instant::now();
        while child.try_wait().on("look at a consumer")?.is_none() {
            if begin.elapsed() >= after || count.load(Ordering::Relaxed) >= lines_max {
                child.kill().on("kill a consumer")?;
                child.wait().on("wait for a consumer")?;
            }
            std::thread::sleep(LOOK_PAUSE);
        }
        reader.join().map_err(|_| Failure::new("reading a consumer failed"))
    })
}

/// Whole lines; nobody rests any more when the writer is dead and the rest is in the pipe.
fn read_lines(stdout: ChildStdout, rest: Duration, count: &AtomicUsize) -> Vec<String> {
    let mut stdout = BufReader::new(stdout);
    let mut lines = Vec::new();
    loop {
        let mut line = String::new();
        let read = stdout.read_line(&mut line);
        if !read.is_ok_and(|bytes| bytes > 0) || !line.ends_with('\n') {
            return lines;
        }
        lines.push(line);
        count.fetch_add(1, Ordering::Relaxed);
        std::thread::sleep(rest);
    }
}

impl Progress {
    /// Each partition begins where the group had committed, and goes on without a gap.
    fn take(&mut self, lines: &[String], findings: &Findings) {
        let mut next = self.committed;
        let mut again = 0;
        for line in lines {
            let Some((partition, offset)) = place(line) else {
                findings.add(Sort::Damaged, || format!("printed: {line}"));
                continue;
            };
            let (Some(next), Some(printed)) =
                (next.get_mut(partition), self.printed.get_mut(partition))
            else {
                findings.add(Sort::Damaged, || format!("printed: {line}"));
                continue;
            };
            if offset != *next {
                let sort = if offset > *next { Sort::Lost } else { Sort::Twice };
                findings.add(sort, || format!("partition {partition}: {offset} follows {next}"));
            }
            self.events += 1;
            again += u64::from(offset < *printed);
            *next = offset + 1;
            *printed = (*printed).max(offset + 1);
        }
        self.again += again;
        self.most_again = self.most_again.max(again);
    }

    /// Nothing is committed that was not printed.
    fn compare(&mut self, broker: &mut Broker, findings: &Findings) -> Outcome {
        let now = offsets::committed(broker, GROUP, TOPIC, &PARTITIONS)?;
        for ((partition, committed), (now, printed)) in
            self.committed.iter_mut().enumerate().zip(now.into_iter().zip(self.printed))
        {
            let now = now.max(0);
            if now > printed {
                findings.add(Sort::Lost, || {
                    format!("partition {partition}: {now} was committed, {printed} were printed")
                });
            }
            if now < *committed {
                findings.add(Sort::Wrong, || {
                    format!("partition {partition}: the commit went back to {now}")
                });
            }
            *committed = now;
        }
        Ok(())
    }
}

/// The partition and the offset of a printed event, when its payload says the same.
fn place(line: &str) -> Option<(usize, i64)> {
    let number = |name: &str| {
        let (_, rest) = line.split_once(name)?;
        rest.split([',', '}']).next()
    };
    let (partition, offset) = (number("\"partition\":")?, number("\"offset\":")?);
    let payload = format!("\"payload\":\"{partition}/{offset}\"");
    line.contains(&payload).then_some((partition.parse().ok()?, offset.parse().ok()?))
}

/// Puts the next events into each partition; each says its partition and its offset.
fn publish(broker: &mut Broker, first: i64) -> Outcome {
    let events = |index: &i32| {
        let index = *index;
        let event = |offset| Bytes::from(format!("{index}/{offset}"));
        plain::batch(index, (first..first + EVENTS).map(event))
    };
    let batches = PARTITIONS.iter().map(events).collect::<Outcome<Vec<_>>>()?;
    check(plain::produce(broker, TOPIC, batches)?, "publish events")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(partition: i32, offset: i64) -> String {
        format!(
            "{{\"topic\":\"events\",\"partition\":{partition},\"offset\":{offset},\"key\":null,\
             \"payload\":\"{partition}/{offset}\"}}\n"
        )
    }

    #[test]
    fn a_line_says_where_its_event_is() {
        assert_eq!(place(&line(2, 17)), Some((2, 17)));
        assert_eq!(place(&line(2, 17).replace("2/17", "2/18")), None);
    }

    #[test]
    fn events_again_are_counted_and_a_gap_is_found() {
        let findings = Findings::default();
        let mut progress = Progress::default();
        progress.take(&[line(0, 0), line(0, 1), line(1, 0)], &findings);
        progress.committed[0] = 1;
        progress.take(&[line(1, 0), line(0, 1), line(0, 2)], &findings);
        assert!(findings.is_empty());
        assert_eq!((progress.events, progress.again, progress.printed[0]), (6, 2, 3));
        progress.take(&[line(0, 2)], &findings);
        assert_eq!(findings.count(Sort::Lost), 1);
    }
}
