//! One member of a group.
use bytes::Bytes;

/// Ways of assigning that a member knows, the one it likes best first, each with what the member
/// subscribes to in its words.
pub type Protocols = Vec<(String, Bytes)>;

/// The bytes of ways of assigning.
#[must_use]
pub fn protocols_bytes(protocols: &Protocols) -> usize {
    protocols.iter().map(|(name, metadata)| name.len() + metadata.len()).sum()
}

/// A member. `T` is whatever stands for a request that waits.
#[derive(Debug)]
pub struct Member<T> {
    /// Its id.
    pub id: String,
    /// Its static id (KIP-345).
    pub instance_id: Option<String>,
    /// The client's name for itself.
    pub client_id: String,
    /// Where it is.
    pub client_host: String,
    /// It is gone when it was silent for so long, in milliseconds.
    pub session_timeout_ms: i64,
    /// How long it may take to rejoin, in milliseconds.
    pub rebalance_timeout_ms: i64,
    /// What it can do.
    pub protocols: Protocols,
    /// What it is to do.
    pub assignment: Bytes,
    /// Its `JoinGroup` that waits.
    pub joining: Option<T>,
    /// Its `SyncGroup` that waits.
    pub syncing: Option<T>,
    /// Whether it asked for its assignment in this generation.
    pub synced: bool,
    /// It is gone when it is silent until then, unless it waits.
    pub session_ends_ms: i64,
}

impl<T> Member<T> {
    /// Notes that it is alive.
    pub const fn heard(&mut self, now_ms: i64) {
        self.session_ends_ms = now_ms.saturating_add(self.session_timeout_ms);
    }

    /// The bytes that it takes, or a little more.
    #[must_use]
    pub fn bytes(&self) -> usize {
        const FIXED: usize = 256;
        let instance_id = self.instance_id.as_ref().map_or(0, String::len);
        let names = self.id.len() + self.client_id.len() + self.client_host.len() + instance_id;
        FIXED + names + protocols_bytes(&self.protocols) + self.assignment.len()
    }

    /// Whether it waits for an answer: it is not silent then.
    #[must_use]
    pub const fn waits(&self) -> bool {
        self.joining.is_some() || self.syncing.is_some()
    }

    /// What it says in the words of `protocol`.
    #[must_use]
    pub fn metadata(&self, protocol: &str) -> Bytes {
        let known = self.protocols.iter().find(|(name, _)| name == protocol);
        known.map(|(_, metadata)| metadata.clone()).unwrap_or_default()
    }

    /// Whether it knows this way of assigning.
    #[must_use]
    pub fn knows(&self, protocol: &str) -> bool {
        self.protocols.iter().any(|(name, _)| name == protocol)
    }
}
