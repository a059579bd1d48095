//! `cargo xtask clients`: other people's Kafka clients against the embedded broker.
//!
//! The clients are the programs in `tests/clients/`; the versions of their libraries are pinned
//! there, and live in a virtual environment below `target/`.
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Instant;

use crate::appliance::{self, Appliance};
use crate::failure::{Failure, Outcome, While};
use crate::project;

/// Each is `tests/clients/with_NAME.py`.
const CLIENTS: [&str; 3] = ["kcat", "confluent_kafka", "kafka_python"];

/// What to run against.
#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    /// A broker that runs already, instead of the embedded one.
    #[arg(long, value_name = "HOST:PORT")]
    brokers: Option<String>,
    /// The appliance to run, instead of one built now.
    #[arg(long, conflicts_with = "brokers")]
    binary: Option<PathBuf>,
    /// How many records each client produces and consumes.
    #[arg(long, default_value_t = 10_000)]
    records: u32,
}

/// Runs each client, prints a table, and fails if one did.
pub(crate) fn run(arguments: &Arguments) -> Outcome {
    let python = environment()?;
    let folder = tempfile::tempdir().on("make a folder for the data")?;
    let appliance = match arguments.brokers {
        Some(_) => None,
        None => {
            let binary = match &arguments.binary {
                Some(binary) => binary.clone(),
                None => appliance::build("bench-fast")?,
            };
            Some(Appliance::start(&binary, folder.path(), &[])?)
        }
    };
    let brokers = match (&arguments.brokers, &appliance) {
        (None, Some(appliance)) => appliance.kafka()?.to_string(),
        (brokers, _) => brokers.clone().unwrap_or_default(),
    };
    let mut table = String::from("| client | records | seconds | |\n|---|---|---|---|\n");
    let mut failed = Vec::new();
    for client in CLIENTS {
        let begin = Instant::now();
        let outcome = run_one(&python, client, &brokers, arguments.records);
        let seconds = begin.elapsed().as_secs_f64();
        let (name, result) = match outcome {
            Ok(version) => (version.trim().to_owned(), "pass".to_owned()),
            Err(failure) => {
                failed.push(client);
                println!("{client}: {failure}");
                (client.to_owned(), "**FAIL**".to_owned())
            }
        };
        table.push_str(&format!("| {name} | {} | {seconds:.1} | {result} |\n", arguments.records));
    }
    println!("\n{table}");
    if failed.is_empty() {
        return Ok(());
    }
    Err(Failure::new(format!("these clients failed: {}", failed.join(", "))))
}

fn run_one(python: &Path, client: &str, brokers: &str, records: u32) -> Outcome<String> {
    let topic = format!("clients.{client}.{}", std::process::id());
    let program = project::root().join(format!("tests/clients/with_{client}.py"));
    let mut command = Command::new(python);
    command.arg("-B").arg(program).args([brokers, &topic, &records.to_string()]);
    project::output(&mut command)
}

/// The virtual environment with the pinned libraries; made on the first run, kept while they stay.
fn environment() -> Outcome<PathBuf> {
    let folder = project::target().join("clients-venv");
    let python = folder.join("bin/python");
    let requirements = project::root().join("tests/clients/requirements.txt");
    let wanted = fs::read_to_string(&requirements).on("read requirements.txt")?;
    let installed = folder.join("installed.txt");
    if python.exists() && fs::read_to_string(&installed).is_ok_and(|text| text == wanted) {
        return Ok(python);
    }
    println!("==> install {}", wanted.trim().replace('\n', ", "));
    project::run(Command::new("python3").args(["-m", "venv", "--clear"]).arg(&folder))?;
    let mut pip = Command::new(&python);
    pip.args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--requirement"]);
    project::run(pip.arg(&requirements))?;
    fs::write(&installed, &wanted).on("note what is installed")?;
    Ok(python)
}
