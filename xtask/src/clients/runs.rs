//! All clients against one broker, some at a time.
use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};
use std::thread;

use super::engine::Engine;
use super::program::Run;
use super::results::{ClientResult, Mark};
use super::table::Client;
use crate::failure::{Outcome, While};
use crate::project;

/// Cases of one client that may fail at first: a rebalance or a new topic can take longer than the
/// client's patience on a busy machine. What passes at the second try is said to; more than these
/// are a fault of somebody.
const SECOND_TRIES_MAX: usize = 2;

/// Who runs what, on every broker alike.
#[derive(Debug)]
pub(super) struct Plan {
    pub(super) clients: Vec<&'static Client>,
    cases: Vec<&'static str>,
    /// For each client: the result that it has without running.
    hindered: Vec<Option<ClientResult>>,
    /// How many clients run at a time.
    pub(super) jobs: usize,
    /// A folder for recordings of what they say.
    pub(super) record: Option<PathBuf>,
}

/// What the clients did with one broker, in the order of the plan.
#[derive(Debug)]
pub(super) struct Results {
    pub(super) engine: &'static str,
    pub(super) clients: Vec<ClientResult>,
}

impl Plan {
    /// Builds what has to be built.
    pub(super) fn prepare(clients: Vec<&'static Client>, cases: Vec<&'static str>) -> Self {
        let hindered = clients.iter().map(|client| hindrance(client, &cases)).collect();
        Self { clients, cases, hindered, jobs: 1, record: None }
    }

    /// Runs every client, and keeps the results in `target/clients/results-ENGINE.json`.
    pub(super) fn run(&self, engine: &Engine) -> Outcome<Results> {
        println!("==> {} behind {}", engine.name, engine.bootstrap);
        let next = AtomicUsize::new(0);
        let results = Mutex::new(self.hindered.clone());
        thread::scope(|scope| {
            for _ in 0..self.jobs.max(1) {
                scope.spawn(|| {
                    loop {
                        let at = next.fetch_add(1, Ordering::Relaxed);
                        let Some(client) = self.clients.get(at) else { return };
                        if self.hindered.get(at).is_some_and(Option::is_none) {
                            let result = self.run_one(client, engine);
                            let mut results =
                                results.lock().unwrap_or_else(PoisonError::into_inner);
                            if let Some(slot) = results.get_mut(at) {
                                *slot = Some(result);
                            }
                        }
                    }
                });
            }
        });
        let results = results.into_inner().unwrap_or_else(PoisonError::into_inner);
        let clients = results.into_iter().map(Option::unwrap_or_default).collect();
        let results = Results { engine: engine.name, clients };
        self.save(&results)?;
        Ok(results)
    }

    fn run_one(&self, client: &Client, engine: &Engine) -> ClientResult {
        if let Some(folder) = &self.record {
            let file = folder.join(format!("{}-{}.wire", client.name, engine.name));
            if let Err(failure) = engine.record(&file) {
                println!("{}: not recorded: {failure}", client.name);
            }
        }
        let logs = project::target().join("clients/logs");
        let go = |cases: &[&str], again: &str| {
            let run = Run {
                label: format!("{} {}{again}", engine.name, client.name),
                bootstrap: engine.bootstrap.to_string(),
                prefix: format!("{}{}{again}-", engine.name_prefix(), client.name),
                cases,
                log: &logs.join(format!("{}-{}{again}.log", client.name, engine.name)),
            };
            run.go((client.toolkit.command)(&client.toolkit.places(), client.program))
        };
        let mut result = go(&self.cases, "");
        let failed = |name: &&str| result.case(name).is_some_and(|c| c.outcome == Mark::Fail);
        let failed: Vec<&str> = self.cases.iter().copied().filter(failed).collect();
        if !failed.is_empty() && failed.len() <= SECOND_TRIES_MAX {
            result.try_again(go(&failed, "-again"));
        }
        result
    }

    fn save(&self, results: &Results) -> Outcome {
        let names = self.clients.iter().map(|client| client.name);
        let by_name: BTreeMap<_, _> = names.zip(&results.clients).collect();
        let text = serde_json::to_string_pretty(&by_name).on("write the results down")?;
        let file = project::target().join(format!("clients/results-{}.json", results.engine));
        fs::write(&file, text).on(format_args!("write {}", file.display()))
    }
}

/// Prepares a client; the result that it has if that cannot be done.
fn hindrance(client: &Client, cases: &[&str]) -> Option<ClientResult> {
    if let Some(command) = client.toolkit.missing() {
        return Some(ClientResult::skipped(format!("there is no {command} on this machine")));
    }
    let failure = client.toolkit.prepare().err()?;
    println!("{}: {failure}", client.name);
    let mut result = ClientResult::default();
    result.fail_missing(cases, &failure.to_string());
    Some(result)
}
