//! `PagiBaseEvent`: the common event of every PAGI service.

/// The common event of every PAGI service: `CloudEvents` 1.0 attributes and data.
#[derive(Debug, Clone, PartialEq)]
pub struct PagiBaseEvent;
