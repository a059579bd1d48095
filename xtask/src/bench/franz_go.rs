//! Load by franz-go, the client that the figures of other brokers are told with.
use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use serde::Deserialize;

use super::load::Load;
use super::target::Target;
use crate::failure::{Failure, Outcome};
use crate::project;

/// What `tests/clients/go/cmd/load` prints.
#[derive(Debug, Deserialize)]
struct Told {
    records: u64,
    bytes: u64,
    p50_ms: Option<f64>,
    p99_ms: Option<f64>,
}

/// A load, and the latencies that its client measured, in milliseconds at p50 and p99.
pub(super) type Loaded = (Load, Option<f64>, Option<f64>);

/// Builds the load program, if there is a Go toolchain; it is quick when nothing has changed.
pub(super) fn build() -> Outcome<Option<PathBuf>> {
    if Command::new("go").arg("version").output().is_err() {
        println!("SKIPPED: load by franz-go (there is no `go`)");
        return Ok(None);
    }
    let binary = project::target().join("clients/go/load");
    let mut go = Command::new("go");
    go.arg("-C").arg(project::root().join("tests/clients/go")).args(["build", "-o"]);
    project::run(go.arg(&binary).arg("./cmd/load"))?;
    Ok(Some(binary))
}

/// Produces or consumes for `how_long`.
pub(super) fn run(
    binary: &std::path::Path,
    what: &str,
    target: &Target,
    partitions: i32,
    how_long: Duration,
) -> Outcome<Loaded> {
    let mut load = Command::new(binary);
    load.args([what, "--bootstrap", &target.kafka.to_string()]);
    load.args(["--topic", &format!("bench-franz-{partitions}")]);
    load.args(["--partitions", &partitions.to_string(), "--record-bytes", "1024"]);
    load.args(["--seconds", &how_long.as_secs_f64().to_string(), "--warm-up-seconds", "0"]);
    load.args(["--partitioner", "round-robin"]);
    let said = project::output(&mut load)?;
    loaded(&said, how_long)
}

/// Understands what the load program printed behind a load.
pub(super) fn loaded(said: &str, how_long: Duration) -> Outcome<Loaded> {
    let told: Told = serde_json::from_str(said.trim())
        .map_err(|error| Failure::new(format!("load said {said:?}: {error}")))?;
    let load =
        Load { operations: told.records, bytes: told.bytes, elapsed: how_long, ..Load::default() };
    Ok((load, told.p50_ms, told.p99_ms))
}
