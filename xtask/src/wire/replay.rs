//! `cargo xtask wire replay`: a recording said again to another broker, and what differs.
use std::path::PathBuf;
use std::time::Duration;

use pagi_wiretap::fields::Value;
use pagi_wiretap::replay::{Difference, replay};

use super::names;
use super::record::resolve;
use super::show::read;
use crate::failure::{Failure, Outcome, While};

const EXAMPLES: &str = "\
To a broker with an empty data folder, or topics will be there that were not when this was recorded:

  pagi-appliance gateway --data-dir /tmp/empty
  cargo xtask wire replay kcat.wire --brokers 127.0.0.1:9092";

/// What to say to whom.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Arguments {
    /// The recording.
    file: PathBuf,
    /// The broker.
    #[arg(long, value_name = "HOST:PORT")]
    brokers: String,
    /// Only error codes and what cannot be read; no lists of another length, no nulls.
    #[arg(long)]
    codes: bool,
    /// How long to wait for an answer.
    #[arg(long, value_name = "SECONDS", default_value_t = 30)]
    patience: u64,
}

/// Says it, prints each difference, and fails if there was one.
pub(crate) fn run(arguments: &Arguments) -> Outcome {
    let conversation = read(&arguments.file)?;
    let broker = resolve(&arguments.brokers)?;
    let differences = replay(&conversation, broker, Duration::from_secs(arguments.patience))
        .on(format!("replay {} to {broker}", arguments.file.display()))?;
    let told = differences.iter().filter(|(_, difference)| {
        !(arguments.codes && matches!(difference, Difference::Shape { .. }))
    });
    let mut count = 0;
    for (at, difference) in told {
        let Some(exchange) = conversation.exchanges.get(*at) else { continue };
        let (api, version) = (names::api(exchange.header.api_key), exchange.header.api_version);
        println!(
            "exchange {at}, connection {}, {api} v{version}: {}",
            exchange.connection,
            sentence(difference)
        );
        count += 1;
    }
    let exchanges = conversation.exchanges.len();
    if count > 0 {
        return Err(Failure::new(format!("{count} differences in {exchanges} exchanges")));
    }
    println!("{exchanges} exchanges, no difference");
    Ok(())
}

fn sentence(difference: &Difference) -> String {
    let code = |code: &Option<i16>| code.map_or_else(|| "not there".to_owned(), names::code);
    match difference {
        Difference::Code { path, recorded, new } => {
            format!("{path} was {}, is {}", code(recorded), code(new))
        }
        Difference::Shape { path, recorded, new } => {
            format!("{path} was {}, is {}", shape(recorded), shape(new))
        }
        Difference::Behind(bytes) => format!("{bytes} bytes behind the answer's last field"),
        Difference::Unreadable(error) => format!("the answer cannot be read: {error}"),
    }
}

fn shape(value: &Value) -> String {
    match value {
        Value::Null => "null".to_owned(),
        Value::List(count) => format!("a list of {count}"),
        Value::Number(_) | Value::Id(_) | Value::Text(_) | Value::Bytes(_) => "a value".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn differences_are_told_with_kafkas_names() {
        let path = "topics[a].error_code".to_owned();
        let code = Difference::Code { path, recorded: Some(0), new: Some(3) };
        assert_eq!(sentence(&code), "topics[a].error_code was NONE, is UNKNOWN_TOPIC_OR_PARTITION");
        let path = "topics".to_owned();
        let shape = Difference::Shape { path, recorded: Value::List(2), new: Value::Null };
        assert_eq!(sentence(&shape), "topics was a list of 2, is null");
    }
}
