//! rskafka in the matrix of clients: `pagi-client-rskafka BOOTSTRAP PREFIX CASE...`.
mod cases;
mod records;
mod report;

use std::process::ExitCode;
use std::time::{Duration, Instant};

use rskafka::BackoffConfig;
use rskafka::client::ClientBuilder;
use serde_json::json;

use cases::{Case, Context, run_case};
use report::Failure;

const VERSION: &str = "rskafka 0.6.0";
const CASE_MAX: Duration = Duration::from_secs(60);

#[tokio::main]
async fn main() -> ExitCode {
    let mut arguments = std::env::args().skip(1);
    let (Some(bootstrap), Some(prefix)) = (arguments.next(), arguments.next()) else {
        eprintln!("BOOTSTRAP PREFIX CASE... are missing");
        return ExitCode::FAILURE;
    };
    println!("{}", json!({ "client": VERSION }));
    let backoff = BackoffConfig { deadline: Some(Duration::from_secs(10)), ..Default::default() };
    let client = ClientBuilder::new(vec![bootstrap]).backoff_config(backoff).build().await;
    let client = match client {
        Ok(client) => client,
        Err(error) => {
            eprintln!("cannot connect: {error}");
            return ExitCode::FAILURE;
        }
    };
    for name in arguments {
        let mut case = Case::default();
        let context = Context { client: &client, prefix: &prefix };
        let begin = Instant::now();
        let outcome = tokio::time::timeout(CASE_MAX, run_case(&name, &context, &mut case)).await;
        eprintln!("{name}: {:.1} s", begin.elapsed().as_secs_f64());
        let outcome = outcome.unwrap_or_else(|_| Err(Failure::Wrong("not done in time".into())));
        let (outcome, detail) = match outcome {
            Ok(()) => ("pass", String::new()),
            Err(Failure::NotAvailable(what)) => ("n/a", what.to_owned()),
            Err(Failure::Wrong(what)) => ("fail", what),
        };
        println!(
            "{}",
            json!({ "case": name, "outcome": outcome, "detail": detail, "seen": case.seen })
        );
    }
    ExitCode::SUCCESS
}
