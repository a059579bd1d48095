//! `cargo xtask clients`: other people's Kafka clients against the embedded broker and Apache Kafka.
//!
//! The clients are the programs in `tests/clients/`, each in its own language and with pinned
//! versions. A case passes when it passes on both brokers; answers that differ need a reason in
//! `tests/clients/differences.toml`. `tests/clients/README.md` says how to add a client.
mod compare;
mod crash;
mod engine;
mod go;
mod java;
mod node;
mod program;
mod python;
mod report;
mod results;
mod runs;
mod rust;
mod sharing;
mod table;
mod toolkit;

use std::fs;
use std::path::{Path, PathBuf};

use crate::failure::{Failure, Outcome, While};
use crate::{apache_kafka, appliance, project};
use compare::Pair;
use engine::Engine;
use report::Row;
use results::CASES;
use runs::{Plan, Results};
use table::{CLIENTS, Client};

/// What to run against what.
#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    /// Only these clients, separated by commas.
    #[arg(long, value_delimiter = ',', value_name = "CLIENT")]
    only: Vec<String>,
    /// Only these cases, separated by commas.
    #[arg(long, value_delimiter = ',', value_name = "CASE")]
    case: Vec<String>,
    /// Which brokers. Apache Kafka needs PAGI_MACHINE_DIR, a folder with a script that starts it.
    #[arg(long, value_enum, default_value = "both")]
    engine: Wanted,
    /// The appliance to run, instead of one built now.
    #[arg(long)]
    binary: Option<PathBuf>,
    /// A broker that runs already, instead of those; `idempotent` then loses no answers.
    #[arg(long, value_name = "HOST:PORT", conflicts_with_all = ["binary", "engine"])]
    brokers: Option<String>,
    /// Write what each client and broker say to each other into a file of this folder.
    #[arg(long, value_name = "FOLDER")]
    record: Option<PathBuf>,
    /// Instead of the matrix: kill the broker so many times under clients that stay connected.
    #[arg(
        long,
        value_name = "KILLS",
        num_args = 0..=1,
        default_missing_value = "3",
        conflicts_with_all = ["only", "case", "engine", "brokers", "record"],
    )]
    crash: Option<u32>,
    /// Instead of the matrix: routers and a Java consumer share a group while they come and go.
    #[arg(long, conflicts_with_all = ["only", "case", "brokers", "record", "crash"])]
    sharing: bool,
    /// How many clients run at a time.
    #[arg(long, default_value_t = 2)]
    jobs: usize,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Wanted {
    Embedded,
    Kafka,
    Both,
}

/// Runs the clients, prints the tables, and fails if a case did or an answer is unexplained.
pub(crate) fn run(arguments: &Arguments) -> Outcome {
    let binary = || match &arguments.binary {
        Some(binary) => Ok(binary.clone()),
        None => appliance::build("bench-fast"),
    };
    if let Some(kills) = arguments.crash {
        return crash::run(&binary()?, kills);
    }
    if arguments.sharing {
        return share(&binary()?, arguments.engine);
    }
    let mut plan = Plan::prepare(clients(&arguments.only)?, cases(&arguments.case)?);
    plan.jobs = arguments.jobs;
    if let Some(folder) = &arguments.record {
        fs::create_dir_all(folder).on(format_args!("make {}", folder.display()))?;
        // A recording is of one client alone.
        plan.jobs = 1;
        plan.record = Some(folder.clone());
    }
    let mut all = Vec::new();
    if let Some(brokers) = &arguments.brokers {
        all.push(plan.run(&Engine::yours(brokers)?)?);
    } else {
        if arguments.engine != Wanted::Kafka {
            let binary = binary()?;
            all.push(in_new_folder(|folder| plan.run(&Engine::embedded(&binary, folder)?))?);
        }
        if arguments.engine != Wanted::Embedded && apache_kafka::script().is_some() {
            all.push(in_new_folder(|folder| plan.run(&Engine::kafka(folder)?))?);
        }
    }
    let compared = all.len() == 2;
    let outcome = conclude(&plan, &all, arguments.only.is_empty());
    if arguments.brokers.is_none() && !compared {
        println!("SKIPPED: not compared with Apache Kafka (PAGI_MACHINE_DIR, --engine both)");
    }
    outcome
}

