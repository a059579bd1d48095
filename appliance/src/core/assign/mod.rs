//! Who of a group reads what: the ways of assigning partitions to members.
//!
//! **Invariants.** A partition is assigned to one member at most, and only to one that wants its
//! topic. The result depends on what is given alone, not on its order: whoever leads the group
//! comes to the same.
//!
//! **References.** Kafka's `RangeAssignor`; KIP-54 and KIP-429 (sticky, cooperative).
pub mod cooperative;
pub mod group;
pub mod range;
