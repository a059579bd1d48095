//! The commands `pagi-appliance topics …`.
use clap::Subcommand;

use super::admin::Admin;
use super::error::OperateError;
use super::table::show;
use super::topic_args::{Create, Delete, Describe, List, Set};
use super::{topic_changes, topic_views};

const LIST_HELP: &str = "\
Examples:
  pagi-appliance topics list
  pagi-appliance topics list --brokers kafka-1:9092 --output json | jq -r .[].topic

Exit codes:
  0  listed
  1  the broker could not be reached, or refused
  2  the arguments are not right";

const DESCRIBE_HELP: &str = "\
Examples:
  pagi-appliance topics describe twin.events
  pagi-appliance topics describe twin.events --all-settings
  pagi-appliance topics describe twin.events --output json | jq .partitions

EARLIEST is the first offset that is still there, LATEST the one that the next record gets; a
partition without a leader has neither.

Exit codes:
  0  described
  1  the broker could not be reached, or refused
  2  the arguments are not right
  3  a topic does not exist; those that do are described";

const CREATE_HELP: &str = "\
Examples:
  pagi-appliance topics create twin.events --partitions 4
  pagi-appliance topics create a b --set retention.ms=86400000 --set max.message.bytes=100000
  pagi-appliance topics create twin.events --brokers kafka-1:9092 --replicas 3

Exit codes:
  0  every topic was created, or with --if-not-exists is there
  1  the broker could not be reached, or refused a topic; others may have been created
  2  the arguments are not right";

const DELETE_HELP: &str = "\
Examples:
  pagi-appliance topics delete twin.events

The records go with the topic, for good.

Exit codes:
  0  every topic was deleted, or with --if-exists is not there
  1  the broker could not be reached, or refused a topic; others may have been deleted
  2  the arguments are not right
  3  a topic does not exist; those that do were deleted";

const SET_HELP: &str = "\
Examples:
  pagi-appliance topics set twin.events --set retention.ms=86400000
  pagi-appliance topics set twin.events --unset retention.ms
  pagi-appliance topics set twin.events --partitions 8

Settings change all at once or not at all, and before the partitions. Partitions cannot become
fewer; with more of them, a key's next events may go to another partition than those before.

Exit codes:
  0  set
  1  the broker could not be reached, or refused
  2  the arguments are not right
  3  the topic does not exist";

/// List, create, change and delete topics of a Kafka broker, embedded or not
#[derive(Debug, Clone, Subcommand)]
pub enum TopicsCommand {
    /// All topics, and how many partitions and replicas each has
    #[command(after_help = LIST_HELP)]
    List(List),
    /// The partitions of topics, their offsets and settings
    #[command(after_help = DESCRIBE_HELP)]
    Describe(Describe),
    /// Create topics
    #[command(after_help = CREATE_HELP)]
    Create(Create),
    /// Delete topics and their records
    #[command(after_help = DELETE_HELP)]
    Delete(Delete),
    /// Change a topic's settings, or give it more partitions
    #[command(after_help = SET_HELP)]
    Set(Set),
}

impl TopicsCommand {
    /// Does what was asked for; results go to standard output.
    ///
    /// # Errors
    /// [`OperateError`]; what could be done was done and is printed.
    pub async fn run(&self) -> Result<(), OperateError> {
        let (Self::List(List { common, .. })
        | Self::Describe(Describe { common, .. })
        | Self::Create(Create { common, .. })
        | Self::Delete(Delete { common, .. })
        | Self::Set(Set { common, .. })) = self;
        let admin = Admin::new(&common.brokers);
        let mut out = Vec::new();
        let done = match self {
            Self::List(list) => {
                topic_views::list(&admin, list.internal, common.output, &mut out).await
            }
            Self::Describe(describe) => {
                let Describe { topics, all_settings, .. } = describe;
                topic_views::describe(&admin, topics, *all_settings, common.output, &mut out).await
            }
            Self::Create(create) => {
                topic_changes::create(&admin, create, common.output, &mut out).await
            }
            Self::Delete(delete) => {
                topic_changes::delete(&admin, delete, common.output, &mut out).await
            }
            Self::Set(set) => topic_changes::set(&admin, set, common.output, &mut out).await,
        };
        show(&out, done)
    }
}
