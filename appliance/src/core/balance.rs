//! Which of several upstream services gets a request, and which get none for a while.
//!
//! **Invariants.** Requests begun and ended are counted for each service, so one that is slow gets
//! fewer. One that failed too often in a row gets nothing for a time that doubles with every
//! further failure; then it is tried with one request at a time. What is tried again is never more
//! than a part of what is asked, whatever fails.
//!
//! **References.** M. Mitzenmacher, The Power of Two Choices in Randomized Load Balancing (2001);
//! Envoy, Outlier detection and Retry budgets.
use crate::limits::{
    UPSTREAM_EJECTION_MS_FIRST, UPSTREAM_EJECTION_MS_MAX, UPSTREAM_FAILURES_MAX,
    UPSTREAM_PROBES_FAILED_MAX, UPSTREAM_RETRIES_SAVED_MAX, UPSTREAM_RETRY_SHARE,
};

/// What is known of all services that a request may go to.
#[derive(Debug)]
pub struct Balance {
    services: Vec<Service>,
    in_flight_max: usize,
    /// Retries that may be made, times [`UPSTREAM_RETRY_SHARE`].
    retry_credit: u32,
}

#[derive(Debug, Default)]
struct Service {
    in_flight: usize,
    /// Failures since the last success.
    failures: u32,
    /// How often it was left out since the last success.
    ejections: u32,
    ejected_until_ms: i64,
    /// Health checks that failed since the last good one.
    probes_failed: u32,
}

/// Where a request goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Choice {
    /// To the service of this number, where it is counted until [`Balance::end`].
    Service(usize),
    /// Nowhere: every service that is well has as many requests as it may.
    Busy,
    /// Nowhere: no service is well. It is worth asking again after so many milliseconds.
    NoneHealthy(i64),
}

/// How a request ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// It was answered.
    Answered,
    /// The service failed: no connection, no answer, or one that says it cannot.
    Failed,
    /// Nothing can be said of the service: the client left, say.
    Unknown,
}

impl Balance {
    /// Nothing is known yet of `services` services, each of which may have `in_flight_max` requests
    /// at once.
    #[must_use]
    pub fn new(services: usize, in_flight_max: usize) -> Self {
        let services = (0..services).map(|_| Service::default()).collect();
        let retry_credit = UPSTREAM_RETRIES_SAVED_MAX * UPSTREAM_RETRY_SHARE;
        Self { services, in_flight_max, retry_credit }
    }

    /// Chooses for a new request: of two services taken at random the one with fewer requests.
    pub fn choose(&mut self, now_ms: i64, random: u64) -> Choice {
        let credit_max = UPSTREAM_RETRIES_SAVED_MAX * UPSTREAM_RETRY_SHARE;
        self.retry_credit = (self.retry_credit + 1).min(credit_max);
        self.pick(now_ms, random, None)
    }

    /// Chooses another service than `failed` for a request that is tried again; none when there is
    /// no other, or too much is being tried again.
    pub fn choose_again(&mut self, now_ms: i64, random: u64, failed: usize) -> Option<usize> {
        if self.retry_credit < UPSTREAM_RETRY_SHARE {
            return None;
        }
        match self.pick(now_ms, random, Some(failed)) {
            Choice::Service(number) => {
                self.retry_credit -= UPSTREAM_RETRY_SHARE;
                Some(number)
            }
            Choice::Busy | Choice::NoneHealthy(_) => None,
        }
    }

    /// Whether a request may be tried again on the service it was tried on.
    pub const fn may_repeat(&mut self) -> bool {
        let may = self.retry_credit >= UPSTREAM_RETRY_SHARE;
        if may {
            self.retry_credit -= UPSTREAM_RETRY_SHARE;
        }
        may
    }

    fn pick(&mut self, now_ms: i64, random: u64, except: Option<usize>) -> Choice {
        let usable = |(number, service): &(usize, &Service)| {
            Some(*number) != except && service.takes(now_ms, self.in_flight_max)
        };
        let count = self.services.iter().enumerate().filter(usable).count();
        if count == 0 {
            return self.nobody(now_ms);
        }
        let nth = |n: u64| {
            let n = usize::try_from(n).unwrap_or(0);
            self.services.iter().enumerate().filter(usable).nth(n)
        };
        let of = u64::try_from(count).unwrap_or(1);
        let first = random % of;
        // Another one than the first, where there is one.
        let second = (first + 1 + (random >> 32) % of.saturating_sub(1).max(1)) % of;
        let fewer = [nth(first), nth(second)]
            .into_iter()
            .flatten()
            .min_by_key(|(_, service)| service.in_flight)
            .map(|(number, _)| number);
        match fewer.and_then(|number| Some((number, self.services.get_mut(number)?))) {
            Some((number, service)) => {
                service.in_flight += 1;
                Choice::Service(number)
            }
            None => self.nobody(now_ms),
        }
    }

