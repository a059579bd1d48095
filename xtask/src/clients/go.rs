//! Client programs in Go: one module, a program for each client.
use std::process::Command;

use super::toolkit::{Places, Toolkit};
use crate::failure::Outcome;
use crate::project;

pub(super) const GO: Toolkit =
    Toolkit { folder: "go", commands: &["go"], pinned: &[], build, command };

fn build(places: &Places) -> Outcome {
    let mut go = Command::new("go");
    go.args(["build", "-mod=readonly", "-o"]).arg(places.built.join("")).arg("./cmd/...");
    project::run(go.current_dir(&places.source))
}

fn command(places: &Places, program: &str) -> Command {
    Command::new(places.built.join(program))
}
