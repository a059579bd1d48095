//! `pagi-appliance gateway`, as a user starts it, on ports of its own.
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::http::Http;
use super::process::Process;
use super::wait;

/// The binary under test.
pub(crate) fn binary() -> PathBuf {
    std::env::var_os("PAGI_TEST_BINARY")
        .map_or_else(|| env!("CARGO_BIN_EXE_pagi-appliance").into(), PathBuf::from)
}

/// A command of the binary under test, with no setting from outside.
pub(crate) fn command(arguments: &[&str]) -> Command {
    let mut command = Command::new(binary());
    command.args(arguments);
    for (name, _) in std::env::vars_os() {
        if name.to_string_lossy().starts_with("PAGI_") {
            command.env_remove(name);
        }
    }
    command
}

/// The broker to test against instead of the embedded one, if one was named.
pub(crate) fn brokers_outside() -> Option<String> {
    std::env::var("PAGI_TEST_BROKERS").ok()
}

/// A running gateway, with its embedded broker unless another one was named.
#[derive(Debug)]
pub(crate) struct Appliance {
    pub(crate) process: Process,
    pub(crate) gateway: SocketAddr,
    pub(crate) admin: SocketAddr,
    /// Where Kafka clients go: the embedded broker, or the one that was named.
    pub(crate) brokers: String,
}

impl Appliance {
    /// Starts on `data_dir` and waits until it says where it is.
    pub(crate) fn start(data_dir: &Path) -> Self {
        Self::start_with(data_dir, &[])
    }

    /// As [`Self::start`], with more arguments.
    pub(crate) fn start_with(data_dir: &Path, more: &[&str]) -> Self {
        Self::start_on(brokers_outside(), data_dir, more)
    }

    /// Starts in front of `outside`, or with the embedded broker.
    pub(crate) fn start_on(outside: Option<String>, data_dir: &Path, more: &[&str]) -> Self {
        let mut command = command(&["gateway", "--http-listen", "127.0.0.1:0"]);
        command.args(["--kafka-listen", "127.0.0.1:0", "--admin-listen", "127.0.0.1:0"]);
        // Tests' records are as old as they like; those about retention say so in `more`.
        command.env("PAGI_RETENTION_CHECK_INTERVAL", "24h");
        command.arg("--data-dir").arg(data_dir).args(more);
        if let Some(brokers) = &outside {
            command.args(["--brokers", brokers]);
        }
        let process = Process::start(&mut command);
        let Some(places) = process.line() else {
            panic!("it ended before it was ready:\n{}", process.errors());
        };
        let place = |label| {
            address_after(&places, label).unwrap_or_else(|| panic!("no {label} in {places:?}"))
        };
        Self {
            gateway: place("HTTP http://"),
            admin: place("admin http://"),
            brokers: outside.unwrap_or_else(|| place("Kafka ").to_string()),
            process,
        }
    }

    /// A new connection to the gateway.
    pub(crate) fn http(&self) -> Http {
        Http::connect(self.gateway).expect("the gateway accepts connections")
    }

    /// Waits until `/readyz` says that a publish would succeed.
    pub(crate) fn ready(self) -> Self {
        wait::until("/readyz answers 200", || {
            let response = Http::connect(self.admin).ok()?.get("/readyz").ok()?;
            (response.status == 200).then_some(())
        });
        self
    }
}

/// The address that follows `label`.
fn address_after(line: &str, label: &str) -> Option<SocketAddr> {
    let (_, rest) = line.split_once(label)?;
    rest.split([',', ' ']).next()?.parse().ok()
}
