//! The upstream services of a route: which one a request goes to, and what became of it there.
//!
//! **Invariants.** Every request that was given a service is counted there until its [`Picked`] is
//! dropped, which is when its answer has been read or nobody wants it any more.
use std::hash::{BuildHasher, RandomState};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use super::config::{Config, UpstreamUrl};
use super::error::ProxyError;
use super::pool::Pool;
use crate::core::balance::{Balance, Choice, Outcome};

pub(super) struct Upstreams {
    pools: Vec<Arc<Pool>>,
    balance: Mutex<Balance>,
    begun: Instant,
}

/// A service that a request was given.
pub(super) struct Picked {
    upstreams: Arc<Upstreams>,
    pool: Arc<Pool>,
    number: usize,
    outcome: Outcome,
}

impl Upstreams {
    pub(super) fn new(config: &Config) -> Self {
        let urls = config.identity_urls.iter();
        let pools: Vec<_> = urls.map(|url| Arc::new(Pool::new(url.clone(), config))).collect();
        let balance = Mutex::new(Balance::new(pools.len(), config.in_flight_max));
        Self { pools, balance, begun: Instant::now() }
    }

    /// A service for a new request.
    pub(super) fn choose(self: &Arc<Self>) -> Result<Picked, ProxyError> {
        match self.with_balance(|balance, now_ms| balance.choose(now_ms, self.random())) {
            Choice::Service(number) => self.picked(number).ok_or(ProxyError::Busy),
            Choice::Busy => Err(ProxyError::Busy),
            Choice::NoneHealthy(back_ms) => Err(ProxyError::NoneHealthy { back_ms }),
        }
    }

    /// Another service for a request that could not be sent to `failed`.
    pub(super) fn choose_again(self: &Arc<Self>, failed: &Picked) -> Option<Picked> {
        let number = self.with_balance(|balance, now_ms| {
            balance.choose_again(now_ms, self.random(), failed.number)
        });
        self.picked(number?)
    }

    /// Whether a request may be sent again where it was sent.
    pub(super) fn may_repeat(&self) -> bool {
        self.with_balance(|balance, _| balance.may_repeat())
    }

    /// The services, each with its number.
    pub(super) fn pools(&self) -> impl Iterator<Item = (usize, &Arc<Pool>)> {
        self.pools.iter().enumerate()
    }

    /// A health check of a service went well, or not.
    pub(super) fn probed(&self, number: usize, good: bool) {
        if self.with_balance(|balance, _| balance.probed(number, good))
            && let Some(pool) = self.pools.get(number)
        {
            tracing::warn!(upstream = %pool.url(), good, "health checks tell something new");
        }
    }

    fn picked(self: &Arc<Self>, number: usize) -> Option<Picked> {
        let (upstreams, pool) = (Arc::clone(self), Arc::clone(self.pools.get(number)?));
        Some(Picked { upstreams, pool, number, outcome: Outcome::Unknown })
    }

    fn with_balance<T>(&self, act: impl FnOnce(&mut Balance, i64) -> T) -> T {
        let now_ms = i64::try_from(self.begun.elapsed().as_millis()).unwrap_or(i64::MAX);
        act(&mut self.balance.lock().unwrap_or_else(PoisonError::into_inner), now_ms)
    }

    fn random(&self) -> u64 {
        // The keys of a hash map's state differ at each call.
        if self.pools.len() > 1 { RandomState::new().hash_one(()) } else { 0 }
    }
}

impl Picked {
    pub(super) const fn pool(&self) -> &Arc<Pool> {
        &self.pool
    }

    pub(super) fn url(&self) -> &UpstreamUrl {
        self.pool.url()
    }

    /// The service has answered.
    pub(super) const fn answered(&mut self) {
        self.outcome = Outcome::Answered;
    }

    /// The service has failed.
    pub(super) const fn failed(&mut self) {
        self.outcome = Outcome::Failed;
    }
}

impl Drop for Picked {
    fn drop(&mut self) {
        let (number, outcome) = (self.number, self.outcome);
        let lost = self.upstreams.with_balance(|balance, now_ms| {
            let before = (outcome == Outcome::Failed).then(|| balance.healthy(now_ms));
            balance.end(number, outcome, now_ms);
            before.is_some_and(|before| balance.healthy(now_ms) < before)
        });
        if lost {
            tracing::warn!(upstream = %self.url(), "it failed too often and is left out for a while");
        }
    }
}
