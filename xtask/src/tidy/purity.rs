//! Decisions stay pure: no I/O, no clock and no randomness in `core`; no I/O in the protocol.
use super::finding::Finding;
use super::paths::{self, Named};
use super::source::RustFile;

struct Rule {
    /// Where it holds: beginnings of paths.
    within: &'static [&'static str],
    /// Places it does not hold although they are within.
    except: &'static [&'static str],
    /// Beginnings of the paths that may not be named.
    forbidden: &'static [&'static [&'static str]],
    why: &'static str,
}

const RULES: [Rule; 4] = [
    Rule {
        within: &["appliance/src/core/", "protocol/src/"],
        except: &[],
        forbidden: &[
            &["tokio"],
            &["hyper"],
            &["hyper_util"],
            &["rskafka"],
            &["rustix"],
            &["std", "fs"],
            &["std", "net"],
            &["std", "thread"],
            &["std", "process"],
            &["std", "env"],
        ],
        why: "does I/O: do it in a shell and pass the result in",
    },
    Rule {
        within: &["appliance/src/core/"],
        except: &[],
        forbidden: &[
            &["Instant", "now"],
            &["SystemTime", "now"],
            &["Utc", "now"],
            &["Local", "now"],
        ],
        why: "reads a clock: take `now` as an argument",
    },
    Rule {
        within: &["appliance/src/core/"],
        except: &[],
        forbidden: &[&["rand"], &["getrandom"], &["Uuid", "new_v4"], &["Uuid", "now_v7"]],
        why: "is random: take the value or a seed as an argument",
    },
    Rule {
        within: &["appliance/src/"],
        except: &["appliance/src/router/"],
        forbidden: &[&["rskafka"]],
        why: "belongs to the router, which guards its edges",
    },
];

/// Every path that a rule forbids where it stands.
pub(super) fn check(files: &[RustFile]) -> Vec<Finding> {
    files.iter().flat_map(check_file).collect()
}

fn check_file(file: &RustFile) -> Vec<Finding> {
    let holds = |rule: &&Rule| {
        rule.within.iter().any(|start| file.path.starts_with(start))
            && !rule.except.iter().any(|start| file.path.starts_with(start))
    };
    let rules: Vec<&Rule> = RULES.iter().filter(holds).collect();
    let mut findings = Vec::new();
    for named in paths::named(&file.product) {
        if let Some(rule) = rules.iter().find(|rule| breaks(rule, &named)) {
            let message = format!("{} {}", named.segments.join("::"), rule.why);
            findings.push(Finding::new(&file.path, named.line, message));
        }
    }
    findings
}

fn breaks(rule: &Rule, named: &Named) -> bool {
    rule.forbidden.iter().any(|path| match path {
        // A type may be written with or without the path to it.
        [kind, _] if kind.starts_with(char::is_uppercase) => {
            named.segments.windows(path.len()).any(|window| window.iter().eq(path.iter()))
        }
        path => named.starts_with(path),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn count(path: &str, text: &str) -> usize {
        check(&[RustFile::new(path, text.to_owned())]).len()
    }

    #[test]
    fn effects_in_core_are_found() {
        for text in [
            "use tokio::sync::mpsc;",
            "use std::{collections::VecDeque, fs};",
            "fn f() { std::net::TcpStream::connect(x) }",
            "use std::time::Instant; fn f() { Instant::now() }",
            "fn f() { std::time::SystemTime::now() }",
            "use rand::Rng;",
            "use rskafka;",
        ] {
            assert_eq!(count("appliance/src/core/log/a.rs", text), 1, "{text}");
        }
    }

    #[test]
    fn decisions_in_core_and_effects_in_shells_are_fine() {
        let pure = "use std::time::{Duration, Instant}; use bytes::Bytes; fn f(now: Instant) {}\n\
                    #[cfg(test)]\nmod tests { use std::fs; }";
        assert_eq!(count("appliance/src/core/log/a.rs", pure), 0);
        assert_eq!(count("appliance/src/broker/store.rs", "use tokio::fs; use std::fs;"), 0);
        assert_eq!(count("appliance/src/router/a.rs", "use rskafka::client::Client;"), 0);
    }

    #[test]
    fn the_protocol_does_no_io_and_only_the_router_knows_rskafka() {
        assert_eq!(count("protocol/src/kafka/a.rs", "use std::net::TcpStream;"), 1);
        assert_eq!(count("appliance/src/gateway/a.rs", "use rskafka::client::Client;"), 1);
    }
}
