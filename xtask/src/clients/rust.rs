//! The client program in Rust: a crate apart from the workspace, with a lock file of its own.
use std::process::Command;

use super::toolkit::{Places, Toolkit};
use crate::failure::Outcome;
use crate::project;

pub(super) const RUST: Toolkit =
    Toolkit { folder: "rskafka", commands: &["cargo"], pinned: &[], build, command };

fn build(places: &Places) -> Outcome {
    let mut cargo = project::cargo(["build", "--quiet", "--locked", "--target-dir"]);
    cargo.arg(places.built.join("target")).current_dir(&places.source);
    // A target that the project is built for is not the one that it is built on.
    project::run(cargo.env_remove("CARGO_BUILD_TARGET"))
}

fn command(places: &Places, program: &str) -> Command {
    Command::new(places.built.join("target/debug").join(program))
}
