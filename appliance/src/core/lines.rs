//! Bytes that arrive in pieces, as lines.
//!
//! **Invariants.** No more than one line's limit is held of a line that is not complete. A line that
//! is too long is told once and skipped to its end. Blank lines are passed over. Each byte is
//! looked at once.
//!
//! **References.** NDJSON 1.0.0: lines end with `\n`; a `\r` before it belongs to the end.
use bytes::{Buf, Bytes, BytesMut};

/// A line shorter than this is copied: a slice of it would keep its whole buffer in memory.
const COPIED_BYTES_MAX: usize = 4_096;

/// One line without its end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Line {
    /// All of it.
    Whole(Bytes),
    /// It was longer than allowed.
    TooLong,
}

/// What has arrived and is not given out yet.
#[derive(Debug)]
pub struct Lines {
    line_bytes_max: usize,
    /// The beginning of a line whose end has not arrived.
    begun: BytesMut,
    arrived: Bytes,
    skipping: bool,
}

impl Lines {
    /// Nothing yet.
    #[must_use]
    pub fn new(line_bytes_max: usize) -> Self {
        let (begun, arrived) = (BytesMut::new(), Bytes::new());
        Self { line_bytes_max, begun, arrived, skipping: false }
    }

    /// Takes the next piece. Call it when there are no more lines in the last one.
    pub fn push(&mut self, piece: Bytes) {
        debug_assert!(self.arrived.is_empty(), "lines are left");
        self.arrived = piece;
    }

    /// The next line, if all of it has arrived.
    pub fn next_line(&mut self) -> Option<Line> {
        while let Some(end) = self.arrived.iter().position(|byte| *byte == b'\n') {
            let piece = self.arrived.split_to(end);
            self.arrived.advance(1);
            if std::mem::take(&mut self.skipping) {
                continue;
            }
            if let Some(line) = self.complete(piece) {
                return Some(line);
            }
        }
        let piece = std::mem::take(&mut self.arrived);
        if self.skipping {
            return None;
        }
        // One more for the `\r` of its end.
        if self.begun.len() + piece.len() > self.line_bytes_max.saturating_add(1) {
            self.begun = BytesMut::new();
            self.skipping = true;
            return Some(Line::TooLong);
        }
        self.begun.extend_from_slice(&piece);
        None
    }

    /// The last line, where it has no end of its own.
    pub fn finish(&mut self) -> Option<Line> {
        self.complete(Bytes::new())
    }

    /// The bytes that wait for more.
    #[must_use]
    pub fn held_bytes(&self) -> usize {
        self.begun.len() + self.arrived.len()
    }

    /// The line that ends with `piece`, unless it is blank.
    fn complete(&mut self, piece: Bytes) -> Option<Line> {
        let mut line = piece;
        if !self.begun.is_empty() {
            let mut begun = std::mem::take(&mut self.begun);
            begun.extend_from_slice(&line);
            line = begun.freeze();
        }
        if line.last() == Some(&b'\r') {
            line.truncate(line.len() - 1);
        }
        if line.len() > self.line_bytes_max {
            return Some(Line::TooLong);
        }
        if line.trim_ascii().is_empty() {
            return None;
        }
        let small = line.len() < COPIED_BYTES_MAX;
        Some(Line::Whole(if small { Bytes::copy_from_slice(&line) } else { line }))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// The lines of pieces; `None` is one that is too long.
    fn lines<'a>(max: usize, pieces: impl IntoIterator<Item = &'a [u8]>) -> Vec<Option<Vec<u8>>> {
        let mut lines = Lines::new(max);
        let mut found = Vec::new();
        for piece in pieces {
            lines.push(Bytes::copy_from_slice(piece));
            found.extend(std::iter::from_fn(|| lines.next_line()));
            assert!(lines.held_bytes() <= max + 1);
        }
        found.extend(lines.finish());
        let text = |line| match line {
            Line::Whole(bytes) => Some(bytes.to_vec()),
            Line::TooLong => None,
        };
        found.into_iter().map(text).collect()
    }

    #[test]
    fn lines_are_whole_wherever_they_were_cut() {
        let expected: Vec<_> = [b"{1}", b"{2}", b"{3}"].map(|line| Some(line.to_vec())).into();
        for pieces in [
            &[b"{1}\n{2}\r\n{3}".as_slice()][..],
            &[b"{1", b"}\n", b"{2}", b"\r", b"\n{3}\n"],
            &[b"\n\n{1}\n \t\n\r\n{2}\n", b"", b"{3}\r\n"],
        ] {
            assert_eq!(lines(3, pieces.iter().copied()), expected);
        }
    }

    #[test]
    fn a_line_that_is_too_long_is_told_once_and_the_next_one_is_read() {
        let ok = || Some(b"ok".to_vec());
        for pieces in [
            &[b"long long\nok\n".as_slice()][..],
            &[b"long", b" lo", b"ng", b"\nok"],
            &[b"long\r\nok"],
        ] {
            assert_eq!(lines(3, pieces.iter().copied()), [None, ok()]);
        }
        assert_eq!(lines(3, [b"ok\nlonger".as_slice(), b" than that"]), [ok(), None]);
    }

    proptest! {
        #[test]
        fn cuts_change_nothing(
            text in "[ab\r\n]{0,60}",
            cuts in prop::collection::vec(0_usize..60, 0..6),
        ) {
            let mut cuts: Vec<_> = cuts.into_iter().map(|cut| cut.min(text.len())).collect();
            cuts.extend([0, text.len()]);
            cuts.sort_unstable();
            let pieces = cuts.windows(2).map(|cut| &text.as_bytes()[cut[0]..cut[1]]);
            prop_assert_eq!(lines(5, pieces), lines(5, [text.as_bytes()]));
        }
    }
}
