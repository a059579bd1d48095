//! README.md and the example configuration say what `--help` says.
use crate::support::appliance::{self, Appliance};
use crate::support::blocks;

/// One setting, as `pagi-appliance gateway --help` shows it.
#[derive(Debug, Default)]
struct Setting {
    flag: String,
    variable: String,
    default: String,
    meaning: String,
}

/// The settings of the gateway, but not `--help` and the like, which have no variable.
fn settings() -> Vec<Setting> {
    let output = appliance::command(&["gateway", "--help"]).output().expect("it runs");
    let help = String::from_utf8(output.stdout).expect("help is text");
    let mut options: Vec<String> = Vec::new();
    for line in help.lines() {
        let line = line.trim_start();
        if line.starts_with("--") {
            options.push(line.to_owned());
        } else if line.starts_with('-') || line.is_empty() {
            options.push(String::new());
        } else if let Some(option) = options.last_mut().filter(|option| !option.is_empty()) {
            option.push(' ');
            option.push_str(line);
        }
    }
    options
        .iter()
        .filter(|option| option.contains("[env: "))
        .map(|option| setting(option))
        .collect()
}

fn setting(option: &str) -> Setting {
    let bracketed = |label: &str| {
        let (_, rest) = option.split_once(&format!("[{label}: ")).unwrap_or_default();
        rest.split(']').next().unwrap_or_default().to_owned()
    };
    let (flag, rest) = option.split_once([' ', '=', '[']).expect("a flag and more");
    let meaning = rest.split_once('>').map_or(rest, |(_, meaning)| meaning);
    let meaning = meaning.split(" [").next().unwrap_or_default();
    Setting {
        flag: flag.to_owned(),
        variable: bracketed("env"),
        default: bracketed("default"),
        meaning: meaning.trim_start_matches(']').trim().to_owned(),
    }
}

#[test]
fn the_readme_has_every_setting_as_help_says_it() {
    let mut table = String::from("| flag | variable | default | |\n|---|---|---|---|\n");
    for Setting { flag, variable, default, meaning } in settings() {
        let words = default.is_empty() || default.contains(' ');
        let default = if words { default } else { format!("`{default}`") };
        table.push_str(&format!("| `{flag}` | `{variable}` | {default} | {meaning} |\n"));
    }
    let text = blocks::text("README.md");
    let section = blocks::section(&text, "Configuration");
    assert!(section.contains(&table), "the README's table should be\n{table}");
}

#[test]
fn the_example_configuration_names_every_setting_with_its_default_and_is_accepted() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../deploy/config.example.toml");
    let example = std::fs::read_to_string(path).expect("the example is there");
    let known = |line: &&str| line.starts_with("# ") && line.contains(" = ");
    let lines: Vec<&str> = example.lines().filter(known).map(|line| &line[2..]).collect();
    for Setting { flag, default, .. } in settings() {
        let key = flag.trim_start_matches('-').replace('-', "_");
        if key == "config" || default.is_empty() || default.contains(' ') {
            continue; // it cannot name itself; the others have no default that could be written
        }
        let plain = matches!(default.as_str(), "true" | "false") || default.parse::<u64>().is_ok();
        let value = if plain { default } else { format!("\"{default}\"") };
        let line = format!("{key} = {value}");
        assert!(lines.contains(&line.as_str()), "the example has no line `# {line}`");
    }
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("config.toml");
    let brokers = |line: &&&str| !line.starts_with("brokers ") && !line.starts_with("advertised_");
    let uncommented: Vec<&str> = lines.iter().filter(brokers).copied().collect();
    std::fs::write(&file, uncommented.join("\n")).unwrap();
    let file = file.to_str().expect("a path of text");
    drop(Appliance::start_with(&folder.path().join("data"), &["--config", file]));
}
