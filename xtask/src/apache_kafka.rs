//! Apache Kafka on this machine, where `PAGI_MACHINE_DIR` has a script that starts it:
//! `kafka start PORT FOLDER`, `kafka stop PORT`.
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use rustix::process::{Pid, Signal, kill_process};

use crate::failure::{Failure, Outcome, While};
use crate::project;

/// The script, if there is one.
pub(crate) fn script() -> Option<PathBuf> {
    let folder = PathBuf::from(std::env::var_os("PAGI_MACHINE_DIR")?);
    Some(project::root().join(folder).join("kafka")).filter(|script| script.exists())
}

/// A node that the script started; it ends with this value.
#[derive(Debug)]
pub(crate) struct Node {
    script: PathBuf,
    port: u16,
    pid: u32,
}

impl Node {
    /// Starts a node with an empty log in `folder`; it uses `port` and the one after it.
    /// `properties` are lines for its `server.properties`.
    pub(crate) fn start(port: u16, folder: &Path, properties: &str) -> Outcome<Self> {
        let script = script().ok_or_else(|| Failure::new("there is no script for Kafka"))?;
        let mut start = Command::new(&script);
        start.args(["start", &port.to_string()]).arg(folder);
        let said = project::output(start.env("KAFKA_OPTS_EXTRA", properties))?;
        let pid = said.split_once("(pid ").and_then(|(_, r)| r.split(',').next()?.parse().ok());
        let pid = pid.ok_or_else(|| Failure::new(format!("no pid in {said:?}")))?;
        Ok(Self { script, port, pid })
    }

    pub(crate) fn address(&self) -> SocketAddr {
        (Ipv4Addr::LOCALHOST, self.port).into()
    }

    pub(crate) fn pid(&self) -> u32 {
        self.pid
    }

    /// kill -9. Its data stays until this value goes.
    pub(crate) fn kill(&self) -> Outcome {
        let pid = i32::try_from(self.pid).ok().and_then(Pid::from_raw);
        kill_process(pid.ok_or_else(|| Failure::new("no process id"))?, Signal::KILL)
            .on("kill Apache Kafka")
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        let mut stop = Command::new(&self.script);
        // Nothing can be done about a script that fails.
        let _ = stop.args(["stop", &self.port.to_string()]).stdout(Stdio::null()).status();
    }
}

/// Free ports, each followed by another one, below those that the system gives out by itself. Each
/// process looks elsewhere first: two that start at the same time would find the same.
pub(crate) fn free_ports<const N: usize>() -> Outcome<[u16; N]> {
    const PORTS: std::ops::Range<u16> = 20_100..30_100;
    let pairs = PORTS.len() / 2;
    let first = usize::try_from(std::process::id()).unwrap_or(0) % pairs;
    let ports = PORTS.step_by(2).cycle().skip(first).take(pairs);
    let free = |port| TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_ok();
    let found: Vec<u16> = ports.filter(|port| free(*port) && free(*port + 1)).take(N).collect();
    found.try_into().map_err(|_| Failure::new("no ports are free for Apache Kafka"))
}
