//! What commands print: tables for people, JSON for programs, from the same cells.
//!
//! **Invariants.** Nothing that a broker says can move the terminal's cursor: control characters
//! are shown escaped.
use std::io::{self, Write};

use clap::ValueEnum;
use serde_json::{Map, Value};

use super::error::OperateError;

/// How to print a result.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
pub enum Format {
    /// Columns, for people.
    #[default]
    Table,
    /// JSON, for programs.
    Json,
}

/// Rows under named columns.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Table {
    columns: &'static [&'static str],
    rows: Vec<Vec<Value>>,
}

impl Table {
    /// A table without rows. The columns' names are the keys in JSON, in snake case.
    pub(super) const fn new(columns: &'static [&'static str]) -> Self {
        Self { columns, rows: Vec::new() }
    }

    /// One more row, with a cell for each column.
    pub(super) fn push<const N: usize>(&mut self, row: [Value; N]) {
        debug_assert_eq!(N, self.columns.len());
        self.rows.push(row.into());
    }

    /// The rows as objects.
    pub(super) fn to_json(&self) -> Value {
        let object = |row: &Vec<Value>| {
            let keys = self.columns.iter().map(|name| (*name).to_owned());
            Value::Object(keys.zip(row.iter().cloned()).collect())
        };
        Value::Array(self.rows.iter().map(object).collect())
    }

    /// Aligned columns: numbers to the right, anything else to the left.
    pub(super) fn to_text(&self) -> String {
        let head = self.columns.iter().map(|name| name.to_uppercase().replace('_', "-"));
        let mut lines: Vec<Vec<String>> = vec![head.collect()];
        lines.extend(self.rows.iter().map(|row| row.iter().map(shown).collect()));
        let layout: Vec<(usize, bool)> = (0..self.columns.len())
            .map(|column| {
                let cells = lines.iter().filter_map(|line| line.get(column));
                let width = cells.map(|cell| cell.chars().count()).max().unwrap_or(0);
                let values: Vec<_> = self.rows.iter().filter_map(|row| row.get(column)).collect();
                let is_number = values.iter().any(|value| value.is_number())
                    && values.iter().all(|value| value.is_number() || value.is_null());
                (width, is_number)
            })
            .collect();
        let mut text = String::new();
        for line in &lines {
            let cells = line.iter().zip(&layout).map(|(cell, (width, is_number))| {
                if *is_number { format!("{cell:>width$}") } else { format!("{cell:<width$}") }
            });
            text.push_str(cells.collect::<Vec<_>>().join("  ").trim_end());
            text.push('\n');
        }
        text
    }
}

/// Prints one table; as JSON an array of objects.
pub(super) fn print(out: &mut dyn Write, format: Format, table: &Table) -> io::Result<()> {
    match format {
        Format::Table => out.write_all(table.to_text().as_bytes()),
        Format::Json => writeln!(out, "{:#}", table.to_json()),
    }
}

/// Writes what was made to standard output, after which `done` is the result.
pub(super) fn show(out: &[u8], done: Result<(), OperateError>) -> Result<(), OperateError> {
    match io::stdout().write_all(out).and_then(|()| io::stdout().flush()) {
        // Whoever reads has read enough.
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => done,
        printed => done.and(printed.map_err(OperateError::Output)),
    }
}

/// Prints several tables, those without rows left out; as JSON one object with all of them.
pub(super) fn print_all(
    out: &mut dyn Write,
    format: Format,
    tables: &[(&str, Table)],
) -> io::Result<()> {
    match format {
        Format::Table => {
            let shown = tables.iter().filter(|(_, table)| !table.rows.is_empty());
            let texts: Vec<String> = shown.map(|(_, table)| table.to_text()).collect();
            out.write_all(texts.join("\n").as_bytes())
        }
        Format::Json => {
            let parts = tables.iter().map(|(name, table)| ((*name).to_owned(), table.to_json()));
            writeln!(out, "{:#}", Value::Object(parts.collect::<Map<_, _>>()))
        }
    }
}

fn shown(value: &Value) -> String {
    match value {
        Value::Null => "-".to_owned(),
        Value::String(text) if text.is_empty() => "-".to_owned(),
        Value::String(text) => printable(text),
        Value::Array(values) => {
            if values.is_empty() {
                return "-".to_owned();
            }
            values.iter().map(shown).collect::<Vec<_>>().join(",")
        }
        other => other.to_string(),
    }
}

fn printable(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for letter in text.chars() {
        if letter.is_control() {
            safe.extend(letter.escape_default());
        } else {
            safe.push(letter);
        }
    }
    safe
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn table() -> Table {
        let mut table = Table::new(&["topic", "partitions", "in_sync"]);
        table.push([json!("orders"), json!(12), json!([1, 2])]);
        table.push([json!("a"), json!(3), json!([])]);
        table
    }

    #[test]
    fn columns_are_aligned_numbers_to_the_right() {
        let text = "\
TOPIC   PARTITIONS  IN-SYNC
orders          12  1,2
a                3  -
";
        assert_eq!(table().to_text(), text);
        assert_eq!(Table::new(&["topic"]).to_text(), "TOPIC\n");
    }

    #[test]
    fn what_is_missing_keeps_its_column() {
        let mut table = Table::new(&["offset", "member"]);
        table.push([Value::Null, json!("")]);
        table.push([json!(1234567), json!("m")]);
        assert_eq!(table.to_text(), " OFFSET  MEMBER\n      -  -\n1234567  m\n");
        let mut table = Table::new(&["instance", "partitions"]);
        table.push([Value::Null, json!(3)]);
        assert_eq!(table.to_text(), "INSTANCE  PARTITIONS\n-                  3\n");
    }

    #[test]
    fn json_has_the_cells_under_the_names_of_the_columns() {
        let rows = json!([
            {"topic": "orders", "partitions": 12, "in_sync": [1, 2]},
            {"topic": "a", "partitions": 3, "in_sync": []},
        ]);
        let mut out = Vec::new();
        print(&mut out, Format::Json, &table()).unwrap();
        assert_eq!(serde_json::from_slice::<Value>(&out).unwrap(), rows);
        let mut out = Vec::new();
        let empty = Table::new(&["x"]);
        print_all(&mut out, Format::Json, &[("a", table()), ("b", empty)]).unwrap();
        assert_eq!(serde_json::from_slice::<Value>(&out).unwrap(), json!({"a": rows, "b": []}));
    }

    #[test]
    fn of_several_tables_those_with_rows_are_shown() {
        let mut one = Table::new(&["a"]);
        one.push([json!(1)]);
        let mut out = Vec::new();
        let tables = [("x", one.clone()), ("y", Table::new(&["b"])), ("z", one)];
        print_all(&mut out, Format::Table, &tables).unwrap();
        assert_eq!(String::from_utf8(out).unwrap(), "A\n1\n\nA\n1\n");
    }

    #[test]
    fn a_name_cannot_move_the_cursor() {
        let mut table = Table::new(&["member"]);
        table.push([json!("x\u{1b}[2Jy\nz")]);
        assert_eq!(table.to_text(), "MEMBER\nx\\u{1b}[2Jy\\nz\n");
    }
}
