//! The figures as a table.

/// One line of it; what does not apply is left out.
#[derive(Debug, Default)]
pub(super) struct Row {
    pub(super) case: String,
    pub(super) target: String,
    pub(super) per_second: Option<f64>,
    pub(super) megabytes_per_second: Option<f64>,
    pub(super) p50_ms: Option<f64>,
    pub(super) p99_ms: Option<f64>,
    pub(super) p999_ms: Option<f64>,
    /// CPU of the process that is measured, for one operation and in all.
    pub(super) cpu_us: Option<f64>,
    pub(super) cpu_seconds: Option<f64>,
    /// The most it was seen to hold.
    pub(super) resident_mb: Option<f64>,
    /// Bytes that the disk was given to write for each byte of payload: the write amplification, as
    /// far as nobody else wrote. Left out where next to nothing is written.
    pub(super) written_per_byte: Option<f64>,
    /// The disk's own fdatasync in the same minute.
    pub(super) disk_p50_ms: Option<f64>,
    pub(super) disk_p99_ms: Option<f64>,
}

const HEAD: &str = "\
| case | of | /s | MB/s | p50 ms | p99 ms | p99.9 ms | CPU us each | CPU s | RSS MB | written per byte | disk p50 ms | disk p99 ms |
|---|---|---|---|---|---|---|---|---|---|---|---|---|
";

/// A Markdown table.
pub(super) fn markdown(rows: &[Row]) -> String {
    let mut text = HEAD.to_owned();
    for row in rows {
        text.push_str(&line(row));
        text.push('\n');
    }
    text
}

/// One row of the table.
pub(super) fn line(row: &Row) -> String {
    let cells = [
        row.case.clone(),
        row.target.clone(),
        cell(row.per_second),
        cell(row.megabytes_per_second),
        cell(row.p50_ms),
        cell(row.p99_ms),
        cell(row.p999_ms),
        cell(row.cpu_us),
        cell(row.cpu_seconds),
        cell(row.resident_mb),
        cell(row.written_per_byte),
        cell(row.disk_p50_ms),
        cell(row.disk_p99_ms),
    ];
    format!("| {} |", cells.join(" | "))
}

/// Three digits that count, thousands apart.
fn cell(number: Option<f64>) -> String {
    match number {
        None => String::new(),
        Some(number) if number >= 1000.0 => thousands_apart(&format!("{number:.0}")),
        Some(number) if number >= 100.0 => format!("{number:.0}"),
        Some(number) if number >= 10.0 => format!("{number:.1}"),
        Some(number) => format!("{number:.2}"),
    }
}

fn thousands_apart(digits: &str) -> String {
    let mut text = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn thousands_stand_apart() {
        for (digits, text) in [("1000", "1,000"), ("123456", "123,456"), ("1234567", "1,234,567")] {
            assert_eq!(thousands_apart(digits), text);
        }
    }

    #[test]
    fn a_row_shows_what_there_is() {
        let row = Row {
            case: "a".to_owned(),
            target: "b".to_owned(),
            per_second: Some(12_345.6),
            p50_ms: Some(0.104),
            cpu_us: Some(45.67),
            ..Row::default()
        };
        assert_eq!(line(&row), "| a | b | 12,346 |  | 0.10 |  |  | 45.7 |  |  |  |  |  |");
    }
}
