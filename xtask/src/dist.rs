//! `cargo xtask dist`: what is deployed on a machine, under `target/dist/`.
//!
//! **Invariants.** The binary needs nothing from the machine it runs on (static-pie, musl), has no
//! symbols, and is not handed out before the main job passed on it.
mod elf;
mod toolchain;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::failure::{Failure, Outcome, While};
use crate::{integration, project};

const TARGET: &str = "x86_64-unknown-linux-musl";
/// What the unit may be exposed to, by `systemd-analyze security`, in tenths.
const EXPOSURE_TENTHS_MAX: u32 = 11;
const BINARY_BYTES_MAX: u64 = 8 * 1024 * 1024;
const CRATES_MAX: usize = 130;

/// The other files of the archive, from the project's folder.
const FILES: [&str; 5] = [
    "deploy/pagi-appliance.service",
    "deploy/config.example.toml",
    "README.md",
    "CHANGELOG.md",
    "LICENSE",
];

/// Builds, checks, packs and tries.
pub(crate) fn run() -> Outcome {
    let crates = crates()?;
    println!("crates in the release tree: {crates} (at most {CRATES_MAX})");
    if crates > CRATES_MAX {
        return Err(Failure::new("the release tree has grown too large: drop a dependency"));
    }
    unit_is_hardened()?;
    let binary = build()?;
    let bytes = fs::metadata(&binary).on("look at the binary")?.len();
    elf::check_static_pie_without_symbols(&fs::read(&binary).on("read the binary")?)?;
    println!("{}: static-pie, no symbols, {:.2} MB", binary.display(), megabytes(bytes));
    if bytes > BINARY_BYTES_MAX {
        return Err(Failure::new(format!("over {:.0} MB", megabytes(BINARY_BYTES_MAX))));
    }
    let archive = pack(&binary)?;
    println!("==> smoke: the main job on this binary");
    let cases = integration::cases::run(&[("PAGI_TEST_BINARY", binary.as_os_str())])?;
    integration::cases::all_passed(&cases)?;
    println!("dist: {} ok, {} cases passed on the binary in it", archive.display(), cases.len());
    Ok(())
}

fn megabytes(bytes: u64) -> f64 {
    let kib = u32::try_from(bytes / 1024).unwrap_or(u32::MAX);
    f64::from(kib) / 1024.0
}

/// How many crates the released binary is made of.
fn crates() -> Outcome<usize> {
    let arguments = ["tree", "-p", "pagi-appliance", "-e", "normal", "--prefix", "none"];
    let text =
        project::output(project::cargo(arguments).args(["--format", "{p}", "--target", TARGET]))?;
    let mut crates: Vec<&str> = text.lines().map(|line| line.trim_end_matches(" (*)")).collect();
    crates.sort_unstable();
    crates.dedup();
    Ok(crates.len())
}

fn unit_is_hardened() -> Outcome {
    let mut command = Command::new("systemd-analyze");
    command.args(["security", "--offline=true", "--no-pager"]);
    command.arg(format!("--threshold={EXPOSURE_TENTHS_MAX}"));
    command.arg(project::root().join("deploy/pagi-appliance.service"));
    match command.output() {
        Ok(output) => {
            let text = String::from_utf8_lossy(&output.stdout).into_owned();
            println!("unit: {}", text.lines().last().unwrap_or("no answer").trim());
            if output.status.success() {
                return Ok(());
            }
            Err(Failure::new(format!(
                "the unit is exposed to more than {EXPOSURE_TENTHS_MAX} tenths"
            )))
        }
        Err(_) => {
            println!("SKIPPED: systemd-analyze is not installed, so the unit was not judged");
            Ok(())
        }
    }
}

fn build() -> Outcome<PathBuf> {
    let toolchain = toolchain::find(TARGET)?;
    println!("==> build {TARGET} with {}", toolchain.description);
    let mut cargo = toolchain.cargo();
    cargo.args([
        "build",
        "--locked",
        "--release",
        "--package",
        "pagi-appliance",
        "--target",
        TARGET,
    ]);
    // The places where this machine keeps sources do not belong into the binary.
    let mut flags = format!("--remap-path-prefix={}=.", project::root().display());
    if let Some(home) =
        std::env::var_os("CARGO_HOME").map(PathBuf::from).or_else(default_cargo_home)
    {
        flags.push_str(&format!(" --remap-path-prefix={}=cargo", home.display()));
    }
    cargo.env("RUSTFLAGS", flags);
    project::run(&mut cargo)?;
    Ok(project::target().join(TARGET).join("release/pagi-appliance"))
}

fn default_cargo_home() -> Option<PathBuf> {
    Some(PathBuf::from(std::env::var_os("HOME")?).join(".cargo"))
}

/// Puts the files together; the same files give the same archive.
fn pack(binary: &Path) -> Outcome<PathBuf> {
    let dist = project::target().join("dist");
    let name = format!("pagi-appliance-{}-x86_64-linux", env!("CARGO_PKG_VERSION"));
    let folder = dist.join(&name);
    if folder.exists() {
        fs::remove_dir_all(&folder).on("remove the last build")?;
    }
    fs::create_dir_all(&folder).on("make the folder")?;
    fs::copy(binary, folder.join("pagi-appliance")).on("copy the binary")?;
    for file in FILES {
        let from = project::root().join(file);
        let to = from.file_name().map(|name| folder.join(name)).unwrap_or_default();
        fs::copy(&from, to).on(format_args!("copy {file}"))?;
    }
    let archive = format!("{name}.tar.gz");
    let mut tar = Command::new("tar");
    tar.current_dir(&dist);
    tar.args(["--create", "--file", &archive, "--use-compress-program", "gzip -n9"]);
    tar.args(["--sort=name", "--owner=0", "--group=0", "--numeric-owner", "--mtime=@0", &name]);
    project::run(&mut tar)?;
    let mut sums = Command::new("sha256sum");
    sums.current_dir(&dist).args([&archive, &format!("{name}/pagi-appliance")]);
    let sums = project::output(&mut sums)?;
    print!("{sums}");
    fs::write(dist.join("SHA256SUMS"), sums).on("write SHA256SUMS")?;
    Ok(dist.join(archive))
}
