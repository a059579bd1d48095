//! Who may import whom between the rooms of the appliance.
use super::finding::Finding;
use super::modules::{Modules, place};
use super::source::RustFile;

/// The table itself: ARCHITECTURE.md quotes it word for word, and this file reads it.
pub(super) const TABLE: &str = "\
main    -> app cli config telemetry
app     -> cli config gateway router proxy broker operate core
cli     -> config gateway router proxy broker operate
config  -> gateway router proxy broker core
gateway -> router proxy core
router  -> core
operate -> router core
proxy   -> core
broker  -> core
core    ->
any     -> protocol limits
any but core -> telemetry shutdown
";

/// Rooms that others may import, as the table's last two rows say.
const LEAVES: [&str; 4] = ["protocol", "limits", "telemetry", "shutdown"];

/// Every arrow between two rooms that the table does not have.
pub(super) fn check(files: &[RustFile], modules: &Modules) -> Vec<Finding> {
    let mut findings = Vec::new();
    for arrow in &modules.arrows {
        let (Some(from), Some(to)) = (files.get(arrow.from), files.get(arrow.to)) else { continue };
        if let (Some(a), Some(b)) = (room(&from.path), room(&to.path))
            && !allowed(&a, &b)
        {
            let message =
                format!("{a} may not import {b}; ARCHITECTURE.md says who may import whom");
            findings.push(Finding::new(&from.path, arrow.line, message));
        }
    }
    findings
}

/// The room a file stands in; none for what only declares rooms, and for tests and tools.
fn room(path: &str) -> Option<String> {
    let place = place(path)?;
    match place.krate.as_str() {
        "appliance/main" => Some("main".to_owned()),
        "appliance" => place.module.first().cloned(),
        "protocol" => Some("protocol".to_owned()),
        _ => None,
    }
}

fn allowed(from: &str, to: &str) -> bool {
    if from == to {
        return true;
    }
    if LEAVES.contains(&to) {
        let services = matches!(to, "telemetry" | "shutdown");
        // A leaf may lean on what is simpler than itself, never the other way round.
        return !(services && (from == "core" || LEAVES.contains(&from)))
            && !(from == "protocol" || from == "limits");
    }
    let row = TABLE.lines().filter_map(|line| line.split_once("->"));
    let row = row.into_iter().find(|(room, _)| room.trim() == from);
    row.is_some_and(|(_, targets)| targets.split_whitespace().any(|target| target == to))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn findings(path: &str, text: &str) -> Vec<Finding> {
        let names = ["app", "cli", "config", "limits", "shutdown", "telemetry"];
        let folders = ["gateway", "router", "proxy", "broker", "core"];
        let mut files = vec![RustFile::new(path, text.to_owned())];
        files.extend(names.map(|n| RustFile::new(&format!("appliance/src/{n}.rs"), String::new())));
        let folder = |n| RustFile::new(&format!("appliance/src/{n}/mod.rs"), String::new());
        files.extend(folders.map(folder));
        files.push(RustFile::new("protocol/src/lib.rs", String::new()));
        files.push(RustFile::new("appliance/src/lib.rs", String::new()));
        check(&files, &Modules::of(&files))
    }

    #[test]
    fn what_the_table_has_is_allowed() {
        for (path, text) in [
            ("appliance/src/main.rs", "use pagi_appliance::{app, cli};"),
            ("appliance/src/app/run.rs", "use crate::{broker, gateway, router, shutdown};"),
            ("appliance/src/gateway/publish.rs", "use crate::router::R; use crate::core::x;"),
            ("appliance/src/broker/store.rs", "use crate::limits::X; use pagi_protocol::Y;"),
            ("appliance/src/core/log/wal.rs", "use crate::limits::X; use crate::core::batcher::Y;"),
        ] {
            assert_eq!(findings(path, text), [], "{path}");
        }
    }

    #[test]
    fn what_the_table_has_not_is_found() {
        for (path, text) in [
            ("appliance/src/router/a.rs", "use crate::broker::B;"),
            ("appliance/src/broker/a.rs", "use crate::router::R;"),
            ("appliance/src/gateway/a.rs", "fn f() { crate::broker::x() }"),
            ("appliance/src/core/a.rs", "use crate::shutdown::Shutdown;"),
            ("appliance/src/core/log/a.rs", "use crate::gateway;"),
            ("appliance/src/router/a.rs", "use crate::app::run;"),
            ("appliance/src/config.rs", "use crate::app::run;"),
            ("appliance/src/main.rs", "use pagi_appliance::broker;"),
            ("appliance/src/shutdown.rs", "use crate::telemetry;"),
            ("protocol/src/a.rs", "use pagi_appliance::core;"),
        ] {
            assert_eq!(findings(path, text).len(), 1, "{path}: {text}");
        }
    }
}
