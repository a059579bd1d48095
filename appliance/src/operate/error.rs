//! Why a command did not do what was asked: in words that say what to try.
use pagi_protocol::kafka::error_code::KafkaCode;

/// See the module.
#[derive(Debug, thiserror::Error)]
pub enum OperateError {
    /// No broker could be asked, or one broke off.
    #[error(
        "{broker}: {why}. Is a broker running there? Start one with `pagi-appliance broker`, or \
         say where one is with --brokers HOST:PORT"
    )]
    Unreachable {
        /// Who was asked.
        broker: String,
        /// What happened.
        why: String,
    },
    /// What was named is not there.
    #[error("{0}")]
    NotFound(String),
    /// The broker does not do it, or not now.
    #[error("{0}")]
    Refused(String),
    /// The result cannot be printed.
    #[error("cannot print the result: {0}")]
    Output(#[from] std::io::Error),
}

impl OperateError {
    /// The process's exit code, as `--help` of each command lists them.
    #[must_use]
    pub const fn exit_code(&self) -> u8 {
        match self {
            Self::NotFound(_) => 3,
            Self::Unreachable { .. } | Self::Refused(_) | Self::Output(_) => 1,
        }
    }

    /// The broker's answer about a topic, unless all is well. `said` are the broker's own words.
    pub(super) fn of_topic(topic: &str, code: i16, said: Option<&str>) -> Result<(), Self> {
        let code = match KafkaCode::from_number(code) {
            Some(KafkaCode::None) => return Ok(()),
            Some(code) => code,
            None => return Err(Self::Refused(format!("topic {topic}: error {code}"))),
        };
        let why = match code {
            KafkaCode::UnknownTopicOrPartition | KafkaCode::UnknownTopicId => {
                return Err(Self::NotFound(format!(
                    "topic {topic} does not exist; `pagi-appliance topics list` shows those that do"
                )));
            }
            KafkaCode::TopicAlreadyExists => {
                "exists already; with --if-not-exists that is no error".to_owned()
            }
            KafkaCode::RequestTimedOut => {
                "the broker did not finish in time, and may have done it \
                                           all the same; look with `topics list`"
                    .to_owned()
            }
            code if code.retriable() => format!("not at the moment ({code:?}); try again"),
            code => said.filter(|said| !said.is_empty()).map_or_else(
                || format!("the broker refuses with {code:?}"),
                |said| format!("the broker refuses: {said}"),
            ),
        };
        Err(Self::Refused(format!("topic {topic}: {why}")))
    }

    /// The broker's answer about a group, unless all is well.
    pub(super) fn of_group(group: &str, code: i16) -> Result<(), Self> {
        let why = match KafkaCode::from_number(code) {
            Some(KafkaCode::None) => return Ok(()),
            Some(KafkaCode::GroupIdNotFound) => {
                return Err(Self::NotFound(format!(
                    "group {group} does not exist; `pagi-appliance groups list` shows those that do"
                )));
            }
            Some(KafkaCode::NonEmptyGroup | KafkaCode::UnknownMemberId) => {
                "it has members; stop its consumers first".to_owned()
            }
            Some(code) if code.retriable() => format!("not at the moment ({code:?}); try again"),
            Some(code) => format!("the broker refuses with {code:?}"),
            None => format!("error {code}"),
        };
        Err(Self::Refused(format!("group {group}: {why}")))
    }

    /// One error for several, none for none. What is not there decides only when nothing else is
    /// wrong.
    pub(super) fn all(errors: Vec<Self>) -> Result<(), Self> {
        if errors.len() < 2 {
            return errors.into_iter().next().map_or(Ok(()), Err);
        }
        let only_missing = errors.iter().all(|error| matches!(error, Self::NotFound(_)));
        let lines: Vec<String> = errors.iter().map(ToString::to_string).collect();
        let lines = lines.join("; ");
        Err(if only_missing { Self::NotFound(lines) } else { Self::Refused(lines) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(code: KafkaCode, said: &str) -> OperateError {
        OperateError::of_topic("t", code.number(), Some(said)).unwrap_err()
    }

    #[test]
    fn what_is_missing_has_an_exit_code_of_its_own() {
        assert_eq!(of(KafkaCode::UnknownTopicOrPartition, "").exit_code(), 3);
        assert_eq!(of(KafkaCode::InvalidPartitions, "").exit_code(), 1);
        assert!(OperateError::of_topic("t", 0, None).is_ok());
    }

    #[test]
    fn the_words_of_the_broker_are_passed_on() {
        let told = of(KafkaCode::InvalidConfig, "retention.ms must be a number").to_string();
        assert_eq!(told, "topic t: the broker refuses: retention.ms must be a number");
        let silent = of(KafkaCode::InvalidConfig, "").to_string();
        assert_eq!(silent, "topic t: the broker refuses with InvalidConfig");
        let unknown = OperateError::of_topic("t", 999, None).unwrap_err().to_string();
        assert_eq!(unknown, "topic t: error 999");
    }

    #[test]
    fn a_group_that_has_members_is_told_from_one_that_is_not_there() {
        let of = |code: KafkaCode| OperateError::of_group("g", code.number()).unwrap_err();
        assert_eq!(of(KafkaCode::GroupIdNotFound).exit_code(), 3);
        let told = of(KafkaCode::NonEmptyGroup);
        assert_eq!(told.to_string(), "group g: it has members; stop its consumers first");
        assert_eq!(told.exit_code(), 1);
        assert!(of(KafkaCode::NotCoordinator).to_string().contains("try again"));
        assert!(OperateError::of_group("g", 0).is_ok());
    }

    #[test]
    fn of_several_errors_all_are_told() {
        let missing = || OperateError::NotFound("no a".to_owned());
        let refused = OperateError::Refused("not b".to_owned());
        assert!(OperateError::all(Vec::new()).is_ok());
        assert_eq!(OperateError::all(vec![missing(), missing()]).unwrap_err().exit_code(), 3);
        let both = OperateError::all(vec![missing(), refused]).unwrap_err();
        assert_eq!((both.exit_code(), both.to_string().as_str()), (1, "no a; not b"));
    }
}
