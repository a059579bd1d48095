//! Flags, environment and file; and what a person is told whose start fails.
use std::net::{SocketAddr, TcpListener};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Command, Output};

use crate::support::appliance::command;
use crate::support::gateway::unused_address;
use crate::support::process::Process;
use crate::support::skip;

/// A gateway that needs no broker to start, on ports of its own.
fn gateway(more: &[&str]) -> Command {
    let mut command = command(&["gateway", "--brokers", "127.0.0.1:1"]);
    command.args(["--admin-listen", "127.0.0.1:0"]).args(more);
    command
}

/// Where a gateway that was started with `command` says that it is.
fn address_of(command: &mut Command) -> String {
    let process = Process::start(command);
    let line = process.line().unwrap_or_else(|| panic!("{}", process.errors()));
    let rest = line.split_once(" HTTP http://").unwrap_or_else(|| panic!("{line}")).1;
    rest.split(',').next().unwrap().to_owned()
}

/// Checks that `command` ends with `code`, says each of `words`, and nothing on stdout.
fn assert_refused(command: &mut Command, code: i32, words: &[&str]) {
    let Output { status, stdout, stderr } = command.output().unwrap();
    let stderr = String::from_utf8(stderr).unwrap();
    assert_eq!(status.code(), Some(code), "{stderr}");
    assert_eq!(stdout, b"", "{stderr}");
    for word in words {
        assert!(stderr.contains(word), "no {word:?} in: {stderr}");
    }
}

fn file(folder: &Path, text: &str) -> String {
    let path = folder.join("pagi.toml");
    std::fs::write(&path, text).unwrap();
    path.to_str().unwrap().to_owned()
}

#[test]
fn a_flag_wins_over_the_environment_and_that_over_the_file() {
    let folder = tempfile::tempdir().unwrap();
    let [flag, variable, key] = [(); 3].map(|()| unused_address().to_string());
    let path = file(folder.path(), &format!("http_listen = \"{key}\"\naudit = true\n"));

    let from_file = &["--config", &path];
    assert_eq!(address_of(&mut gateway(from_file)), key);
    assert_eq!(address_of(gateway(from_file).env("PAGI_HTTP_LISTEN", &variable)), variable);
    let all = &["--config", &path, "--http-listen", &flag];
    assert_eq!(address_of(gateway(all).env("PAGI_HTTP_LISTEN", &variable)), flag);
    assert_eq!(address_of(gateway(&[]).env("PAGI_CONFIG", &path)), key);
}

#[test]
fn port_0_takes_a_free_port_and_says_which() {
    let address: SocketAddr =
        address_of(&mut gateway(&["--http-listen", "127.0.0.1:0"])).parse().unwrap();
    assert_ne!(address.port(), 0);
}

#[test]
fn a_file_serves_every_command_and_may_be_missing_where_that_is_said() {
    let folder = tempfile::tempdir().unwrap();
    let address = unused_address().to_string();
    let text = format!("http_listen = \"{address}\"\ngroup = \"of the router's consumer\"");
    let path = file(folder.path(), &text);
    assert_eq!(address_of(&mut gateway(&["--config", &path])), address);
    let missing = format!("-{}/missing.toml", folder.path().display());
    let listen = ["--config", &missing, "--http-listen", &address];
    assert_eq!(address_of(&mut gateway(&listen)), address);
    let missing = missing.trim_start_matches('-');
    assert_refused(&mut gateway(&["--config", missing]), 2, &[missing, "cannot be read"]);
}

#[test]
fn mistakes_in_the_file_are_named() {
    let folder = tempfile::tempdir().unwrap();
    for (text, words) in [
        ("htp_listen = 'x'", ["pagi.toml", "unknown key `htp_listen`"]),
        ("[gateway]\nhttp_listen = 'x'", ["pagi.toml", "unknown key `gateway`"]),
        ("http_listen = 'here'", ["pagi.toml", "'here' for '--http-listen"]),
        ("drain_timeout = 10", ["pagi.toml", "500ms, 10s"]),
        ("audit = 'perhaps'", ["pagi.toml", "perhaps"]),
        ("http_listen = ", ["pagi.toml", "line 1"]),
        ("identity_url = 'https://a'", ["pagi.toml", "http://"]),
    ] {
        let path = file(folder.path(), text);
        assert_refused(&mut gateway(&["--config", &path]), 2, &words);
    }
}

