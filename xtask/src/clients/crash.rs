//! `cargo xtask clients --crash`: real clients that stay connected while the broker is killed and
//! started again, on the same folder and port.
//!
//! Idempotent producers must lose nothing, repeat nothing and meet no fatal error; two members of
//! a group must take over from each other without skipping a record, while Kafka's own tool tells
//! the right lag. All of them work at the same time.
use std::fs::{self, File};
use std::io::{BufRead, BufReader, Read};
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use serde::Deserialize;

use super::go::GO;
use super::java::JAVA;
use super::python::PYTHON;
use super::toolkit::Toolkit;
use crate::failure::{Failure, Outcome, While};
use crate::{kafka, project};

const PARTITIONS: u16 = 4;
/// Between two kills: long enough for clients to be back at work, even on a busy machine.
const WORK: Duration = Duration::from_millis(3000);
/// The kills come at different moments of the clients' rounds.
const WORK_STEP: Duration = Duration::from_millis(370);
/// How long the clients may take to end: they wait for their last answers for a minute.
const END_PATIENCE: Duration = Duration::from_secs(180);
const LOOK_PAUSE: Duration = Duration::from_millis(50);

/// An idempotent producer in its own language.
struct Producer {
    name: &'static str,
    toolkit: &'static Toolkit,
    program: &'static str,
    before: &'static [&'static str],
}

const PRODUCERS: [Producer; 3] = [
    Producer { name: "java", toolkit: &JAVA, program: "4.3:Endure", before: &[] },
    Producer {
        name: "librdkafka",
        toolkit: &PYTHON,
        program: "endure_confluent_kafka.py",
        before: &[],
    },
    Producer { name: "franz-go", toolkit: &GO, program: "endure", before: &["produce"] },
];

/// What a producer's program says in the end.
#[derive(Debug, Deserialize)]
struct Produced {
    client: String,
    acknowledged: Vec<u64>,
    errors: Vec<String>,
}

/// What the group members' program says in the end.
#[derive(Debug, Deserialize)]
struct TakenOver {
    records: u64,
    /// Consumed more than once.
    again: u64,
    take_overs: u64,
    assignments: u64,
    refused_commits: u64,
    /// How often the lag was told, and how often there was no answer.
    described: u64,
    undescribed: u64,
    wrong: Vec<String>,
}

/// Kills the broker so many times under all of them, and fails if anything was lost.
pub(super) fn run(binary: &Path, kills: u32) -> Outcome {
    for toolkit in [&JAVA, &PYTHON, &GO] {
        if let Some(command) = toolkit.missing() {
            println!("SKIPPED: there is no {command} on this machine");
            return Ok(());
        }
        toolkit.prepare()?;
    }
    let folder = tempfile::tempdir().on("make a folder for the data")?;
    let site = Site {
        binary: binary.to_path_buf(),
        data: folder.path().join("data"),
        address: free_address()?,
    };
    let broker = site.start()?;
    let mut clients = Vec::new();
    for producer in &PRODUCERS {
        let topic = site.topic(producer.name)?;
        let mut command = (producer.toolkit.command)(&producer.toolkit.places(), producer.program);
        command.args(producer.before).args([site.address.to_string(), topic]);
        clients.push(Client::start(producer.name, command.arg(PARTITIONS.to_string()))?);
    }
    let topic = site.topic("take-over")?;
    let mut command = (JAVA.command)(&JAVA.places(), "tools:tools.TakeOver");
    command.args([&site.address.to_string(), &topic, "take-over", &PARTITIONS.to_string()]);
    let members = Client::start("take-over", &mut command)?;
    let broker = site.crash(broker, kills)?;
    let mut wrong = Vec::new();
    for (producer, client) in PRODUCERS.iter().zip(clients) {
        let outcome = client.end().and_then(|said| site.check(producer.name, &said, kills));
        wrong.extend(outcome.err().map(|failure| format!("{}: {failure}", producer.name)));
    }
    let outcome = members.end().and_then(|said| taken_over(&said, kills));
    wrong.extend(outcome.err().map(|failure| format!("take-over: {failure}")));
    drop(broker);
    if wrong.is_empty() { Ok(()) } else { Err(Failure::new(wrong.join("\n"))) }
}

fn taken_over(said: &str, kills: u32) -> Outcome {
    let end: TakenOver = serde_json::from_str(said).on(format_args!("understand {said:?}"))?;
    println!(
        "crash take-over: {} records through {kills} kills and {} take-overs, {} of them consumed \
         again, {} assignments, {} commits refused; the lag was told {} times, {} times there was \
         no answer; {} wrong",
        end.records,
        end.take_overs,
        end.again,
        end.assignments,
        end.refused_commits,
        end.described,
        end.undescribed,
        end.wrong.len(),
    );
    if !end.wrong.is_empty() {
        return Err(Failure::new(end.wrong.join("\n")));
    }
    if end.records == 0 || end.described == 0 || end.take_overs == 0 {
        return Err(Failure::new("too little was done to tell anything"));
    }
    Ok(())
}

