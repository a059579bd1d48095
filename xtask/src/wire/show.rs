//! `cargo xtask wire show`: who spoke, in which versions, and which errors came back.
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use pagi_protocol::kafka::api::ApiKey;
use pagi_protocol::kafka::exchange::Request;
use pagi_wiretap::conversation::{Conversation, Exchange};
use pagi_wiretap::{fields, recording, understood};

use super::names;
use crate::failure::{Outcome, While};

const EXAMPLES: &str = "\
One row for each API, version and error code of each client:

  cargo xtask wire show kcat.wire
  cargo xtask wire show --frames kcat.wire";

/// What to show.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Arguments {
    /// The recording.
    file: PathBuf,
    /// Every request with its answer's error codes, in their order, instead of the sums.
    #[arg(long)]
    frames: bool,
}

/// Prints it.
pub(crate) fn run(arguments: &Arguments) -> Outcome {
    let conversation = read(&arguments.file)?;
    let text = if arguments.frames { frames(&conversation) } else { sums(&conversation) };
    print!("{text}");
    Ok(())
}

/// The conversation in the recording at `path`.
pub(super) fn read(path: &Path) -> Outcome<Conversation> {
    let shown = path.display();
    let file = std::fs::read(path).on(format!("read {shown}"))?;
    let entries = recording::parse(&file.into()).on(format!("read {shown}"))?;
    Conversation::of(entries).on(format!("understand {shown}"))
}

/// What was counted of one API in one version.
#[derive(Debug, Default)]
struct Sum {
    requests: usize,
    unanswered: usize,
    /// Answers of versions that are not spoken here.
    unread: usize,
    /// How many answers had the code, each counted once.
    codes: BTreeMap<i16, usize>,
}

fn sums(conversation: &Conversation) -> String {
    let clients = clients(conversation);
    let mut sums: BTreeMap<(&str, i16, i16), Sum> = BTreeMap::new();
    for exchange in &conversation.exchanges {
        let client = clients.get(&exchange.connection).map_or("", String::as_str);
        let header = &exchange.header;
        let sum = sums.entry((client, header.api_key, header.api_version)).or_default();
        sum.requests += 1;
        match outcome(exchange) {
            Told::Codes(codes) => codes.into_iter().for_each(|(_, code)| {
                *sum.codes.entry(code).or_default() += 1;
            }),
            Told::Nothing => sum.unanswered += 1,
            Told::Unread => sum.unread += 1,
        }
    }
    let mut text =
        String::from("| client | API | version | requests | errors |\n|---|---|---|---|---|\n");
    for ((client, key, version), sum) in sums {
        let mut errors: Vec<_> = sum
            .codes
            .iter()
            .map(|(code, count)| format!("{} × {count}", names::code(*code)))
            .collect();
        if sum.unanswered > 0 {
            errors.push(format!("no answer × {}", sum.unanswered));
        }
        if sum.unread > 0 {
            errors.push(format!("cannot be read × {}", sum.unread));
        }
        let (api, errors) = (names::api(key), errors.join(", "));
        // Writing to a text cannot fail.
        let _ = writeln!(text, "| {client} | {api} | {version} | {} | {errors} |", sum.requests);
    }
    text
}

fn frames(conversation: &Conversation) -> String {
    let clients = clients(conversation);
    let mut text = String::new();
    for exchange in &conversation.exchanges {
        let header = &exchange.header;
        let (seconds, connection) = (exchange.at_us / 1_000_000, exchange.connection);
        let milliseconds = exchange.at_us / 1000 % 1000;
        let client = clients.get(&connection).map_or("", String::as_str);
        let outcome = match outcome(exchange) {
            Told::Nothing => "no answer".to_owned(),
            Told::Unread => "an answer that cannot be read".to_owned(),
            Told::Codes(codes) if codes.is_empty() => "ok".to_owned(),
            Told::Codes(codes) => codes
                .iter()
                .map(|(path, code)| format!("{path}: {}", names::code(*code)))
                .collect::<Vec<_>>()
                .join(", "),
        };
        let (api, version) = (names::api(header.api_key), header.api_version);
        let _ = writeln!(
            text,
            "{seconds:>4}.{milliseconds:03} #{connection} {client} {api} v{version}: {outcome}"
        );
    }
    text
}

/// What became of a request.
enum Told {
    /// There is no answer.
    Nothing,
    /// The answer is of a version that is not spoken here.
    Unread,
    /// The answer's error codes, with their paths.
    Codes(BTreeSet<(String, i16)>),
}

