//! The commands that operate a broker.
use serde_json::Value;

use super::appliance;

/// Runs a command: its exit code, what it printed, and what it complained of.
pub(crate) fn run(brokers: &str, arguments: &[&str]) -> (i32, String, String) {
    let mut command = appliance::command(arguments);
    let output = command.args(["--brokers", brokers]).output().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (output.status.code().unwrap(), text(output.stdout), text(output.stderr))
}

/// Runs a command that succeeds, and reads its JSON.
pub(crate) fn json(brokers: &str, arguments: &[&str]) -> Value {
    let (code, printed, errors) = run(brokers, &[arguments, &["--output", "json"]].concat());
    assert_eq!((code, errors.as_str()), (0, ""), "{arguments:?}");
    serde_json::from_str(&printed).unwrap()
}
