//! Consumer groups: who is a member, in which generation, with which assignment.
//!
//! The classic protocol, whatever its members assign and how: subscriptions and assignments are
//! opaque here, so that eager and cooperative members are served alike. The newer protocol of
//! KIP-848, in which the broker assigns, is not spoken, nor advertised: every client falls back.
//!
//! **References.** Kafka protocol guide, "Group Membership API"; KIP-62 (rebalance timeout),
//! KIP-134 (initial delay), KIP-345 (static members), KIP-394 (member ids), KIP-814 (static
//! leaders).
pub mod answer;
pub mod joining;
pub mod member;
pub mod rebalance;
pub mod session;
pub mod state;
pub mod subscription;
pub mod syncing;

#[cfg(test)]
mod tests;
