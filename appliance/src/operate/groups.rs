//! The commands `pagi-appliance groups …`.
use clap::Subcommand;

use super::admin::Admin;
use super::error::OperateError;
use super::group_args::{Delete, Describe, List, Reset};
use super::table::show;
use super::{group_changes, group_views};

const LIST_HELP: &str = "\
Examples:
  pagi-appliance groups list
  pagi-appliance groups list --brokers kafka-1:9092 --output json | jq -r .[].group

Exit codes:
  0  listed
  1  a broker could not be reached, or refused
  2  the arguments are not right";

const DESCRIBE_HELP: &str = "\
Examples:
  pagi-appliance groups describe my-service
  pagi-appliance groups describe my-service --output json | jq '[.partitions[].lag] | add'

COMMITTED is the offset at which the group goes on, LATEST the one that the partition's next record
gets, LAG the difference: how many records the group has not handled. Members of groups that share by
the protocol of KIP-848 are not shown.

Exit codes:
  0  described
  1  a broker could not be reached, or refused
  2  the arguments are not right
  3  a group does not exist; those that do are described";

const RESET_HELP: &str = "\
Examples:
  pagi-appliance groups reset my-service --topics twin.events --to earliest --dry-run
  pagi-appliance groups reset my-service --topics twin.events:0 --to 1234
  pagi-appliance groups reset my-service --topics twin.events --to 2026-11-23T08:00:00Z

The group must not have members: stop its consumers first. An offset outside of what a partition
has becomes its first or its next one.

Exit codes:
  0  set
  1  a broker could not be reached, or refused
  2  the arguments are not right
  3  a topic or a partition does not exist; nothing was changed";

const DELETE_HELP: &str = "\
Examples:
  pagi-appliance groups delete my-service

The group's offsets go with it. The group must not have members: stop its consumers first.

Exit codes:
  0  every group was deleted
  1  a broker could not be reached, or refused a group; others may have been deleted
  2  the arguments are not right
  3  a group does not exist; those that do were deleted";

/// List, describe, reset and delete consumer groups of a Kafka broker, embedded or not
#[derive(Debug, Clone, Subcommand)]
pub enum GroupsCommand {
    /// All groups, and the state of each
    #[command(after_help = LIST_HELP)]
    List(List),
    /// The members of groups, what each reads, and how far it is
    #[command(after_help = DESCRIBE_HELP)]
    Describe(Describe),
    /// Set where a group goes on
    #[command(after_help = RESET_HELP)]
    Reset(Reset),
    /// Delete groups and their offsets
    #[command(after_help = DELETE_HELP)]
    Delete(Delete),
}

impl GroupsCommand {
    /// Does what was asked for; results go to standard output.
    ///
    /// # Errors
    /// [`OperateError`]; what could be done was done and is printed.
    pub async fn run(&self) -> Result<(), OperateError> {
        let (Self::List(List { common })
        | Self::Describe(Describe { common, .. })
        | Self::Reset(Reset { common, .. })
        | Self::Delete(Delete { common, .. })) = self;
        let (admin, format) = (Admin::new(&common.brokers), common.output);
        let mut out = Vec::new();
        let done = match self {
            Self::List(_) => group_views::list(&admin, format, &mut out).await,
            Self::Describe(describe) => {
                group_views::describe(&admin, &describe.groups, format, &mut out).await
            }
            Self::Reset(reset) => group_changes::reset(&admin, reset, format, &mut out).await,
            Self::Delete(delete) => group_changes::delete(&admin, delete, format, &mut out).await,
        };
        show(&out, done)
    }
}
