//! Many clients that mostly wait: consumer groups, and readers that are in none.
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::time::Duration;

use serde::Deserialize;

use super::franz_go::{self, Loaded};
use super::target::Target;
use crate::failure::{Failure, Outcome, While};

const TOPICS: u32 = 50;
const PARTITIONS_PER_TOPIC: u32 = 100;
const GROUPS: u32 = 200;
const READERS: u32 = 800;

/// All of them, in a process that ends with this value.
#[derive(Debug)]
pub(super) struct Crowd {
    child: Child,
    orders: ChildStdin,
    told: BufReader<ChildStdout>,
    /// Connections to the broker, when all are there.
    pub(super) connections: u64,
}

#[derive(Deserialize)]
struct Greeting {
    connections: u64,
}

impl Crowd {
    /// Starts them, and waits until all are there.
    pub(super) fn start(load: &Path, target: &Target) -> Outcome<Self> {
        let mut command = Command::new(load);
        command.args(["crowd", "--topic", "bench-crowd", "--record-bytes", "1024"]);
        command.args(["--bootstrap", &target.kafka.to_string()]);
        command.args(["--topics", &TOPICS.to_string(), "--groups", &GROUPS.to_string()]);
        command.args(["--partitions", &PARTITIONS_PER_TOPIC.to_string()]);
        command.args(["--clients", &READERS.to_string()]);
        let child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn();
        let mut child = child.on("start the crowd")?;
        let pipes = child.stdin.take().zip(child.stdout.take());
        let (orders, told) = pipes.ok_or_else(|| Failure::new("the crowd has no pipes"))?;
        let mut crowd = Self { child, orders, told: BufReader::new(told), connections: 0 };
        let line = crowd.line()?;
        let greeting: Greeting = serde_json::from_str(&line)
            .map_err(|error| Failure::new(format!("the crowd said {line:?}: {error}")))?;
        crowd.connections = greeting.connections;
        Ok(crowd)
    }

    /// Produces for so long; operations are records received, by all clients together.
    pub(super) fn round(&mut self, how_long: Duration) -> Outcome<Loaded> {
        writeln!(self.orders, "{}", how_long.as_secs_f64()).on("speak to the crowd")?;
        let line = self.line()?;
        franz_go::loaded(&line, how_long)
    }

    fn line(&mut self) -> Outcome<String> {
        let mut line = String::new();
        match self.told.read_line(&mut line).on("listen to the crowd")? {
            0 => Err(Failure::new("the crowd ended; what it said stands above")),
            _ => Ok(line),
        }
    }
}

impl Drop for Crowd {
    fn drop(&mut self) {
        // It may have ended by itself, in good order or not.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
