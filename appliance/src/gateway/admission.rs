//! Who may publish now: decided from a request's head, before a byte of its body is read.
//!
//! **Invariants.** A request that is refused has cost nothing but its head. A client that does too
//! much is told so (429) before it can make others suffer (503). Clients are told apart by the
//! address of their connection: what a request says about itself does not count.
//!
//! **References.** RFC 6585 section 4 (429); RFC 4291 section 2.5.4: a subscriber has a /64.
use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use pagi_protocol::{ErrorCode, PagiError};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::respond::Failure;
use crate::core::rate::{Clients, Rate};
use crate::router::PagiEventRouter;

/// Lets requests in, or not.
pub(super) struct Admission {
    router: PagiEventRouter,
    requests: Arc<Semaphore>,
    clients: Option<Arc<Limiter>>,
}

/// The right of one request to be handled, until it is dropped.
pub(super) struct Admitted {
    _permit: OwnedSemaphorePermit,
    limited: Option<(Arc<Limiter>, Client)>,
}

struct Limiter {
    clients: Mutex<Clients<Client>>,
    began: Instant,
}

/// An IPv4 address, or the /64 of an IPv6 address.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Client {
    V4(u32),
    V6(u64),
}

impl Admission {
    pub(super) fn new(router: PagiEventRouter, requests_max: usize, rate: Option<Rate>) -> Self {
        let clients = rate.map(|rate| {
            let clients = Mutex::new(Clients::new(rate));
            Arc::new(Limiter { clients, began: Instant::now() })
        });
        Self {
            router,
            requests: Arc::new(Semaphore::new(requests_max.min(Semaphore::MAX_PERMITS))),
            clients,
        }
    }

    /// Judges a request from `address` with a body of so many bytes, if it says how many.
    pub(super) fn admit(
        &self,
        address: IpAddr,
        body_bytes: Option<u64>,
    ) -> Result<Admitted, Failure> {
        let overloaded = |why| Failure::from(PagiError::new(ErrorCode::Overloaded, why));
        let permit = Arc::clone(&self.requests).try_acquire_owned();
        let permit = permit.map_err(|_| overloaded("too many publish requests are under way"))?;
        let limited = self.clients.as_ref().map(|limiter| (Arc::clone(limiter), client(address)));
        if let Some((limiter, client)) = &limited {
            limiter.take(*client)?;
        }
        let room = u64::try_from(self.router.room_bytes()).unwrap_or(u64::MAX);
        if body_bytes.unwrap_or(0) > room {
            return Err(overloaded("too many bytes wait for their acknowledgement"));
        }
        Ok(Admitted { _permit: permit, limited })
    }
}

impl Admitted {
    /// Counts more events of the same request. Gives how long its client should rest now.
    pub(super) fn charge(&self, events: usize) -> Duration {
        let Some((limiter, client)) = &self.limited else { return Duration::ZERO };
        let now_ns = limiter.now_ns();
        let mut clients = limiter.clients.lock().unwrap_or_else(PoisonError::into_inner);
        Duration::from_nanos(clients.charge(*client, events, now_ns))
    }
}

impl Limiter {
    fn take(&self, client: Client) -> Result<(), Failure> {
        let now_ns = self.now_ns();
        let mut clients = self.clients.lock().unwrap_or_else(PoisonError::into_inner);
        clients.take(client, now_ns).map_err(|wait_ns| {
            let detail = "this client has published too much in a short time";
            let secs = u32::try_from(wait_ns.div_ceil(1_000_000_000)).unwrap_or(u32::MAX);
            Failure::from(PagiError::new(ErrorCode::RateLimited, detail)).after_secs(secs)
        })
    }

    fn now_ns(&self) -> u64 {
        u64::try_from(self.began.elapsed().as_nanos()).unwrap_or(u64::MAX)
    }
}

fn client(address: IpAddr) -> Client {
    match address.to_canonical() {
        IpAddr::V4(address) => Client::V4(address.to_bits()),
        IpAddr::V6(address) => {
            Client::V6(u64::try_from(address.to_bits() >> 64).unwrap_or_default())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clients_are_addresses_or_whole_networks() {
        let client = |text: &str| client(text.parse().unwrap());
        assert_eq!(client("192.0.2.1"), client("::ffff:192.0.2.1"));
        assert_ne!(client("192.0.2.1"), client("192.0.2.2"));
        assert_eq!(client("2001:db8::1"), client("2001:db8::ffff:1"));
        assert_ne!(client("2001:db8::1"), client("2001:db8:0:1::1"));
    }
}