/// Where the broker lives.
struct Site {
    binary: PathBuf,
    data: PathBuf,
    address: SocketAddr,
}

/// A running broker; it is killed when this value goes.
struct Broker {
    child: Child,
    /// Kept open, so that writing to it goes on working.
    _stdout: BufReader<ChildStdout>,
}

impl Site {
    /// Returns when the broker says that it is ready.
    fn start(&self) -> Outcome<Broker> {
        let mut command = Command::new(&self.binary);
        command.args(["broker", "--admin-listen", "127.0.0.1:0", "--kafka-listen"]);
        command.arg(self.address.to_string()).arg("--data-dir").arg(&self.data);
        command.stdin(Stdio::null()).stdout(Stdio::piped());
        command.stderr(log("crash-broker", true)?);
        let mut child = command.spawn().on(format!("start {}", self.binary.display()))?;
        let stdout = child.stdout.take().ok_or_else(|| Failure::new("no stdout"))?;
        let mut broker = Broker { child, _stdout: BufReader::new(stdout) };
        let mut line = String::new();
        broker._stdout.read_line(&mut line).on("read what the broker says")?;
        if line.is_empty() {
            return Err(Failure::new("the broker did not start; see crash-broker.log"));
        }
        Ok(broker)
    }

    /// Kills and starts it so many times, and leaves the clients some time after the last.
    fn crash(&self, mut broker: Broker, kills: u32) -> Outcome<Broker> {
        for number in 0..kills {
            thread::sleep(WORK + WORK_STEP * (number % 5));
            drop(broker);
            let begin = Instant::now();
            broker = self.start()?;
            println!("kill {}: back after {} ms", number + 1, begin.elapsed().as_millis());
        }
        thread::sleep(WORK);
        Ok(broker)
    }

    fn topic(&self, name: &str) -> Outcome<String> {
        let topic = format!("crash-{name}");
        kafka::Broker::connect(self.address)?.create_topic(&topic, PARTITIONS.into())?;
        Ok(topic)
    }

    /// Holds what a producer was told against what is stored.
    fn check(&self, name: &str, said: &str, kills: u32) -> Outcome {
        let end: Produced = serde_json::from_str(said).on(format_args!("understand {said:?}"))?;
        let records: u64 = end.acknowledged.iter().sum();
        println!(
            "crash {name}: {}: {records} records acknowledged through {kills} kills, {} errors",
            end.client,
            end.errors.len(),
        );
        if !end.errors.is_empty() {
            return Err(Failure::new(
                end.errors.into_iter().take(10).collect::<Vec<_>>().join("\n"),
            ));
        }
        let counts: Vec<String> = end.acknowledged.iter().map(u64::to_string).collect();
        let mut check = (GO.command)(&GO.places(), "endure");
        check.args(["check", &self.address.to_string(), &format!("crash-{name}")]);
        project::output(check.arg(counts.join(",")))?;
        if records == 0 {
            return Err(Failure::new("it produced nothing"));
        }
        Ok(())
    }
}

impl Drop for Broker {
    fn drop(&mut self) {
        // SIGKILL; it may have ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A client's program at work; it is killed when this value goes.
struct Client {
    name: &'static str,
    child: Child,
}

impl Client {
    fn start(name: &'static str, command: &mut Command) -> Outcome<Self> {
        command.stdin(Stdio::piped()).stdout(Stdio::piped());
        command.stderr(log(&format!("crash-{name}"), false)?);
        Ok(Self { name, child: command.spawn().on(format_args!("start {name}"))? })
    }

    /// Lets it end, and gives what it said.
    fn end(mut self) -> Outcome<String> {
        drop(self.child.stdin.take());
        let begin = Instant::now();
        while self.child.try_wait().on("wait for a client")?.is_none() {
            if begin.elapsed() > END_PATIENCE {
                return Err(Failure::new("it did not end"));
            }
            thread::sleep(LOOK_PAUSE);
        }
        let mut said = String::new();
        if let Some(mut stdout) = self.child.stdout.take() {
            stdout.read_to_string(&mut said).on("read what a client says")?;
        }
        if said.is_empty() {
            let name = self.name;
            return Err(Failure::new(format!(
                "it broke; see target/clients/logs/crash-{name}.log"
            )));
        }
        Ok(said)
    }
}

impl Drop for Client {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn log(name: &str, goes_on: bool) -> Outcome<File> {
    let folder = project::target().join("clients/logs");
    fs::create_dir_all(&folder).on("make a folder for logs")?;
    let path = folder.join(format!("{name}.log"));
    let mut options = File::options();
    options.create(true).write(true).append(goes_on).truncate(!goes_on);
    options.open(&path).on(format_args!("write {}", path.display()))
}

/// Below the ports that the system gives out by itself: it stays free while the broker is away.
fn free_address() -> Outcome<SocketAddr> {
    let mut addresses = (20_100..30_000).map(|port| SocketAddr::from((Ipv4Addr::LOCALHOST, port)));
    let found = addresses.find(|address| TcpListener::bind(address).is_ok());
    found.ok_or_else(|| Failure::new("no port is free for the broker"))
}
