//! `pagi-appliance router start-consumer`, and what it delivered.
use super::appliance;
use super::delivered::Delivered;
use super::process::Process;

/// A running consumer.
#[derive(Debug)]
pub(crate) struct Consumer {
    pub(crate) process: Process,
}

impl Consumer {
    /// Consumes `topic` from its beginning, or from where `group` got to, as the same static member
    /// each time: so that nobody waits for the session of one that was killed.
    pub(crate) fn start(brokers: &str, topic: &str, group: &str, more: &[&str]) -> Self {
        Self::join(brokers, topic, group, &[&["--group-instance-id", "it"], more].concat())
    }

    /// As [`Self::start`], as whatever member `more` says.
    pub(crate) fn join(brokers: &str, topic: &str, group: &str, more: &[&str]) -> Self {
        let mut command = appliance::command(&["router", "start-consumer", "--from", "earliest"]);
        command.args(["--brokers", brokers, "--topics", topic, "--group", group]).args(more);
        Self { process: Process::start(&mut command) }
    }

    /// The next event; none when the consumer has ended.
    pub(crate) fn next(&self) -> Option<Delivered> {
        self.process.line().map(|line| parse(&line))
    }

    /// Everything until the consumer ends by itself.
    pub(crate) fn rest(mut self) -> Vec<Delivered> {
        let delivered = std::iter::from_fn(|| self.next()).collect();
        let status = self.process.wait();
        assert!(status.success(), "{status}: {}", self.process.errors());
        delivered
    }
}

/// Everything that `topic` holds now, as a new group sees it.
pub(crate) fn read(brokers: &str, topic: &str) -> Vec<Delivered> {
    let group = format!("reader-of-{topic}");
    Consumer::start(brokers, topic, &group, &["--exit-at-end"]).rest()
}

fn parse(line: &str) -> Delivered {
    let value: serde_json::Value =
        serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"));
    let number = |name: &str| value[name].as_i64().unwrap_or_else(|| panic!("no {name}: {line}"));
    let text = |name: &str| value[name].as_str().map(str::to_owned);
    Delivered {
        topic: text("topic").expect("a topic"),
        partition: i32::try_from(number("partition")).expect("a partition"),
        offset: number("offset"),
        key: text("key"),
        payload: text("payload").expect("a payload").into_bytes(),
    }
}