#[test]
fn mistakes_on_the_command_line_and_in_the_environment_are_named() {
    for (arguments, words) in [
        (&["--http-listen", "8080"][..], &["--http-listen", "8080"][..]),
        (&["--no-such-flag"], &["--no-such-flag"]),
        (&["--brokers", "nowhere"], &["--brokers", "\"nowhere\" is not host:port"]),
        (&["--identity-url", "ftp://a"], &["--identity-url", "http://"]),
        (&["--drain-timeout", "soon"], &["--drain-timeout", "soon", "10s"]),
        (&["--publish-body-bytes-max", "100MiB"], &["--publish-in-flight-bytes-max"]),
        (&["--identity-url", "http://a,b"], &["--identity-url", "http://"]),
        (&["--identity-health-path", "healthz"], &["--identity-health-path", "/"]),
        (&["--identity-connect-timeout", "2m"], &["--identity-total-timeout"]),
        (&["--log-level", "shout=loud"], &["--log-level"]),
    ] {
        assert_refused(&mut gateway(arguments), 2, words);
    }
    let words = ["PAGI_HTTP_LISTEN", "here"];
    assert_refused(gateway(&[]).env("PAGI_HTTP_LISTEN", "here"), 2, &words[1..]);
}

#[test]
fn other_machines_are_kept_out_unless_the_user_says_otherwise() {
    for flag in ["--http-listen", "--admin-listen"] {
        let words = [flag, "0.0.0.0:0", "no credentials", "--insecure-listen-anywhere"];
        let mut command = command(&["gateway", "--brokers", "127.0.0.1:1", flag, "0.0.0.0:0"]);
        assert_refused(&mut command, 2, &words);
    }
    let kafka = ["broker", "--kafka-listen", "0.0.0.0:0"];
    assert_refused(&mut command(&kafka), 2, &["--kafka-listen", "--insecure-listen-anywhere"]);

    let anywhere = ["--http-listen", "0.0.0.0:0", "--insecure-listen-anywhere"];
    assert!(address_of(&mut gateway(&anywhere)).starts_with("0.0.0.0:"));
}

#[test]
fn a_port_in_use_is_named_with_the_flag_that_changes_it() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let words = [address.as_str(), "--http-listen", "Another process", "port 0"];
    assert_refused(&mut gateway(&["--http-listen", &address]), 3, &words);
}

/// A broker on `data_dir`, on ports of its own.
fn broker(data_dir: &Path) -> Command {
    let listen = ["broker", "--kafka-listen", "127.0.0.1:0", "--admin-listen", "127.0.0.1:0"];
    let mut command = command(&listen);
    command.arg("--data-dir").arg(data_dir);
    command
}

#[test]
fn a_data_folder_that_cannot_be_used_is_named_with_the_reason() {
    let folder = tempfile::tempdir().unwrap();
    let other = folder.path().join("other");
    std::fs::create_dir(&other).unwrap();
    std::fs::write(other.join("notes.txt"), "mine").unwrap();
    let name = other.to_str().unwrap();
    assert_refused(&mut broker(&other), 3, &[name, "not a data folder", "notes.txt"]);
    let file = other.join("notes.txt");
    assert_refused(&mut broker(&file), 3, &[file.to_str().unwrap(), "cannot be used"]);
    assert_eq!(std::fs::read_to_string(&file).unwrap(), "mine", "nothing was touched");
}

#[test]
fn a_data_folder_in_use_is_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    let first = Process::start(&mut broker(folder.path()));
    first.line().unwrap_or_else(|| panic!("{}", first.errors()));
    let words = [folder.path().to_str().unwrap(), "another process is using it"];
    assert_refused(&mut broker(folder.path()), 3, &words);
}

#[test]
fn a_data_folder_that_may_not_be_written_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let read_only = folder.path().join("read-only");
    std::fs::create_dir(&read_only).unwrap();
    let permit = |path: &Path, mode| {
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
    };
    permit(folder.path(), 0o755);
    permit(&read_only, 0o555);
    let mut command = broker(&read_only);
    if std::fs::write(read_only.join("probe"), "").is_ok() {
        std::fs::remove_file(read_only.join("probe")).unwrap();
        // We are root, who may write everywhere; nobody may not.
        if command.uid(NOBODY).output().is_err() {
            return skip::say("the user nobody cannot run the binary, and root is never refused");
        }
    }
    assert_refused(&mut command, 3, &[read_only.to_str().unwrap(), "Permission denied"]);
}

const NOBODY: u32 = 65534;

#[test]
fn without_a_command_there_is_help_with_examples_and_exit_codes() {
    let output = command(&["--help"]).output().unwrap();
    let help = String::from_utf8(output.stdout).unwrap();
    for word in ["Examples:", "pagi-appliance gateway", "Exit codes:", "PAGI_FOO_BAR"] {
        assert!(help.contains(word), "no {word:?} in: {help}");
    }
    assert_refused(&mut command(&[]), 2, &["Usage:"]);
}

#[test]
fn logs_are_one_json_object_a_line_where_nobody_reads_along() {
    let process = Process::start(&mut gateway(&["--http-listen", "127.0.0.1:0"]));
    process.line().unwrap();
    let line = crate::support::wait::until("a log line is there", || {
        process.errors().lines().next().map(str::to_owned)
    });
    let line: serde_json::Value = serde_json::from_str(&line).unwrap();
    assert_eq!((&line["level"], &line["message"]), (&"INFO".into(), &"ready".into()));
}
