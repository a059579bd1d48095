//! The TOML file as command-line arguments: the key `http_listen` is the flag `--http-listen`.
//!
//! **Invariants.** A key that is no flag of any command is an error that names it; one that is a
//! flag of another command is passed over, so that one file serves every command. A flag that was
//! given on the command line or in the environment wins over the file.
use clap::parser::ValueSource;
use clap::{Arg, ArgMatches, Command};
use toml::{Table, Value};

/// The arguments that `text` stands for, for `command` whose arguments so far are `matches`.
///
/// # Errors
/// A sentence that names the key, or the place in the file.
pub fn arguments(
    text: &str,
    root: &Command,
    command: &Command,
    matches: &ArgMatches,
) -> Result<Vec<String>, String> {
    let table: Table = text.parse().map_err(|error: toml::de::Error| error.to_string())?;
    let mut arguments = Vec::new();
    for (key, value) in table {
        if !is_known(root, &key) {
            return Err(format!("unknown key `{key}`; the keys are the long flags, with _ for -"));
        }
        let value = argument(&key, value)?;
        let Some(flag) = flag(command, &key) else { continue };
        let given = matches.value_source(flag.get_id().as_str());
        if !matches!(given, Some(ValueSource::CommandLine | ValueSource::EnvVariable)) {
            let long = flag.get_long().unwrap_or_default();
            arguments.push(format!("--{long}={value}"));
        }
    }
    Ok(arguments)
}

fn argument(key: &str, value: Value) -> Result<String, String> {
    match value {
        Value::String(text) => Ok(text),
        Value::Integer(number) => Ok(number.to_string()),
        Value::Boolean(truth) => Ok(truth.to_string()),
        Value::Array(values) => {
            let texts = values.into_iter().map(|value| match value {
                Value::String(text) => Ok(text),
                other => Err(format!("`{key}` holds a {}, not a string", other.type_str())),
            });
            Ok(texts.collect::<Result<Vec<String>, String>>()?.join(","))
        }
        other => Err(format!(
            "`{key}` is a {}, not a string, a number, true, false or a list of strings",
            other.type_str()
        )),
    }
}

fn is_known(command: &Command, key: &str) -> bool {
    flag(command, key).is_some() || command.get_subcommands().any(|inner| is_known(inner, key))
}

/// The flag that a key stands for; `config` cannot be set from the file itself.
fn flag<'a>(command: &'a Command, key: &str) -> Option<&'a Arg> {
    let long = key.replace('_', "-");
    let excluded = ["config", "help", "version"].contains(&long.as_str()) || key.contains('-');
    command.get_arguments().find(|arg| arg.get_long() == Some(&long)).filter(|_| !excluded)
}

#[cfg(test)]
mod tests {
    use clap::ArgAction;

    use super::*;

    fn from(text: &str, given: &[&str]) -> Result<Vec<String>, String> {
        let arg = |name: &'static str| Arg::new(name).long(name).action(ArgAction::Set);
        let mut root = Command::new("x").arg(arg("config")).subcommands([
            Command::new("one").args(["http-listen", "audit", "brokers"].map(arg)),
            Command::new("two").args(["data-dir"].map(arg)),
        ]);
        root.build();
        let matches = root.clone().get_matches_from(["x", "one"].iter().chain(given));
        let command = root.find_subcommand("one").unwrap();
        arguments(text, &root, command, matches.subcommand().unwrap().1)
    }

    #[test]
    fn keys_are_flags() {
        let text = "http_listen = \"a:1\"\naudit = true\nbrokers = [\"a:1\", \"b:2\"]";
        let mut arguments = from(text, &[]).unwrap();
        arguments.sort();
        assert_eq!(arguments, ["--audit=true", "--brokers=a:1,b:2", "--http-listen=a:1"]);
    }

    #[test]
    fn what_was_given_wins_and_what_is_for_another_command_is_passed_over() {
        let text = "http_listen = \"a:1\"\ndata_dir = \"x\"";
        assert_eq!(from(text, &["--http-listen", "b:2"]).unwrap(), Vec::<String>::new());
    }

    #[test]
    fn mistakes_are_named() {
        for (text, why) in [
            ("htp_listen = 1", "unknown key `htp_listen`"),
            ("http-listen = 1", "unknown key `http-listen`"),
            ("config = \"x\"", "unknown key `config`"),
            ("[http_listen]\na = 1", "`http_listen` is a table"),
            ("audit = 1.5", "`audit` is a float"),
            ("brokers = [1]", "`brokers` holds a integer"),
            ("audit = ", "line 1"),
            ("audit = true\naudit = false", "duplicate key"),
        ] {
            let error = from(text, &[]).unwrap_err();
            assert!(error.contains(why), "{text}: {error}");
        }
    }
}