fn outcome(exchange: &Exchange) -> Told {
    let Some(answer) = &exchange.answer else { return Told::Nothing };
    let Ok(answer) = understood::answer(&exchange.header, answer) else { return Told::Unread };
    let errors = fields::codes(&answer.fields).into_iter().filter(|(_, code)| *code != 0);
    Told::Codes(errors.map(|(path, code)| (path.to_owned(), code)).collect())
}

/// What the client of each connection calls itself: the name and version of its software where it
/// says them, otherwise its client id.
fn clients(conversation: &Conversation) -> BTreeMap<u32, String> {
    let mut clients: BTreeMap<u32, String> = BTreeMap::new();
    for exchange in &conversation.exchanges {
        let header = &exchange.header;
        let id = header.client_id.clone().unwrap_or_default();
        let client = clients.entry(exchange.connection).or_insert(id);
        if header.api_key == ApiKey::ApiVersions.api().number
            && let Ok(understood) = understood::request(&exchange.request)
            && let Request::ApiVersions(request) = understood.request
            && !request.client_software_name.is_empty()
        {
            *client =
                format!("{} {}", request.client_software_name, request.client_software_version);
        }
    }
    clients
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use pagi_protocol::kafka::exchange::{Message, encode_request, encode_response};
    use pagi_protocol::kafka::messages::api_versions::ApiVersionsRequest;
    use pagi_protocol::kafka::messages::metadata::{
        MetadataRequest, MetadataResponse, MetadataTopic,
    };
    use pagi_protocol::kafka::wire::Version;
    use pagi_wiretap::recording::{Direction, Entry};

    use super::*;

    fn entry(direction: Direction, chunks: &[Bytes]) -> Entry {
        let frame = Bytes::from(chunks.concat()).slice(4..);
        Entry { direction, connection: 3, at_us: 1_234_567, frame }
    }

    fn request(message: &impl Message, version: i16) -> Entry {
        entry(Direction::Request, &encode_request(message, version, 7, "an id").unwrap())
    }

    fn with_correlation_id(id: u8, entry: &Entry) -> Bytes {
        [&entry.frame[..7], &[id], &entry.frame[8..]].concat().into()
    }

    fn conversation() -> Conversation {
        let hello = ApiVersionsRequest {
            client_software_name: "a-client".to_owned(),
            client_software_version: "1.2".to_owned(),
        };
        let topic = |name: &str, error_code| MetadataTopic {
            name: Some(name.to_owned()),
            error_code,
            ..Default::default()
        };
        let topics = vec![topic("a", 3), topic("b", 0)];
        let answer = MetadataResponse { topics, ..Default::default() };
        let version = Version { number: 5, flexible: false };
        let answer = entry(Direction::Answer, &encode_response(&answer, version, 7));
        // What answers the later request leaves the earlier one without an answer.
        let hello = Entry { frame: with_correlation_id(6, &request(&hello, 3)), ..answer.clone() };
        let hello = Entry { direction: Direction::Request, ..hello };
        let unknown = Bytes::from_static(b"\x03\xe7\0\0\0\0\0\x08\xff\xff");
        let unknown = Entry { direction: Direction::Request, frame: unknown, ..answer.clone() };
        let words = Entry { frame: Bytes::from_static(b"\0\0\0\x08words"), ..answer.clone() };
        let metadata = request(&MetadataRequest::default(), 5);
        Conversation::of(vec![hello, metadata, answer, unknown, words]).unwrap()
    }

    #[test]
    fn versions_and_errors_are_counted_by_client() {
        let text = sums(&conversation());
        let rows: Vec<_> = text.lines().skip(2).collect();
        assert_eq!(
            rows,
            [
                "| a-client 1.2 | Metadata | 5 | 1 | UNKNOWN_TOPIC_OR_PARTITION × 1 |",
                "| a-client 1.2 | ApiVersions | 3 | 1 | no answer × 1 |",
                "| a-client 1.2 | API 999 | 0 | 1 | cannot be read × 1 |",
            ]
        );
    }

    #[test]
    fn frames_are_told_in_their_order() {
        assert_eq!(
            frames(&conversation()),
            "   1.234 #3 a-client 1.2 ApiVersions v3: no answer\n   \
             1.234 #3 a-client 1.2 Metadata v5: topics[a].error_code: UNKNOWN_TOPIC_OR_PARTITION\n   \
             1.234 #3 a-client 1.2 API 999 v0: an answer that cannot be read\n"
        );
    }
}
