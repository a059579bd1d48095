//! Engines and cases side by side.
use super::cases::Case;

/// A Markdown table: a row for each case, a column for each engine.
pub(super) fn markdown(results: &[(String, Vec<Case>)]) -> String {
    let mut names: Vec<&str> = Vec::new();
    for case in results.iter().flat_map(|(_, cases)| cases) {
        if !names.contains(&case.name.as_str()) {
            names.push(&case.name);
        }
    }
    names.sort_unstable();
    let mut text = String::from("| case |");
    for (engine, _) in results {
        text.push_str(&format!(" {engine} |"));
    }
    text.push_str(&format!("\n|---|{}\n", "---|".repeat(results.len())));
    for name in names {
        text.push_str(&format!("| {} |", name.replace('_', " ")));
        for (_, cases) in results {
            let mark = match cases.iter().find(|case| case.name == name) {
                Some(case) if case.passed => "pass",
                Some(_) => "**FAIL**",
                None => "-",
            };
            text.push_str(&format!(" {mark} |"));
        }
        text.push('\n');
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn engines_stand_beside_each_other() {
        let case = |name: &str, passed| Case { name: name.to_owned(), passed };
        let results = [
            ("embedded".to_owned(), vec![case("b", true), case("a_c", true)]),
            ("kafka".to_owned(), vec![case("b", false)]),
        ];
        let expected = "| case | embedded | kafka |\n|---|---|---|\n\
                        | a c | pass | - |\n| b | pass | **FAIL** |\n";
        assert_eq!(markdown(&results), expected);
    }
}