    fn nobody(&self, now_ms: i64) -> Choice {
        if self.services.iter().any(|service| service.is_well(now_ms)) {
            return Choice::Busy;
        }
        let back_ms = self.services.iter().map(|service| service.ejected_until_ms - now_ms).min();
        Choice::NoneHealthy(back_ms.unwrap_or_default().max(0))
    }

    /// A request that was sent to a service has ended.
    pub fn end(&mut self, number: usize, outcome: Outcome, now_ms: i64) {
        let Some(service) = self.services.get_mut(number) else { return };
        service.in_flight = service.in_flight.saturating_sub(1);
        match outcome {
            Outcome::Answered => service.recovered(),
            Outcome::Failed => service.failed(now_ms),
            Outcome::Unknown => {}
        }
    }

    /// A health check of a service was answered as it should be, or not. Says whether that changes
    /// what is thought of the service.
    pub fn probed(&mut self, number: usize, good: bool) -> bool {
        let Some(service) = self.services.get_mut(number) else { return false };
        let before = service.probes_failed >= UPSTREAM_PROBES_FAILED_MAX;
        if good {
            service.recovered();
            service.probes_failed = 0;
        } else {
            service.probes_failed = service.probes_failed.saturating_add(1);
        }
        before != (service.probes_failed >= UPSTREAM_PROBES_FAILED_MAX)
    }

    /// How many services would get a request now, as far as their health goes.
    #[must_use]
    pub fn healthy(&self, now_ms: i64) -> usize {
        self.services.iter().filter(|service| service.is_well(now_ms)).count()
    }
}

impl Service {
    const fn is_well(&self, now_ms: i64) -> bool {
        now_ms >= self.ejected_until_ms && self.probes_failed < UPSTREAM_PROBES_FAILED_MAX
    }

    const fn takes(&self, now_ms: i64, in_flight_max: usize) -> bool {
        // One that failed is tried with one request first.
        let at_once = if self.failures < UPSTREAM_FAILURES_MAX { in_flight_max } else { 1 };
        self.is_well(now_ms) && self.in_flight < at_once
    }

    const fn recovered(&mut self) {
        self.failures = 0;
        self.ejections = 0;
        self.ejected_until_ms = 0;
    }

