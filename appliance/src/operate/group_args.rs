//! The arguments of `pagi-appliance groups …`.
use std::str::FromStr;

use chrono::DateTime;
use clap::Args;
use pagi_protocol::TopicName;

use super::admin::End;
use super::topic_args::Common;

/// What to list.
#[derive(Debug, Clone, Args)]
pub struct List {
    #[command(flatten)]
    pub(super) common: Common,
}

/// What to describe.
#[derive(Debug, Clone, Args)]
pub struct Describe {
    /// The groups
    #[arg(required = true, value_name = "GROUP")]
    pub(super) groups: Vec<String>,
    #[command(flatten)]
    pub(super) common: Common,
}

/// What to reset.
#[derive(Debug, Clone, Args)]
pub struct Reset {
    /// The group; without any offset so far, it gets its first ones
    #[arg(value_name = "GROUP")]
    pub(super) group: String,
    /// The topics, or partitions of them, separated by commas: twin.events,orders:0,orders:1
    #[arg(long, required = true, value_delimiter = ',', value_name = "TOPIC[:PARTITION]")]
    pub(super) topics: Vec<Which>,
    /// Where the group is to go on: earliest, latest, an offset, or a time as 2026-11-23T08:00:00Z
    #[arg(long, value_name = "earliest|latest|OFFSET|TIME")]
    pub(super) to: Target,
    /// Only show what would be set
    #[arg(long)]
    pub(super) dry_run: bool,
    #[command(flatten)]
    pub(super) common: Common,
}

/// What to delete.
#[derive(Debug, Clone, Args)]
pub struct Delete {
    /// The groups
    #[arg(required = true, value_name = "GROUP")]
    pub(super) groups: Vec<String>,
    #[command(flatten)]
    pub(super) common: Common,
}

/// A topic, or one partition of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Which {
    pub(super) topic: TopicName,
    pub(super) partition: Option<i32>,
}

impl FromStr for Which {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (topic, partition) = match text.split_once(':') {
            Some((topic, number)) => {
                let number: u16 =
                    number.parse().map_err(|_| format!("\"{number}\" is not a partition"))?;
                (topic, Some(i32::from(number)))
            }
            None => (text, None),
        };
        let topic = TopicName::parse(topic).map_err(|error| error.detail().to_owned())?;
        Ok(Self { topic, partition })
    }
}

/// Where a group is to go on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Target {
    /// At one of these in each partition; a time behind the last record is the end.
    At(End),
    /// At this offset, or at the end that is nearer.
    Offset(i64),
}

impl FromStr for Target {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "earliest" => return Ok(Self::At(End::Earliest)),
            "latest" => return Ok(Self::At(End::Latest)),
            _ => {}
        }
        if let Ok(offset) = text.parse::<u64>() {
            return i64::try_from(offset).map(Self::Offset).map_err(|error| error.to_string());
        }
        let time = DateTime::parse_from_rfc3339(text).map_err(|_| {
            "write earliest, latest, an offset, or a time as 2026-11-23T08:00:00Z".to_owned()
        })?;
        match time.timestamp_millis() {
            ms @ 0.. => Ok(Self::At(End::Since(ms))),
            _ => Err("records are not as old as that".to_owned()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_target_is_a_word_an_offset_or_a_time() {
        assert_eq!("earliest".parse(), Ok(Target::At(End::Earliest)));
        assert_eq!("latest".parse(), Ok(Target::At(End::Latest)));
        assert_eq!("42".parse(), Ok(Target::Offset(42)));
        assert_eq!("1970-01-01T01:00:01.5+01:00".parse(), Ok(Target::At(End::Since(1_500))));
        for text in ["", "-1", "now", "2026-11-23", "1960-01-01T00:00:00Z", "99999999999999999999"]
        {
            assert!(text.parse::<Target>().is_err(), "{text}");
        }
    }

    #[test]
    fn a_topic_may_have_a_partition() {
        let topic = TopicName::parse("a.b").unwrap();
        assert_eq!("a.b".parse(), Ok(Which { topic: topic.clone(), partition: None }));
        assert_eq!("a.b:7".parse(), Ok(Which { topic, partition: Some(7) }));
        for text in ["", "a/b", "a:", "a:x", "a:-1", "a:0-1"] {
            assert!(text.parse::<Which>().is_err(), "{text}");
        }
    }
}
