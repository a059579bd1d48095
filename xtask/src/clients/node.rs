//! Client programs in JavaScript, with the packages that their lock file names.
use std::fs;
use std::process::Command;

use super::toolkit::{Places, Toolkit};
use crate::failure::{Outcome, While};
use crate::project;

pub(super) const NODE: Toolkit = Toolkit {
    folder: "node",
    commands: &["node", "npm"],
    pinned: &["package.json", "package-lock.json"],
    build,
    command,
};

/// npm installs next to a package.json, so that gets a copy where things are built.
fn build(places: &Places) -> Outcome {
    for name in NODE.pinned {
        fs::copy(places.source.join(name), places.built.join(name))
            .on(format_args!("copy {name}"))?;
    }
    let mut npm = Command::new("npm");
    npm.args(["ci", "--no-audit", "--no-fund", "--ignore-scripts", "--loglevel", "error"]);
    project::run(npm.current_dir(&places.built))
}

fn command(places: &Places, program: &str) -> Command {
    let mut command = Command::new("node");
    command.arg(places.source.join(program));
    command.env("NODE_PATH", places.built.join("node_modules"));
    command
}
