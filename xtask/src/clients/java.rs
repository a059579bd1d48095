//! Client programs in Java: one source, built for each version of the client, and Kafka's tools.
use std::process::Command;

use super::toolkit::{Places, Toolkit};
use crate::failure::Outcome;
use crate::project;

pub(super) const JAVA: Toolkit =
    Toolkit { folder: "java", commands: &["java", "mvn"], pinned: &[], build, command };

/// What is built of the one source: a folder's name, and the properties that make it so.
const BUILDS: [(&str, &[&str]); 3] = [
    ("3.9", &["-Dkafka.version=3.9.1"]),
    ("4.3", &["-Dkafka.version=4.3.0"]),
    ("tools", &["-Dkafka.version=4.3.0", "-Ptools"]),
];

/// A quick start is worth more here than a quick run.
const MACHINE: [&str; 3] = ["-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-Xshare:auto"];

fn build(places: &Places) -> Outcome {
    for (name, properties) in BUILDS {
        let mut maven = Command::new("mvn");
        maven.args(["--quiet", "--batch-mode", "--no-transfer-progress", "compile"]);
        maven.args(properties);
        maven.arg(format!("-Dbuild.folder={}", places.built.join(name).display()));
        project::run(maven.current_dir(&places.source))?;
    }
    Ok(())
}

/// The program is a build's name, and the class where it is not `Main`.
fn command(places: &Places, program: &str) -> Command {
    let (build, class) = program.split_once(':').unwrap_or((program, "Main"));
    let folder = places.built.join(build);
    let path = format!("{0}/classes:{0}/lib/*", folder.display());
    let mut java = Command::new("java");
    java.args(MACHINE).arg("-cp").arg(path).arg(format!("pagi.clients.{class}"));
    java
}
