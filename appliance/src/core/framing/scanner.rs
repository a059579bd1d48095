//! The requests on one connection, one after the other.
use super::chunked::Chunked;
use super::head::{BodyLength, Head};
use super::refusal::Refusal;
use crate::limits::HTTP_HEAD_BYTES_MAX;

/// Reads what arrives on one connection.
#[derive(Debug, Clone)]
pub struct Scanner {
    state: State,
}

#[derive(Debug, Clone)]
enum State {
    Head(Head),
    Bytes(u64),
    Chunked(Chunked),
    /// Nothing more is read.
    Ended,
}

/// What was found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scan {
    /// So many bytes may be passed on. The rest is part of a head that has not ended yet: show it
    /// again, with what follows it.
    Safe(usize),
    /// So many bytes may be passed on. The rest is of a request that is too long a head.
    TooLong(usize),
    /// So many bytes may be passed on. What follows is a request that must not be.
    Refused(usize, Refusal),
    /// The body of a request that was passed on earlier goes on with what must not be.
    Broken(Refusal),
}

impl State {
    const HEAD: Self = Self::Head(Head::NEW);
}

impl Default for Scanner {
    fn default() -> Self {
        Self { state: State::HEAD }
    }
}

impl Scanner {
    /// Goes on with `bytes`, which begin with those of the last time that were not safe.
    pub fn scan(&mut self, bytes: &[u8]) -> Scan {
        let mut position = 0;
        // Where the request begins that is being read, when it is among these bytes.
        let mut begin = None;
        loop {
            let rest = bytes.get(position..).unwrap_or_default();
            if rest.is_empty() {
                return Scan::Safe(position);
            }
            let found = match &mut self.state {
                State::Ended => return Scan::Safe(0),
                State::Bytes(left) => {
                    let taken = (*left).min(u64::try_from(rest.len()).unwrap_or(u64::MAX));
                    *left -= taken;
                    let whole = *left == 0;
                    Ok((usize::try_from(taken).unwrap_or(usize::MAX), whole.then_some(State::HEAD)))
                }
                State::Chunked(chunked) => chunked
                    .advance(rest)
                    .map(|end| (end.unwrap_or(rest.len()), end.map(|_| State::HEAD))),
                State::Head(head) => {
                    let found = head.advance(rest);
                    let length = found.map(|found| found.map_or(rest.len(), |(length, _)| length));
                    if length.is_ok_and(|length| length > HTTP_HEAD_BYTES_MAX) {
                        self.state = State::Ended;
                        return Scan::TooLong(position);
                    }
                    begin = Some(position);
                    match found {
                        Ok(None) => return Scan::Safe(position),
                        Ok(Some((length, body))) => Ok((length, Some(behind_head(body)))),
                        Err(refusal) => Err(refusal),
                    }
                }
            };
            match found {
                Ok((length, next)) => {
                    position += length;
                    if let Some(next) = next {
                        self.state = next;
                    }
                }
                Err(refusal) => {
                    self.state = State::Ended;
                    return begin.map_or(Scan::Broken(refusal), |at| Scan::Refused(at, refusal));
                }
            }
        }
    }
}

