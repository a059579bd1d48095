//! Finds a Rust toolchain that can build for a target.
use std::path::Path;
use std::process::Command;

use crate::failure::{Failure, Outcome};
use crate::project;

/// The name under which a toolchain with the musl target may be linked: `rustup toolchain link`.
const LINKED: &str = "musl";

/// A toolchain with the target's standard library.
#[derive(Debug)]
pub(super) struct Toolchain {
    /// For people: which it is.
    pub(super) description: String,
    linked: bool,
}

impl Toolchain {
    /// A cargo command of this toolchain.
    pub(super) fn cargo(&self) -> Command {
        let mut command = if self.linked {
            // The name on the path is rustup's, which knows toolchains by name.
            let mut command = Command::new("cargo");
            command.arg(format!("+{LINKED}")).current_dir(project::root());
            command.env_remove("RUSTUP_TOOLCHAIN").env_remove("CARGO").env_remove("RUSTC");
            command
        } else {
            project::cargo([])
        };
        if Command::new("musl-gcc").arg("--version").output().is_ok() {
            command.env("CC_x86_64_unknown_linux_musl", "musl-gcc");
        }
        command
    }
}

/// The toolchain in use if it has `target`, else the linked one.
pub(super) fn find(target: &str) -> Outcome<Toolchain> {
    let mut candidates = Vec::new();
    candidates.push((Command::new("rustc"), "the toolchain in use", false));
    let mut linked = Command::new("rustc");
    linked.arg(format!("+{LINKED}")).env_remove("RUSTUP_TOOLCHAIN");
    candidates.push((linked, "the toolchain linked as `musl`", true));
    for (mut rustc, name, linked) in candidates {
        let arguments = ["--print", "target-libdir", "--target", target];
        let Ok(folder) = project::output(rustc.args(arguments)) else { continue };
        if Path::new(folder.trim()).join("self-contained").exists() {
            let description = format!("{name} ({})", folder.trim());
            return Ok(Toolchain { description, linked });
        }
    }
    Err(Failure::new(format!(
        "no toolchain has {target}: run `rustup target add {target}`, or link one that has it with \
         `rustup toolchain link {LINKED} <folder>`"
    )))
}
