//! What a person sees first: where things are, and what to try.
use std::fmt::Write as _;
use std::net::SocketAddr;
use std::path::Path;

/// Where things are.
#[derive(Debug)]
pub(super) struct Places<'a> {
    pub(super) http: Option<SocketAddr>,
    pub(super) kafka: Option<SocketAddr>,
    pub(super) admin: SocketAddr,
    pub(super) data_dir: Option<&'a Path>,
    pub(super) brokers: &'a [String],
}

/// Three lines.
pub(super) fn lines(places: &Places<'_>) -> String {
    let mut text = format!("pagi-appliance {}:", env!("CARGO_PKG_VERSION"));
    // Writing to a string does not fail.
    if let Some(http) = places.http {
        let _ = write!(text, " HTTP http://{http},");
    }
    if let Some(kafka) = places.kafka {
        let _ = write!(text, " Kafka {kafka},");
    }
    let _ = writeln!(text, " admin http://{}", places.admin);
    let _ = match places.data_dir {
        Some(dir) => writeln!(text, "Data: {} (on disk before it is acknowledged)", dir.display()),
        None => writeln!(text, "Events go to the Kafka brokers {}", places.brokers.join(", ")),
    };
    let _ = match (places.http, places.kafka) {
        (Some(http), _) => writeln!(
            text,
            "Try:  curl http://{http}/pagi/v1/event/publish -H 'content-type: application/json' \
             -d '{{\"topic\":\"demo\",\"key\":\"k1\",\"data\":{{\"hello\":\"PAGI\"}}}}'"
        ),
        (None, Some(kafka)) => writeln!(text, "Try:  kcat -b {kafka} -L"),
        (None, None) => Ok(()),
    };
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(port: u16) -> SocketAddr {
        SocketAddr::from(([127, 0, 0, 1], port))
    }

    #[test]
    fn three_lines_say_where_things_are_and_what_to_try() {
        let text = lines(&Places {
            http: Some(address(1)),
            kafka: Some(address(2)),
            admin: address(3),
            data_dir: Some(Path::new("./pagi-data")),
            brokers: &[],
        });
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(lines.len(), 3);
        let places = " HTTP http://127.0.0.1:1, Kafka 127.0.0.1:2, admin http://127.0.0.1:3";
        assert!(lines[0].ends_with(places), "{}", lines[0]);
        assert!(lines[1].contains("./pagi-data"));
        assert!(lines[2].contains("curl http://127.0.0.1:1/pagi/v1/event/publish"));
    }

    #[test]
    fn in_front_of_a_cluster_the_brokers_are_named() {
        let brokers = ["a:1".to_owned(), "b:2".to_owned()];
        let (http, admin) = (Some(address(1)), address(3));
        let text = lines(&Places { http, kafka: None, admin, data_dir: None, brokers: &brokers });
        assert!(text.contains("Kafka brokers a:1, b:2\n"), "{text}");
    }
}
