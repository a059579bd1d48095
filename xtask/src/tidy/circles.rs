//! Imports form no circle, not even between sibling files or from a child back to its parent.
use super::finding::Finding;
use super::modules::{Arrow, Modules};
use super::source::RustFile;

/// One finding for each arrow that closes a circle.
pub(super) fn check(files: &[RustFile], modules: &Modules) -> Vec<Finding> {
    let mut state = vec![State::New; files.len()];
    let mut findings = Vec::new();
    for start in 0..files.len() {
        let mut trail = Vec::new();
        visit(start, files, modules, &mut state, &mut trail, &mut findings);
    }
    findings
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    New,
    OnTrail,
    Done,
}

fn visit(
    at: usize,
    files: &[RustFile],
    modules: &Modules,
    state: &mut [State],
    trail: &mut Vec<usize>,
    findings: &mut Vec<Finding>,
) {
    if state.get(at) != Some(&State::New) {
        return;
    }
    set(state, at, State::OnTrail);
    trail.push(at);
    for arrow in modules.arrows.iter().filter(|arrow| arrow.from == at) {
        match state.get(arrow.to) {
            Some(State::OnTrail) => findings.extend(circle(files, trail, arrow)),
            Some(State::New) => visit(arrow.to, files, modules, state, trail, findings),
            _ => {}
        }
    }
    trail.pop();
    set(state, at, State::Done);
}

fn set(state: &mut [State], at: usize, to: State) {
    if let Some(slot) = state.get_mut(at) {
        *slot = to;
    }
}

fn circle(files: &[RustFile], trail: &[usize], closing: &Arrow) -> Option<Finding> {
    let begin = trail.iter().position(|at| *at == closing.to)?;
    let around = trail.iter().skip(begin).chain([&closing.to]);
    let names: Vec<_> = around.filter_map(|at| Some(files.get(*at)?.path.as_str())).collect();
    let message = format!(
        "closes an import circle: {}; move what is shared into a file that both import",
        names.join(" -> ")
    );
    Some(Finding::new(&files.get(closing.from)?.path, closing.line, message))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn findings(files: &[(&str, &str)]) -> Vec<Finding> {
        let files: Vec<_> =
            files.iter().map(|(path, text)| RustFile::new(path, (*text).to_owned())).collect();
        check(&files, &Modules::of(&files))
    }

    #[test]
    fn siblings_that_import_each_other_are_a_circle() {
        let found = findings(&[
            ("appliance/src/router/a.rs", "use super::b::B;"),
            ("appliance/src/router/b.rs", "\nuse crate::router::c::C;"),
            ("appliance/src/router/c.rs", "fn f() { super::a::A }"),
        ]);
        assert_eq!(found.len(), 1);
        assert!(found[0].message.contains("router/a.rs -> appliance/src/router/b.rs -> appliance/src/router/c.rs -> appliance/src/router/a.rs"));
    }

    #[test]
    fn a_child_that_imports_its_parents_items_is_a_circle() {
        let found = findings(&[
            ("appliance/src/router/mod.rs", "mod a; pub struct Config;"),
            ("appliance/src/router/a.rs", "use super::Config;"),
        ]);
        assert_eq!(found.len(), 1, "{found:?}");
    }

    #[test]
    fn siblings_through_their_parents_path_are_fine() {
        let found = findings(&[
            ("appliance/src/router/mod.rs", "mod a; mod b; pub use a::A;"),
            ("appliance/src/router/a.rs", "use super::b::B;"),
            ("appliance/src/router/b.rs", "#[cfg(test)]\nmod tests { use super::super::a::A; }"),
        ]);
        assert_eq!(found, []);
    }
}
