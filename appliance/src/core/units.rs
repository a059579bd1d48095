//! Durations and sizes as people write them: `10s`, `500ms`, `1MiB`.
use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use crate::limits::DISK_BUDGET_BYTES_MIN;

/// A duration of more than nothing: a whole number and `ms`, `s`, `m` or `h`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Span(pub Duration);

impl FromStr for Span {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (count, unit) = split(text);
        let unit_ms: u64 = match unit {
            "ms" => 1,
            "s" => 1_000,
            "m" => 60_000,
            "h" => 3_600_000,
            _ => return Err("write a number and its unit: 500ms, 10s, 2m or 1h".to_owned()),
        };
        match count.parse::<u64>().ok().and_then(|count| count.checked_mul(unit_ms)) {
            Some(ms @ 1..=DURATION_MS_MAX) => Ok(Self(Duration::from_millis(ms))),
            _ => Err("it must be between 1ms and 24h".to_owned()),
        }
    }
}

const DURATION_MS_MAX: u64 = 24 * 3_600_000;

impl fmt::Display for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0.as_millis() {
            ms if ms % 1_000 == 0 => write!(f, "{}s", ms / 1_000),
            ms => write!(f, "{ms}ms"),
        }
    }
}

/// A number of bytes, at least one: a whole number, alone or with `KiB` or `MiB`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Size(pub usize);

impl FromStr for Size {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (count, unit) = split(text);
        let unit_bytes: usize = match unit {
            "" => 1,
            "KiB" => 1 << 10,
            "MiB" => 1 << 20,
            _ => return Err("write a number of bytes, or one with KiB or MiB".to_owned()),
        };
        match count.parse::<usize>().ok().and_then(|count| count.checked_mul(unit_bytes)) {
            Some(bytes @ 1..=BYTES_MAX) => Ok(Self(bytes)),
            _ => Err("it must be between 1 and 1024MiB".to_owned()),
        }
    }
}

const BYTES_MAX: usize = 1 << 30;

impl fmt::Display for Size {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            bytes if bytes % (1 << 20) == 0 => write!(f, "{}MiB", bytes >> 20),
            bytes if bytes % (1 << 10) == 0 => write!(f, "{}KiB", bytes >> 10),
            bytes => write!(f, "{bytes}"),
        }
    }
}

/// A number of bytes on a disk: as [`Size`], or with `GiB` or `TiB`; at least
/// [`DISK_BUDGET_BYTES_MIN`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DiskSize(pub u64);

impl FromStr for DiskSize {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (count, unit) = split(text);
        let unit_bytes: u64 = match unit {
            "" => 1,
            "KiB" => 1 << 10,
            "MiB" => 1 << 20,
            "GiB" => 1 << 30,
            "TiB" => 1 << 40,
            _ => return Err("write a number of bytes, or one with MiB, GiB or TiB".to_owned()),
        };
        match count.parse::<u64>().ok().and_then(|count| count.checked_mul(unit_bytes)) {
            Some(bytes @ DISK_BUDGET_BYTES_MIN..) => Ok(Self(bytes)),
            _ => Err(format!("it must be at least {}MiB", DISK_BUDGET_BYTES_MIN >> 20)),
        }
    }
}

fn split(text: &str) -> (&str, &str) {
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    text.split_at(digits)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_have_a_unit() {
        for (text, ms, shown) in
            [("500ms", 500, "500ms"), ("10s", 10_000, "10s"), ("2m", 120_000, "120s")]
        {
            let span: Span = text.parse().unwrap();
            assert_eq!((span.0.as_millis(), span.to_string().as_str()), (ms, shown));
        }
        for text in ["", "10", "s", "-1s", "1.5s", "0s", "25h", "1 s", "99999999999999999999h"] {
            assert!(text.parse::<Span>().is_err(), "{text:?}");
        }
    }

    #[test]
    fn sizes_are_bytes_unless_they_say_otherwise() {
        for (text, bytes, shown) in
            [("1000", 1_000, "1000"), ("64KiB", 65_536, "64KiB"), ("1MiB", 1 << 20, "1MiB")]
        {
            let size: Size = text.parse().unwrap();
            assert_eq!((size.0, size.to_string().as_str()), (bytes, shown));
        }
        for text in ["", "0", "1MB", "KiB", "-1", "2000MiB", "99999999999999999999"] {
            assert!(text.parse::<Size>().is_err(), "{text:?}");
        }
    }
    #[test]
    fn disks_have_larger_units() {
        let parse = |text: &str| text.parse::<DiskSize>().map(|size| size.0);
        assert_eq!(parse("40GiB"), Ok(40 << 30));
        assert_eq!(parse("2TiB"), Ok(2 << 40));
        assert_eq!(parse("33554432"), Ok(DISK_BUDGET_BYTES_MIN));
        for text in ["", "31MiB", "40GB", "GiB", "-1GiB", "99999999999TiB"] {
            assert!(parse(text).is_err(), "{text:?}");
        }
    }
}
