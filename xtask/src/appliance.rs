//! The appliance as these commands start it: on ports of its own, with data that is thrown away.
use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, Stdio};
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
    /// Kept open, so that writing to it goes on working.
    _stdout: BufReader<ChildStdout>,
    /// Until a crash hands it on.
    data: Option<TempDir>,
}

/// Where things are, as the process said.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Addresses {
    pub(crate) gateway: Option<SocketAddr>,
    pub(crate) kafka: Option<SocketAddr>,
}

/// Builds the appliance with a profile other than `dev`, and says where it is.
pub(crate) fn build(profile: &str) -> Outcome<PathBuf> {
    let arguments = ["build", "--package", "pagi-appliance", "--profile", profile];
    project::run(&mut project::cargo(arguments))?;
    Ok(project::target().join(profile).join("pagi-appliance"))
}

impl Appliance {
    /// Runs `binary gateway` with data in a new folder below `folder`.
    pub(crate) fn start(binary: &Path, folder: &Path, more: &[&str]) -> Outcome<Self> {
        let data =
            tempfile::tempdir_in(folder).on(format!("make a folder in {}", folder.display()))?;
        Self::start_on(data, binary, more)
    }

    /// kill -9, and a start of `binary` on the same data.
    pub(crate) fn crash(mut self, binary: &Path) -> Outcome<Self> {
        self.child.kill().on("kill the appliance")?;
        self.child.wait().on("wait for the appliance")?;
        let data = self.data.take().ok_or_else(|| Failure::new("it has no data"))?;
        Self::start_on(data, binary, &[])
    }

    fn start_on(data: TempDir, binary: &Path, more: &[&str]) -> Outcome<Self> {
        let mut command = Command::new(binary);
        command.args(["gateway", "--http-listen", "127.0.0.1:0", "--kafka-listen", "127.0.0.1:0"]);
        command.args(["--admin-listen", "127.0.0.1:0", "--data-dir"]).arg(data.path()).args(more);
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null());
        let begin = Instant::now();
        let mut child = command.spawn().on(format!("start {}", binary.display()))?;
        let stdout = child.stdout.take().ok_or_else(|| Failure::new("no stdout"))?;
        let mut line = String::new();
        let mut stdout = BufReader::new(stdout);
        stdout.read_line(&mut line).on("read what the appliance says")?;
        let addresses = Addresses::read(&line);
        let ready_after = begin.elapsed();
        Ok(Self { child, addresses, ready_after, _stdout: stdout, data: Some(data) })
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
    /// Takes the addresses from the line that says where everything is.
    fn read(line: &str) -> Self {
        let after = |label: &str| -> Option<SocketAddr> {
            let (_, rest) = line.split_once(label)?;
            rest.split([',', ' ', '\n']).next()?.parse().ok()
        };
        Self { gateway: after("HTTP http://"), kafka: after("Kafka ") }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_taken_from_the_first_line() {
        let addresses = Addresses::read(
            "pagi-appliance 0.1.0: HTTP http://127.0.0.1:8080, Kafka 127.0.0.1:9092, admin http://127.0.0.1:9600\n",
        );
        assert_eq!(addresses.gateway, Some("127.0.0.1:8080".parse().unwrap()));
        assert_eq!(addresses.kafka, Some("127.0.0.1:9092".parse().unwrap()));
    }
}
