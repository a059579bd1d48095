//! How a consumer shares partitions with the others of its group, as told on the command line.
use std::ops::RangeInclusive;

use clap::Args;
use pagi_protocol::{ErrorCode, PagiError, TopicName};

use super::consumer_config::{Assignment, Assignor};
use crate::core::units::Span;
use crate::limits::{PARTITIONS_CONSUMED_MAX, SESSION_TIMEOUT};

/// The arguments.
#[derive(Debug, Clone, Args)]
pub struct Sharing {
    /// Read all partitions of the topics, without sharing them with others of the group
    #[arg(long, conflicts_with_all = ["partitions", "group_instance_id"])]
    pub standalone: bool,

    /// Read only these partitions of the topics, without sharing them, such as a:0-3,a:7,b:0
    #[arg(
        long,
        value_delimiter = ',',
        value_name = "TOPIC:N[-M],...",
        conflicts_with = "group_instance_id"
    )]
    pub partitions: Vec<String>,

    /// How the consumers of the group share partitions; all of them must use the same
    #[arg(long, value_enum, default_value_t)]
    pub assignor: Assignor,

    /// A name that this consumer keeps: what it reads waits for it while it restarts
    #[arg(long, value_name = "NAME")]
    pub group_instance_id: Option<String>,

    /// After how long without a sign of life the others get its partitions
    #[arg(long, value_name = "TIME", default_value_t = Span(SESSION_TIMEOUT))]
    pub session_timeout: Span,
}

impl Sharing {
    /// Which partitions to read.
    ///
    /// # Errors
    /// [`ErrorCode::InvalidConfig`], saying what cannot be understood.
    pub fn assignment(&self) -> Result<Assignment, PagiError> {
        if self.standalone {
            return Ok(Assignment::All);
        }
        let mut partitions = Vec::new();
        for text in &self.partitions {
            let (topic, numbers) = text.rsplit_once(':').ok_or_else(|| unclear(text))?;
            let topic = TopicName::parse(topic)?;
            partitions.extend(numbered(numbers, text)?.map(|number| (topic.clone(), number)));
            if partitions.len() > PARTITIONS_CONSUMED_MAX {
                let detail = format!("--partitions names more than {PARTITIONS_CONSUMED_MAX}");
                return Err(PagiError::new(ErrorCode::InvalidConfig, detail));
            }
        }
        let all = Assignment::Partitions(partitions);
        Ok(if self.partitions.is_empty() { Assignment::Group } else { all })
    }
}

/// The numbers that `3` or `0-3` stands for: not more than a consumer reads, and one.
fn numbered(numbers: &str, text: &str) -> Result<RangeInclusive<i32>, PagiError> {
    let (first, last) = numbers.split_once('-').unwrap_or((numbers, numbers));
    let number = |text: &str| text.parse::<u16>().ok().map(i32::from);
    match (number(first), number(last)) {
        (Some(first), Some(last)) if first <= last => Ok(first..=last),
        _ => Err(unclear(text)),
    }
}

fn unclear(text: &str) -> PagiError {
    let detail = format!("--partitions {text}: write a topic and numbers, such as a:0-3 or b:0");
    PagiError::new(ErrorCode::InvalidConfig, detail)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn assignment(partitions: &[&str]) -> Result<Assignment, PagiError> {
        let sharing = Sharing {
            standalone: false,
            partitions: partitions.iter().map(ToString::to_string).collect(),
            assignor: Assignor::default(),
            group_instance_id: None,
            session_timeout: Span(SESSION_TIMEOUT),
        };
        sharing.assignment()
    }

    #[test]
    fn partitions_are_named_one_by_one_or_as_ranges() {
        let topic = |name: &str| TopicName::parse(name).unwrap();
        let named = vec![(topic("a"), 0), (topic("a"), 1), (topic("b.c"), 7)];
        assert_eq!(assignment(&["a:0-1", "b.c:7"]).unwrap(), Assignment::Partitions(named));
        assert_eq!(assignment(&[]).unwrap(), Assignment::Group);
    }

    #[test]
    fn nonsense_is_named() {
        for text in ["a", "a:", "a:x", "a:-1", "a:3-1", "a:0-", "a:70000", "a:0-65535"] {
            assert!(assignment(&[text]).is_err(), "{text}");
        }
        assert!(assignment(&["a:x"]).unwrap_err().detail().contains("a:x"));
    }
}
