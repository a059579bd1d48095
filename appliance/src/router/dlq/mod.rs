//! `pagi-appliance router dlq`: look at dead letters, and send them back to where they came from.
mod command;
mod places;
mod reader;
mod redrive;
mod table;

pub use command::DlqCommand;