    fn failed(&mut self, now_ms: i64) {
        self.failures = self.failures.saturating_add(1);
        // Those that were under way when it was left out say nothing new.
        if self.failures >= UPSTREAM_FAILURES_MAX && now_ms >= self.ejected_until_ms {
            let doubled = UPSTREAM_EJECTION_MS_FIRST.saturating_mul(1 << self.ejections.min(16));
            self.ejected_until_ms = now_ms.saturating_add(doubled.min(UPSTREAM_EJECTION_MS_MAX));
            self.ejections = self.ejections.saturating_add(1);
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn fail(balance: &mut Balance, number: usize, now_ms: i64) {
        balance.services[number].in_flight += 1;
        balance.end(number, Outcome::Failed, now_ms);
    }

    fn ejected(services: usize, now_ms: i64) -> Balance {
        let mut balance = Balance::new(services, 10);
        for _ in 0..UPSTREAM_FAILURES_MAX {
            fail(&mut balance, 0, now_ms);
        }
        balance
    }

    #[test]
    fn of_two_the_one_with_fewer_requests_is_taken() {
        let mut balance = Balance::new(2, 10);
        let Choice::Service(first) = balance.choose(0, 7) else { panic!("nobody") };
        for random in [0, 1, u64::MAX] {
            assert_eq!(balance.choose(0, random), Choice::Service(1 - first));
            balance.end(1 - first, Outcome::Answered, 0);
        }
    }

    #[test]
    fn a_service_that_fails_again_and_again_is_left_out_and_tried_again_later() {
        let mut balance = ejected(2, 1_000);
        assert_eq!(balance.healthy(1_000), 1);
        for random in 0..10 {
            assert_eq!(balance.choose(1_000, random), Choice::Service(1));
        }
        let back_ms = 1_000 + UPSTREAM_EJECTION_MS_FIRST;
        assert_eq!(balance.choose(back_ms, 0), Choice::Service(0), "it has fewer requests");
        assert_ne!(balance.choose(back_ms, 0), Choice::Service(0), "one request at a time");
        balance.end(0, Outcome::Failed, back_ms);
        assert_eq!(balance.healthy(back_ms + UPSTREAM_EJECTION_MS_FIRST), 1, "twice as long now");
        let later_ms = back_ms + 2 * UPSTREAM_EJECTION_MS_FIRST;
        assert_eq!(balance.choose(later_ms, 0), Choice::Service(0));
        balance.end(0, Outcome::Answered, later_ms);
        fail(&mut balance, 0, later_ms);
        assert_eq!(balance.healthy(later_ms), 2, "a success makes it as good as new");
    }

    #[test]
    fn failures_of_requests_that_were_under_way_do_not_make_the_time_longer() {
        let mut balance = ejected(1, 0);
        for _ in 0..100 {
            fail(&mut balance, 0, 0);
        }
        assert_eq!(balance.choose(0, 0), Choice::NoneHealthy(UPSTREAM_EJECTION_MS_FIRST));
    }

    #[test]
    fn the_time_stops_growing() {
        let mut balance = ejected(1, 0);
        let mut now_ms = 0;
        for _ in 0..40 {
            let Choice::NoneHealthy(wait_ms) = balance.choose(now_ms, 0) else { panic!("well") };
            assert!(wait_ms <= UPSTREAM_EJECTION_MS_MAX);
            now_ms += wait_ms;
            fail(&mut balance, 0, now_ms);
        }
    }

    #[test]
    fn a_service_takes_so_many_requests_at_once_and_others_are_told_that_it_is_busy() {
        let mut balance = Balance::new(1, 2);
        assert_eq!(balance.choose(0, 0), Choice::Service(0));
        assert_eq!(balance.choose(0, 0), Choice::Service(0));
        assert_eq!(balance.choose(0, 0), Choice::Busy);
        balance.end(0, Outcome::Unknown, 0);
        assert_eq!(balance.choose(0, 0), Choice::Service(0));
    }

    #[test]
    fn health_checks_leave_a_service_out_and_bring_it_back() {
        let mut balance = Balance::new(1, 10);
        for _ in 1..UPSTREAM_PROBES_FAILED_MAX {
            assert!(!balance.probed(0, false));
        }
        assert!(balance.probed(0, false));
        assert_eq!(balance.choose(0, 0), Choice::NoneHealthy(0));
        assert!(balance.probed(0, true));
        assert_eq!(balance.choose(0, 0), Choice::Service(0));
        let mut balance = ejected(1, 0);
        balance.probed(0, true);
        assert_eq!(balance.choose(0, 0), Choice::Service(0), "also one that failed requests");
    }

    #[test]
    fn what_is_tried_again_goes_elsewhere_and_is_a_part_of_what_is_asked() {
        let mut balance = Balance::new(2, 1_000);
        assert_eq!(Balance::new(1, 10).choose_again(0, 0, 0), None, "there is nobody else");
        let mut retries = 0;
        for _ in 0..UPSTREAM_RETRIES_SAVED_MAX * 2 {
            match balance.choose_again(0, 0, 0) {
                Some(number) => assert_eq!(number, 1),
                None => break,
            }
            retries += 1;
        }
        assert_eq!(retries, UPSTREAM_RETRIES_SAVED_MAX);
        for _ in 1..UPSTREAM_RETRY_SHARE {
            balance.choose(0, 0);
        }
        assert!(!balance.may_repeat());
        balance.choose(0, 0);
        assert!(balance.may_repeat() && !balance.may_repeat());
    }

    proptest! {
        #[test]
        fn requests_are_counted_and_never_more_than_may_be(
            services in 1_usize..5, cap in 1_usize..4,
            steps in prop::collection::vec((0_u8..4, any::<u64>(), 0_i64..5_000), 0..200)
        ) {
            let mut balance = Balance::new(services, cap);
            let (mut open, mut now_ms) = (Vec::new(), 0);
            for (step, random, pause_ms) in steps {
                now_ms += pause_ms;
                match (step, open.pop()) {
                    (0, ended) => {
                        open.extend(ended);
                        if let Choice::Service(number) = balance.choose(now_ms, random) {
                            open.push(number);
                        }
                    }
                    (1, Some(number)) => balance.end(number, Outcome::Answered, now_ms),
                    (2, Some(number)) => balance.end(number, Outcome::Failed, now_ms),
                    (_, Some(number)) => balance.end(number, Outcome::Unknown, now_ms),
                    (_, None) => {}
                }
                for (number, service) in balance.services.iter().enumerate() {
                    let count = open.iter().filter(|open| **open == number).count();
                    prop_assert_eq!(service.in_flight, count);
                    prop_assert!(count <= cap);
                }
            }
        }
    }
}
