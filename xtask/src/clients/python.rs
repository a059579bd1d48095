//! Client programs in Python, in a virtual environment with pinned libraries.
use std::process::Command;

use super::toolkit::{Places, Toolkit};
use crate::failure::Outcome;
use crate::project;

pub(super) const PYTHON: Toolkit = Toolkit {
    folder: "python",
    commands: &["python3"],
    pinned: &["requirements.txt"],
    build,
    command,
};

/// The same, for a program that drives kcat.
pub(super) const PYTHON_AND_KCAT: Toolkit = Toolkit { commands: &["python3", "kcat"], ..PYTHON };

fn build(places: &Places) -> Outcome {
    let environment = places.built.join("venv");
    project::run(Command::new("python3").args(["-m", "venv", "--clear"]).arg(&environment))?;
    let mut pip = Command::new(environment.join("bin/python"));
    pip.args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--requirement"]);
    project::run(pip.arg(places.source.join("requirements.txt")))
}

fn command(places: &Places, program: &str) -> Command {
    let mut command = Command::new(places.built.join("venv/bin/python"));
    command.arg("-B").arg(places.source.join(program));
    command
}
