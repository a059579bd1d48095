//! Which file holds which module, and which file refers to which.
use std::collections::BTreeMap;

use super::paths::{self, Named};
use super::source::RustFile;

/// A file's place: the crate it belongs to, and its module path within.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Place {
    /// `appliance`, `protocol`, `xtask` or `tests/it`; `appliance/main` for a binary's root.
    pub(super) krate: String,
    pub(super) module: Vec<String>,
}

/// One file refers to another.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Arrow {
    /// Indexes into the files given to [`Modules::of`].
    pub(super) from: usize,
    pub(super) to: usize,
    pub(super) line: usize,
}

/// All modules and the arrows between them.
#[derive(Debug)]
pub(super) struct Modules {
    places: Vec<Option<Place>>,
    by_place: BTreeMap<Place, usize>,
    pub(super) arrows: Vec<Arrow>,
}

impl Modules {
    pub(super) fn of(files: &[RustFile]) -> Self {
        let places: Vec<_> = files.iter().map(|file| place(&file.path)).collect();
        let by_place = places.iter().enumerate();
        let by_place = by_place.filter_map(|(at, place)| Some((place.clone()?, at))).collect();
        let mut modules = Self { places, by_place, arrows: Vec::new() };
        for (from, file) in files.iter().enumerate() {
            let arrows = modules.arrows_of(from, file);
            modules.arrows.extend(arrows);
        }
        modules
    }

    fn arrows_of(&self, from: usize, file: &RustFile) -> Vec<Arrow> {
        let Some(Some(place)) = self.places.get(from) else { return Vec::new() };
        let mut arrows = Vec::new();
        // A declaration is an arrow too: a child that refers to its parent closes a circle.
        for (name, line) in paths::declared(&file.product) {
            let mut module = place.module.clone();
            module.push(name);
            let child = Place { krate: library(&place.krate).to_owned(), module };
            arrows.extend(self.by_place.get(&child).map(|to| Arrow { from, to: *to, line }));
        }
        for named in paths::named(&file.product) {
            let target = absolute(place, &named).and_then(|target| self.nearest(target));
            arrows.extend(target.map(|to| Arrow { from, to, line: named.line }));
        }
        arrows.retain(|arrow| arrow.from != arrow.to);
        arrows
    }

    /// The file of the innermost module on the way to `place`.
    fn nearest(&self, mut place: Place) -> Option<usize> {
        loop {
            if let Some(found) = self.by_place.get(&place) {
                return Some(*found);
            }
            place.module.pop()?;
        }
    }
}

/// A binary beside a library has a root of its own but declares no modules of its own.
fn library(krate: &str) -> &str {
    krate.strip_suffix("/main").unwrap_or(krate)
}

/// The place of the file at `path`; none for build scripts, examples and the like.
pub(super) fn place(path: &str) -> Option<Place> {
    let (krate, inside) = ["appliance", "protocol", "wiretap", "xtask"]
        .iter()
        .find_map(|krate| Some((*krate, path.strip_prefix(krate)?.strip_prefix("/src/")?)))
        .or_else(|| {
            let krate = path.strip_prefix("tests/")?.split('/').next()?;
            let krate = path.get(..krate.len() + "tests/".len())?;
            Some((krate, path.strip_prefix(krate)?.strip_prefix('/')?))
        })?;
    let inside = inside.strip_suffix(".rs")?;
    if inside == "main" && krate == "appliance" {
        return Some(Place { krate: format!("{krate}/main"), module: Vec::new() });
    }
    let mut module: Vec<String> = inside.split('/').map(str::to_owned).collect();
    if matches!(module.last().map(String::as_str), Some("mod" | "lib" | "main")) {
        module.pop();
    }
    Some(Place { krate: krate.to_owned(), module })
}

/// Where a path leads, seen from `place`; none if it leaves the project or stays in the file.
fn absolute(place: &Place, named: &Named) -> Option<Place> {
    let mut rest = named.segments.iter().map(String::as_str).peekable();
    let (krate, mut module) = match rest.next()? {
        "pagi_appliance" => ("appliance", Vec::new()),
        "pagi_protocol" => ("protocol", Vec::new()),
        "pagi_wiretap" => ("wiretap", Vec::new()),
        "crate" => (place.krate.as_str(), Vec::new()),
        "self" if named.inline_depth == 0 => (library(&place.krate), place.module.clone()),
        "super" => {
            let mut ups = 1;
            while rest.next_if_eq(&"super").is_some() {
                ups += 1;
            }
            let ups = usize::checked_sub(ups, named.inline_depth).filter(|ups| *ups > 0)?;
            let length = place.module.len().checked_sub(ups)?;
            (library(&place.krate), place.module.iter().take(length).cloned().collect())
        }
        _ => return None,
    };
    module.extend(rest.map(str::to_owned));
    Some(Place { krate: krate.to_owned(), module })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn arrows(files: &[(&str, &str)]) -> Vec<(String, String)> {
        let files: Vec<_> =
            files.iter().map(|(path, text)| RustFile::new(path, (*text).to_owned())).collect();
        let modules = Modules::of(&files);
        let path = |at: usize| files[at].path.clone();
        modules.arrows.iter().map(|arrow| (path(arrow.from), path(arrow.to))).collect()
    }

    #[test]
    fn a_path_leads_to_the_file_of_the_innermost_module() {
        let found = arrows(&[
            ("appliance/src/gateway/publish.rs", "use crate::router::{Config, record::Record};"),
            ("appliance/src/router/mod.rs", ""),
            ("appliance/src/router/record.rs", "use pagi_protocol::topic::TopicName;"),
            ("protocol/src/topic.rs", ""),
        ]);
        let expected = [
            ("appliance/src/gateway/publish.rs", "appliance/src/router/mod.rs"),
            ("appliance/src/gateway/publish.rs", "appliance/src/router/record.rs"),
            ("appliance/src/router/record.rs", "protocol/src/topic.rs"),
        ];
        assert_eq!(found, expected.map(|(a, b)| (a.to_owned(), b.to_owned())));
    }

    #[test]
    fn super_means_the_parent_module_unless_it_stands_in_an_inline_module() {
        let found = arrows(&[
            ("xtask/src/a/b.rs", "use super::c::D; mod inline { use super::x; }"),
            ("xtask/src/a/c.rs", "fn f() { super::g() }"),
            ("xtask/src/a.rs", ""),
        ]);
        let expected =
            [("xtask/src/a/b.rs", "xtask/src/a/c.rs"), ("xtask/src/a/c.rs", "xtask/src/a.rs")];
        assert_eq!(found, expected.map(|(a, b)| (a.to_owned(), b.to_owned())));
    }

    #[test]
    fn a_declaration_is_an_arrow_and_tests_are_none() {
        let found = arrows(&[
            (
                "tests/it/main.rs",
                "mod support;\n#[cfg(test)]\nmod tests { use crate::support::X; }",
            ),
            ("tests/it/support/mod.rs", ""),
        ]);
        assert_eq!(found, [("tests/it/main.rs".into(), "tests/it/support/mod.rs".into())]);
    }
}
