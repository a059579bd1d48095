//! How much each client may do in a time: token buckets, a bounded number of them.
//!
//! A bucket is one number: the moment at which it would be full again (the "generic cell rate
//! algorithm"). A client whose moment has passed is as one that was never seen.
//!
//! **Invariants.** At most [`CLIENTS_LIMITED_MAX`] clients are remembered; beyond it all are
//! forgotten, which lets everyone begin anew and costs no more than remembering did. A client is
//! never kept waiting longer than its debt takes, and that is bounded.
//!
//! **References.** ITU-T I.371 (GCRA).
use std::collections::HashMap;
use std::hash::Hash;
use std::num::NonZeroU32;

use crate::limits::{CLIENT_DEBT_NS_MAX, CLIENTS_LIMITED_MAX};

const SECOND_NS: u64 = 1_000_000_000;

/// What one client may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rate {
    /// Events in a second, for ever.
    pub per_second: NonZeroU32,
    /// Events at once, after a silence.
    pub burst: NonZeroU32,
}

/// The clients that did something lately.
#[derive(Debug)]
pub struct Clients<K> {
    rate: Rate,
    /// When each will be as if it had done nothing, in nanoseconds.
    full_at_ns: HashMap<K, u64>,
    swept_at_ns: u64,
}

impl<K: Eq + Hash> Clients<K> {
    /// Nobody yet.
    #[must_use]
    pub fn new(rate: Rate) -> Self {
        Self { rate, full_at_ns: HashMap::new(), swept_at_ns: 0 }
    }

    /// One event of `client` at `now_ns`, in nanoseconds since any fixed moment.
    ///
    /// # Errors
    /// It has done too much. In so many nanoseconds it may do this; nothing was counted.
    pub fn take(&mut self, client: K, now_ns: u64) -> Result<(), u64> {
        match self.wait_ns(&client, now_ns) {
            0 => {
                self.charge(client, 1, now_ns);
                Ok(())
            }
            wait_ns => Err(wait_ns),
        }
    }

    /// Counts events that are done already, however many. Gives the nanoseconds until `client`
    /// may do more.
    pub fn charge(&mut self, client: K, events: usize, now_ns: u64) -> u64 {
        self.make_room(now_ns);
        let events = u64::try_from(events).unwrap_or(u64::MAX);
        let cost_ns = events.saturating_mul(SECOND_NS) / u64::from(self.rate.per_second.get());
        let latest_ns = now_ns.saturating_add(self.burst_ns()).saturating_add(CLIENT_DEBT_NS_MAX);
        let full_at_ns = self.full_at_ns.entry(client).or_insert(now_ns);
        *full_at_ns = (*full_at_ns).max(now_ns).saturating_add(cost_ns).min(latest_ns);
        let full_at_ns = *full_at_ns;
        self.wait_until(full_at_ns, now_ns)
    }

    fn wait_ns(&self, client: &K, now_ns: u64) -> u64 {
        self.full_at_ns.get(client).map_or(0, |full_at_ns| self.wait_until(*full_at_ns, now_ns))
    }

    /// How long until there is room for one event in a bucket that is full again at `full_at_ns`.
    fn wait_until(&self, full_at_ns: u64, now_ns: u64) -> u64 {
        let one_ns = SECOND_NS / u64::from(self.rate.per_second.get());
        let room_ns = self.burst_ns().saturating_sub(one_ns);
        full_at_ns.saturating_sub(now_ns).saturating_sub(room_ns)
    }

    fn burst_ns(&self) -> u64 {
        u64::from(self.rate.burst.get()) * SECOND_NS / u64::from(self.rate.per_second.get())
    }

    /// Forgets those who are as if they had done nothing, once in a second, and all if that is not
    /// enough.
    fn make_room(&mut self, now_ns: u64) {
        if now_ns.saturating_sub(self.swept_at_ns) >= SECOND_NS {
            self.swept_at_ns = now_ns;
            self.full_at_ns.retain(|_, full_at_ns| *full_at_ns > now_ns);
        }
        if self.full_at_ns.len() >= CLIENTS_LIMITED_MAX {
            self.full_at_ns.clear();
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn clients(per_second: u32, burst: u32) -> Clients<u32> {
        let [per_second, burst] =
            [per_second, burst].map(|number| NonZeroU32::new(number).unwrap());
        Clients::new(Rate { per_second, burst })
    }

    #[test]
    fn a_burst_is_let_through_and_then_one_in_each_interval() {
        let mut clients = clients(10, 3);
        for _ in 0..3 {
            assert_eq!(clients.take(1, 0), Ok(()));
        }
        assert_eq!(clients.take(1, 0), Err(100_000_000));
        assert_eq!(clients.take(1, 99_999_999), Err(1));
        assert_eq!(clients.take(1, 100_000_000), Ok(()));
        assert_eq!(clients.take(1, 100_000_000), Err(100_000_000));
        assert_eq!(clients.take(2, 100_000_000), Ok(()), "another client");
    }

    #[test]
    fn after_a_silence_there_is_one_burst_not_more() {
        let mut clients = clients(10, 3);
        let later = 3_600 * SECOND_NS;
        assert_eq!(clients.take(1, 0), Ok(()));
        for _ in 0..3 {
            assert_eq!(clients.take(1, later), Ok(()));
        }
        assert!(clients.take(1, later).is_err());
    }

    #[test]
    fn what_is_done_already_is_a_debt_that_is_bounded() {
        let mut clients = clients(10, 3);
        assert_eq!(clients.charge(1, 3, 0), 100_000_000);
        assert_eq!(clients.charge(1, 10, 0), 1_100_000_000);
        assert_eq!(clients.take(1, 1_000_000_000), Err(100_000_000));
        assert_eq!(clients.take(1, 1_100_000_000), Ok(()));
        assert_eq!(clients.charge(2, usize::MAX, 0), CLIENT_DEBT_NS_MAX + 100_000_000);
    }

    #[test]
    fn no_more_clients_are_remembered_than_allowed_and_those_who_rest_are_forgotten() {
        let mut clients = clients(1, 1);
        for client in 0..u32::try_from(CLIENTS_LIMITED_MAX).unwrap() * 3 {
            assert_eq!(clients.take(client, 0), Ok(()));
            assert!(clients.full_at_ns.len() <= CLIENTS_LIMITED_MAX);
        }
        assert_eq!(clients.take(0, 2 * SECOND_NS), Ok(()));
        assert_eq!(clients.full_at_ns.len(), 1);
    }

    proptest! {
        #[test]
        fn in_any_time_no_more_is_let_through_than_the_burst_and_the_rate(
            (per_second, burst) in (1_u32..2_000, 1_u32..50),
            pauses in prop::collection::vec(0_u64..200_000_000, 1..300),
        ) {
            let mut clients = clients(per_second, burst);
            let (mut now_ns, mut allowed) = (0, 0_u64);
            for pause in pauses {
                now_ns += pause;
                allowed += u64::from(clients.take(1, now_ns).is_ok());
                let interval_ns = SECOND_NS / u64::from(per_second);
                prop_assert!(allowed <= u64::from(burst) + now_ns / interval_ns + 1);
            }
        }
    }
}
