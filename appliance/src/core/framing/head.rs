//! The head of one request, line by line as it arrives.
//!
//! **References.** RFC 9112 sections 2.2 (parsing), 3.2 (Host) and 6 (body length).
use std::ops::Range;

use super::field::{check_connection, is_host, split, trimmed};
use super::refusal::Refusal;
use super::request_line;

/// How the body behind a head is delimited.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum BodyLength {
    /// So many bytes; 0 for no body.
    Bytes(u64),
    /// Chunks.
    Chunked,
}

/// What is known of a head so far. Ranges count from its first byte.
#[derive(Debug, Clone)]
pub(super) struct Head {
    /// Where the line begins that has not ended yet.
    line_start: usize,
    /// Up to where there is no end of that line.
    searched: usize,
    blank_line: bool,
    begun: bool,
    http_1_1: bool,
    authority: Option<Range<usize>>,
    host: Option<Range<usize>>,
    length: Option<u64>,
    chunked: bool,
}

impl Head {
    /// Nothing is known.
    pub(super) const NEW: Self = Self {
        line_start: 0,
        searched: 0,
        blank_line: false,
        begun: false,
        http_1_1: false,
        authority: None,
        host: None,
        length: None,
        chunked: false,
    };

    /// Goes on with a head whose first byte is the first of `bytes`. Gives its length and that of
    /// the body when it has ended.
    pub(super) fn advance(&mut self, bytes: &[u8]) -> Result<Option<(usize, BodyLength)>, Refusal> {
        loop {
            let unsearched = bytes.get(self.searched..).unwrap_or_default();
            let found = unsearched.iter().position(|byte| *byte == b'\n');
            let end = found.map_or(bytes.len(), |found| self.searched + found);
            let line = bytes.get(self.line_start..end).unwrap_or_default();
            if !self.begun && !request_line::may_begin(line) {
                return Err(Refusal::RequestLine);
            }
            if found.is_none() {
                self.searched = end;
                return Ok(None);
            }
            let line = line.strip_suffix(b"\r").ok_or(Refusal::BareLineFeed)?;
            let start = std::mem::replace(&mut self.line_start, end + 1);
            self.searched = end + 1;
            if !line.is_empty() {
                self.line(line, start)?;
            } else if self.begun {
                return self.body_length(bytes).map(|body| Some((end + 1, body)));
            } else if std::mem::replace(&mut self.blank_line, true) {
                // One may precede a request: old clients end a body with it.
                return Err(Refusal::RequestLine);
            }
        }
    }

    fn line(&mut self, line: &[u8], start: usize) -> Result<(), Refusal> {
        if self.begun {
            return self.field(line, start);
        }
        let parsed = request_line::parse(line)?;
        self.begun = true;
        self.http_1_1 = parsed.http_1_1;
        self.authority = parsed.authority.and_then(|part| place(line, part, start));
        Ok(())
    }

    fn field(&mut self, line: &[u8], start: usize) -> Result<(), Refusal> {
        let (name, value) = split(line)?;
        // The lengths alone pass over nearly every line.
        match name.len() {
            4 if name.eq_ignore_ascii_case(b"host") => self.host(line, trimmed(value), start),
            6 if name.eq_ignore_ascii_case(b"expect") => {
                let known = trimmed(value).eq_ignore_ascii_case(b"100-continue");
                if known { Ok(()) } else { Err(Refusal::Expectation) }
            }
            10 if name.eq_ignore_ascii_case(b"connection") => check_connection(value),
            14 if name.eq_ignore_ascii_case(b"content-length") => self.length(trimmed(value)),
            17 if name.eq_ignore_ascii_case(b"transfer-encoding") => self.coding(trimmed(value)),
            _ => Ok(()),
        }
    }

    fn host(&mut self, line: &[u8], value: &[u8], start: usize) -> Result<(), Refusal> {
        if self.host.is_some() {
            return Err(Refusal::HostTwice);
        }
        if !is_host(value) {
            return Err(Refusal::HostInvalid);
        }
        self.host = place(line, value, start);
        Ok(())
    }

    fn length(&mut self, value: &[u8]) -> Result<(), Refusal> {
        // More digits than a number of 64 bits can always have are no length.
        if value.is_empty() || value.len() > 19 || !value.iter().all(u8::is_ascii_digit) {
            return Err(Refusal::LengthInvalid);
        }
        let digits = value.iter().map(|digit| u64::from(digit - b'0'));
        let length = digits.fold(0_u64, |sum, digit| sum.saturating_mul(10).saturating_add(digit));
        match self.length.replace(length) {
            None => Ok(()),
            Some(_) => Err(Refusal::LengthTwice),
        }
    }

    fn coding(&mut self, value: &[u8]) -> Result<(), Refusal> {
        if self.chunked {
            return Err(Refusal::CodingTwice);
        }
        self.chunked = value.eq_ignore_ascii_case(b"chunked");
        if self.chunked { Ok(()) } else { Err(Refusal::Coding) }
    }

    fn body_length(&self, bytes: &[u8]) -> Result<BodyLength, Refusal> {
        let at = |range: &Range<usize>| bytes.get(range.clone()).unwrap_or_default();
        match (&self.host, &self.authority) {
            (None, _) if self.http_1_1 => return Err(Refusal::HostMissing),
            (Some(host), Some(authority)) if !at(host).eq_ignore_ascii_case(at(authority)) => {
                return Err(Refusal::TargetHost);
            }
            _ => {}
        }
        match (self.length, self.chunked) {
            (Some(_), true) => Err(Refusal::LengthAndCoding),
            (None, true) if !self.http_1_1 => Err(Refusal::CodingInHttp10),
            (None, true) => Ok(BodyLength::Chunked),
            (length, false) => Ok(BodyLength::Bytes(length.unwrap_or(0))),
        }
    }
}

/// Where `part` of `line` is, when the line is at `start`.
fn place(line: &[u8], part: &[u8], start: usize) -> Option<Range<usize>> {
    let offset = part.as_ptr().addr().checked_sub(line.as_ptr().addr())?;
    Some(start + offset..start + offset + part.len())
}