const fn behind_head(body: BodyLength) -> State {
    match body {
        BodyLength::Chunked => State::Chunked(Chunked::new()),
        BodyLength::Bytes(0) => State::HEAD,
        BodyLength::Bytes(left) => State::Bytes(left),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// What becomes of bytes that arrive in parts: how many are passed on, and how it ends.
    #[derive(Debug, PartialEq, Eq)]
    enum Verdict {
        Passed(usize),
        TooLong(usize),
        Refused(Refusal),
    }

    fn verdict(parts: &[&[u8]]) -> Verdict {
        let mut scanner = Scanner::default();
        let (mut held, mut passed) = (Vec::new(), 0);
        for part in parts {
            held.extend_from_slice(part);
            match scanner.scan(&held) {
                Scan::Safe(count) => {
                    passed += count;
                    held.drain(..count);
                }
                Scan::TooLong(count) => return Verdict::TooLong(passed + count),
                Scan::Refused(_, refusal) | Scan::Broken(refusal) => {
                    return Verdict::Refused(refusal);
                }
            }
        }
        Verdict::Passed(passed)
    }

    const HEAD: &str = "POST / HTTP/1.1\r\nhost: a\r\n";

    #[test]
    fn requests_are_passed_on_with_their_bodies() {
        let text = format!(
            "GET /a HTTP/1.1\r\nhost: a\r\n\r\n{HEAD}content-length: 3\r\n\r\nabc\r\n\
             {HEAD}transfer-encoding: chunked\r\n\r\n3;x=y\r\nabc\r\n0\r\nx-a: b\r\n\r\n\
             GET / HTTP/1.0\r\n\r\n"
        );
        assert_eq!(verdict(&[text.as_bytes()]), Verdict::Passed(text.len()));
        let unfinished = format!("{text}{HEAD}x: y");
        assert_eq!(verdict(&[unfinished.as_bytes()]), Verdict::Passed(text.len()));
    }

    #[test]
    fn a_request_is_refused_with_its_head_while_that_is_still_here() {
        let good = "GET / HTTP/1.1\r\nhost: a\r\n\r\n";
        let bad = format!("{HEAD}transfer-encoding: chunked\r\n\r\n3 \r\nabc\r\n0\r\n\r\n");
        let refused = Scan::Refused(good.len(), Refusal::ChunkSize);
        assert_eq!(Scanner::default().scan(format!("{good}{bad}").as_bytes()), refused);
        let mut scanner = Scanner::default();
        let (head, body) = bad.split_at(bad.find("3 ").unwrap());
        assert_eq!(scanner.scan(head.as_bytes()), Scan::Safe(head.len()));
        assert_eq!(scanner.scan(body.as_bytes()), Scan::Broken(Refusal::ChunkSize));
        assert_eq!(scanner.scan(good.as_bytes()), Scan::Safe(0), "and nothing more is read");
    }

    #[test]
    fn a_head_has_its_length() {
        let head = |length: usize| format!("{HEAD}x: {}\r\n\r\n", "y".repeat(length - 33));
        let longest = head(HTTP_HEAD_BYTES_MAX);
        assert_eq!(longest.len(), HTTP_HEAD_BYTES_MAX);
        assert_eq!(verdict(&[longest.as_bytes()]), Verdict::Passed(longest.len()));
        let longer = head(HTTP_HEAD_BYTES_MAX + 1);
        assert_eq!(verdict(&[longer.as_bytes()]), Verdict::TooLong(0));
        let (begin, end) = longer.as_bytes().split_at(HTTP_HEAD_BYTES_MAX - 1);
        assert_eq!(verdict(&[begin, end]), Verdict::TooLong(0));
        assert_eq!(verdict(&[&[b'x'; HTTP_HEAD_BYTES_MAX + 1]]), Verdict::TooLong(0));
    }

    #[test]
    fn chunks_may_not_hide_an_endless_stream_beside_their_data() {
        let text = format!(
            "{HEAD}transfer-encoding: chunked\r\n\r\n{}",
            "1;extension\r\nx\r\n".repeat(2_000)
        );
        assert_eq!(verdict(&[text.as_bytes()]), Verdict::Refused(Refusal::ChunkOverhead));
    }

    /// Bytes like those of requests, good and bad.
    fn bytes() -> impl Strategy<Value = Vec<u8>> {
        const PIECES: [&str; 30] = [
            "GET / HTTP/1.1\r\n",
            "POST / HTTP/1.1\r\nhost: a\r\n",
            "POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 3\r\n\r\nabc",
            "POST / HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n",
            "GET http://a/ HTTP/1.1\r\n",
            "GET / HTTP/1.0\r\n",
            "host: a\r\n",
            "host: b\r\n",
            "content-length: 3\r\n",
            "content-length: x\r\n",
            "transfer-encoding: chunked\r\n",
            "transfer-encoding: gzip\r\n",
            "connection: close\r\n",
            "connection: host\r\n",
            "a_b: c\r\n",
            " folded\r\n",
            "\r\n",
            "\n",
            "\r",
            "\0",
            "3\r\nabc\r\n",
            "3 \r\nabc\r\n",
            "3;x\r\nabc\r\n",
            "0\r\n",
            "0\r\n\r\n",
            "x-a: b\r\n",
            "abc",
            "x",
            ":",
            "é",
        ];
        let piece = prop::sample::select(&PIECES[..]);
        prop::collection::vec(piece, 1..12).prop_map(|pieces| pieces.concat().into_bytes())
    }

    #[test]
    fn a_first_line_that_cannot_become_a_request_is_refused_for_that_however_it_arrives() {
        for line in ["é\n", "GET é HTTP/1.1\r\n", "CONNECT é HTTP/1.1\r\n", "a\r\r\n"] {
            let singly: Vec<&[u8]> = line.as_bytes().chunks(1).collect();
            assert_eq!(verdict(&singly), Verdict::Refused(Refusal::RequestLine), "{line:?}");
            assert_eq!(verdict(&[line.as_bytes()]), verdict(&singly), "{line:?}");
        }
    }

    proptest! {
        #[test]
        fn the_verdict_does_not_depend_on_how_the_bytes_are_split(
            bytes in bytes(), cuts in prop::collection::vec(0_usize..400, 0..8)
        ) {
            let whole = verdict(&[&bytes]);
            let singly: Vec<&[u8]> = bytes.chunks(1).collect();
            prop_assert_eq!(&verdict(&singly), &whole);
            let mut cuts: Vec<usize> = cuts.into_iter().map(|cut| cut.min(bytes.len())).collect();
            cuts.extend([0, bytes.len()]);
            cuts.sort_unstable();
            let parts: Vec<&[u8]> = cuts.windows(2).map(|cut| &bytes[cut[0]..cut[1]]).collect();
            prop_assert_eq!(&verdict(&parts), &whole);
        }

        #[test]
        fn no_bytes_are_too_strange(bytes: Vec<u8>) {
            let _ = verdict(&[&bytes]);
        }
    }
}
