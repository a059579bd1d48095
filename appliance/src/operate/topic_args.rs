//! The arguments of `pagi-appliance topics …`.
use clap::Args;

use super::settings::Setting;
use super::table::Format;
use crate::router::commands::Brokers;

/// What all of them take.
#[derive(Debug, Clone, Args)]
pub(super) struct Common {
    #[command(flatten)]
    pub(super) brokers: Brokers,
    /// How to print the result
    #[arg(long, value_enum, default_value_t, value_name = "FORMAT")]
    pub(super) output: Format,
}

/// What to list.
#[derive(Debug, Clone, Args)]
pub struct List {
    /// Also those that Kafka keeps for itself, as __consumer_offsets
    #[arg(long)]
    pub(super) internal: bool,
    #[command(flatten)]
    pub(super) common: Common,
}

/// What to describe.
#[derive(Debug, Clone, Args)]
pub struct Describe {
    /// The topics
    #[arg(required = true, value_name = "TOPIC")]
    pub(super) topics: Vec<String>,
    /// Also the settings that have the broker's default
    #[arg(long)]
    pub(super) all_settings: bool,
    #[command(flatten)]
    pub(super) common: Common,
}

/// What to create.
#[derive(Debug, Clone, Args)]
pub struct Create {
    /// The topics
    #[arg(required = true, value_name = "TOPIC")]
    pub(super) topics: Vec<String>,
    /// How many partitions each gets. Default: the broker's
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(i32).range(1..))]
    pub(super) partitions: Option<i32>,
    /// How many replicas each partition gets. Default: the broker's
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(i16).range(1..))]
    pub(super) replicas: Option<i16>,
    /// A setting; may be repeated
    #[arg(long = "set", value_name = "KEY=VALUE")]
    pub(super) settings: Vec<Setting>,
    /// Take a topic that exists already for done, as it is
    #[arg(long)]
    pub(super) if_not_exists: bool,
    #[command(flatten)]
    pub(super) common: Common,
}

/// What to delete.
#[derive(Debug, Clone, Args)]
pub struct Delete {
    /// The topics
    #[arg(required = true, value_name = "TOPIC")]
    pub(super) topics: Vec<String>,
    /// Take a topic that does not exist for done
    #[arg(long)]
    pub(super) if_exists: bool,
    #[command(flatten)]
    pub(super) common: Common,
}

/// What to change.
#[derive(Debug, Clone, Args)]
#[group(skip)]
#[command(group = clap::ArgGroup::new("change").required(true).multiple(true)
    .args(["partitions", "settings", "unset"]))]
pub struct Set {
    /// The topic
    #[arg(value_name = "TOPIC")]
    pub(super) topic: String,
    /// How many partitions it is to have then
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(i32).range(1..))]
    pub(super) partitions: Option<i32>,
    /// A setting; may be repeated
    #[arg(long = "set", value_name = "KEY=VALUE")]
    pub(super) settings: Vec<Setting>,
    /// A setting that is to have the broker's default again; may be repeated
    #[arg(long, value_name = "KEY")]
    pub(super) unset: Vec<String>,
    #[command(flatten)]
    pub(super) common: Common,
}
