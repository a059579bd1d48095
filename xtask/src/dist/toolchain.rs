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
    /// Whether its standard library can take part in link-time optimization.
    bitcode: bool,
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
        if !self.bitcode {
            command.env("CARGO_PROFILE_RELEASE_LTO", "off");
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
        let folder = Path::new(folder.trim());
        if folder.join("self-contained").exists() {
            let bitcode = has_bitcode(folder);
            let mut description = format!("{name} ({})", folder.display());
            if !bitcode {
                description.push_str("; its standard library has no bitcode, so without LTO");
            }
            return Ok(Toolchain { description, linked, bitcode });
        }
    }
    Err(Failure::new(format!(
        "no toolchain has {target}: run `rustup target add {target}`, or link one that has it with \
         `rustup toolchain link {LINKED} <folder>`"
    )))
}

/// Whether the standard library in `folder` has the section that link-time optimization reads.
fn has_bitcode(folder: &Path) -> bool {
    const SECTION: &[u8] = b".llvmbc";
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    let mut libraries = entries.filter(|e| e.file_name().to_string_lossy().starts_with("libstd-"));
    libraries.any(|library| {
        let bytes = std::fs::read(library.path()).unwrap_or_default();
        bytes.windows(SECTION.len()).any(|window| window == SECTION)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bitcode_is_seen_in_the_standard_library() {
        let folder = tempfile::tempdir().unwrap();
        assert!(!has_bitcode(folder.path()));
        std::fs::write(folder.path().join("libstd-1.rlib"), b"code\0.text\0").unwrap();
        assert!(!has_bitcode(folder.path()));
        std::fs::write(folder.path().join("libstd-2.rlib"), b"code\0.llvmbc\0").unwrap();
        assert!(has_bitcode(folder.path()));
    }
}