/// On the embedded broker and on Apache Kafka, as far as that is wanted and there.
fn share(binary: &Path, engine: Wanted) -> Outcome {
    if engine != Wanted::Kafka {
        in_new_folder(|folder| {
            let broker = appliance::Appliance::start(binary, folder, &[])?;
            sharing::run("embedded", broker.kafka()?, binary)
        })?;
    }
    if engine != Wanted::Embedded && apache_kafka::script().is_some() {
        in_new_folder(|folder| {
            let [port] = apache_kafka::free_ports()?;
            let broker = apache_kafka::Node::start(port, &folder.join("kafka"), "")?;
            sharing::run("kafka", broker.address(), binary)
        })?;
    } else if engine != Wanted::Embedded {
        println!("SKIPPED: not shared on Apache Kafka (PAGI_MACHINE_DIR)");
    }
    Ok(())
}

fn in_new_folder<T>(work: impl FnOnce(&Path) -> Outcome<T>) -> Outcome<T> {
    let folder = tempfile::tempdir().on("make a folder for the data")?;
    work(folder.path())
}

/// Prints everything, and says what is wrong.
fn conclude(plan: &Plan, all: &[Results], complete: bool) -> Outcome {
    let rows: Vec<Row<'_>> = plan
        .clients
        .iter()
        .enumerate()
        .map(|(at, client)| {
            let results = all.iter().filter_map(|r| Some((r.engine, r.clients.get(at)?)));
            Row { name: client.name, results: results.collect() }
        })
        .collect();
    println!(
        "\n{}{}\n{}",
        report::details(&rows),
        report::second_tries(&rows),
        report::matrix(&rows)
    );
    let mut wrong: Vec<String> = rows.iter().flat_map(Row::failures).collect();
    if let [embedded, kafka] = all {
        let both = plan.clients.iter().zip(embedded.clients.iter().zip(&kafka.clients));
        let pairs: Vec<Pair<'_>> = both
            .map(|(client, (embedded, kafka))| Pair { client: client.name, embedded, kafka })
            .collect();
        let reasons = project::root().join("tests/clients/differences.toml");
        let comparison = compare::compare(&pairs, &compare::reasons(&reasons)?, complete);
        println!("{}", report::differences(&comparison));
        let unexplained = comparison.differences.iter().filter(|found| found.reason.is_none());
        wrong.extend(unexplained.map(|d| format!("{} {}: {} differs", d.client, d.case, d.answer)));
        let stale = comparison.stale.iter();
        wrong.extend(stale.map(|reason| format!("{}: nothing differs any more", reason.title())));
    }
    if wrong.is_empty() {
        return Ok(());
    }
    Err(Failure::new(format!("{} things to mend:\n{}", wrong.len(), wrong.join("\n"))))
}

fn clients(only: &[String]) -> Outcome<Vec<&'static Client>> {
    let names: Vec<&str> = CLIENTS.iter().map(|client| client.name).collect();
    if let Some(unknown) = only.iter().find(|name| !names.contains(&name.as_str())) {
        return Err(Failure::new(format!("no client {unknown:?}; there are {}", names.join(", "))));
    }
    let wanted = |client: &&Client| only.is_empty() || only.iter().any(|n| n == client.name);
    Ok(CLIENTS.iter().filter(wanted).collect())
}

fn cases(only: &[String]) -> Outcome<Vec<&'static str>> {
    if let Some(unknown) = only.iter().find(|name| !CASES.contains(&name.as_str())) {
        return Err(Failure::new(format!("no case {unknown:?}; there are {}", CASES.join(", "))));
    }
    let wanted = |case: &&str| only.is_empty() || only.iter().any(|name| name == case);
    Ok(CASES.into_iter().filter(wanted).collect())
}
