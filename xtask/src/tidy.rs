//! `cargo xtask tidy`: checks of the source that compilers do not make.
mod circles;
mod documents;
mod finding;
mod lexer;
mod modules;
mod paths;
mod purity;
mod rooms;
mod sizes;
mod source;
mod words;

use crate::failure::{Failure, Outcome};
use crate::project;
use finding::Finding;
use modules::Modules;

/// Runs every check and prints each finding as `file:line: what, and what to do`.
pub(crate) fn run() -> Outcome {
    let tree = source::Tree::load(&project::root())?;
    let modules = Modules::of(&tree.rust);
    let mut findings: Vec<Finding> = Vec::new();
    findings.extend(circles::check(&tree.rust, &modules));
    findings.extend(rooms::check(&tree.rust, &modules));
    findings.extend(purity::check(&tree.rust));
    findings.extend(sizes::check(&tree.rust));
    findings.extend(words::check(&tree));
    findings.extend(documents::check(&tree));
    findings.sort();
    for finding in &findings {
        println!("{finding}");
    }
    println!("tidy: {}", sizes::summary(&tree.rust));
    match findings.len() {
        0 => Ok(()),
        1 => Err(Failure::new("tidy found 1 thing to mend")),
        count => Err(Failure::new(format!("tidy found {count} things to mend"))),
    }
}
