//! The appliance as these commands start it: on ports of its own, with data that is thrown away.
use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use tempfile::TempDir;

use crate::failure::{Failure, Outcome, While};
use crate::project;

/// A running appliance; it ends with this value.
#[derive(Debug)]
pub(crate) struct Appliance {
    child: Child,
    pub(crate) addresses: Addresses,
    /// From the start of the process until it said where everything is.
    pub(crate) ready_after: Duration,
    _data: TempDir,
}

/// Where things are, as the process said.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Addresses {
    pub(crate) gateway: Option<SocketAddr>,
    pub(crate) kafka: Option<SocketAddr>,
    pub(crate) admin: Option<SocketAddr>,
}

/// Builds the appliance as it is released, and says where it is.
pub(crate) fn build_release() -> Outcome<PathBuf> {
    project::run(&mut project::cargo(["build", "--release", "--package", "pagi-appliance"]))?;
    Ok(project::target().join("release/pagi-appliance"))
}

impl Appliance {
    /// Runs `binary gateway` with data in a new folder below `folder`.
    pub(crate) fn start(binary: &Path, folder: &Path, more: &[&str]) -> Outcome<Self> {
        let data =
            tempfile::tempdir_in(folder).on(format!("make a folder in {}", folder.display()))?;
        let mut command = Command::new(binary);
        command.args(["gateway", "--http-listen", "127.0.0.1:0", "--kafka-listen", "127.0.0.1:0"]);
        command.args(["--admin-listen", "127.0.0.1:0", "--data-dir"]).arg(data.path()).args(more);
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null());
        let begin = Instant::now();
        let mut child = command.spawn().on(format!("start {}", binary.display()))?;
        let stdout = child.stdout.take().ok_or_else(|| Failure::new("no stdout"))?;
        let mut addresses = Addresses::default();
        let mut lines = BufReader::new(stdout).lines().map_while(Result::ok);
        while !addresses.complete() {
            match lines.next() {
                Some(line) => addresses.read(&line),
                None => return Err(Failure::new("the appliance ended before it was ready")),
            }
        }
        let ready_after = begin.elapsed();
        Ok(Self { child, addresses, ready_after, _data: data })
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    pub(crate) fn kafka(&self) -> Outcome<SocketAddr> {
        self.addresses.kafka.ok_or_else(|| Failure::new("it did not say where Kafka clients go"))
    }
}

impl Drop for Appliance {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Addresses {
    const fn complete(&self) -> bool {
        self.gateway.is_some() && self.kafka.is_some() && self.admin.is_some()
    }

    /// Takes the address from a line that has one.
    fn read(&mut self, line: &str) {
        let mut words = line.split(|c: char| c.is_whitespace() || matches!(c, '/' | ',' | ';'));
        let Some(address) = words.find_map(|word| word.parse().ok()) else { return };
        let line = line.to_ascii_lowercase();
        if line.contains("kafka") {
            self.kafka.get_or_insert(address);
        } else if line.contains("admin") {
            self.admin.get_or_insert(address);
        } else {
            self.gateway.get_or_insert(address);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_taken_from_the_lines_that_have_one() {
        let mut addresses = Addresses::default();
        for line in [
            "gateway  http://127.0.0.1:8080",
            "kafka    127.0.0.1:9092, data in /tmp/x",
            "admin    http://127.0.0.1:9600/metrics",
        ] {
            addresses.read(line);
        }
        assert!(addresses.complete());
        assert_eq!(addresses.kafka, Some("127.0.0.1:9092".parse().unwrap()));
    }
}
