//! Apache Kafka on this machine, where `PAGI_MACHINE_DIR` has a script that starts it:
//! `kafka start PORT FOLDER`, `kafka stop PORT`.
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::failure::{Failure, Outcome};
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
}

impl Drop for Node {
    fn drop(&mut self) {
        let mut stop = Command::new(&self.script);
        // Nothing can be done about a script that fails.
        let _ = stop.args(["stop", &self.port.to_string()]).stdout(Stdio::null()).status();
    }
}
