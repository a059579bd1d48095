//! The load: producers, an observer and a clerk that stay connected while the broker comes and goes.
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::Duration;

use super::clerk::Clerk;
use super::findings::{Findings, Sort};
use super::lanes::Lanes;
use super::ledger::Ledger;
use super::observer::Observer;
use super::producer::Producer;
use super::random::Random;
use super::shared::Shared;
use crate::failure::Outcome;
use crate::kafka::Broker;

/// How much load.
#[derive(Debug, Clone, Copy)]
pub(super) struct Shape {
    pub(super) producers: u32,
    /// The longest that a producer rests between two requests.
    pub(super) pause_ms_max: u64,
}

/// R1's load: as many producers as the promise names.
pub(super) const MANY: Shape = Shape { producers: 32, pause_ms_max: 20 };

/// Where one case after the other begins anew.
pub(super) const FEW: Shape = Shape { producers: 6, pause_ms_max: 8 };

/// Everything that a load leaves behind.
#[derive(Debug)]
pub(super) struct Load {
    pub(super) shared: Shared,
    pub(super) observer: Observer,
    clerk: Clerk,
    producers: Vec<Producer>,
}

impl Load {
    /// A load that has not sent anything yet.
    pub(super) fn new(
        address: SocketAddr,
        shape: Shape,
        lanes: Lanes,
        ledger: Ledger,
        random: &Random,
    ) -> Self {
        let shared = Shared {
            address,
            lanes,
            ledger,
            findings: Findings::default(),
            stop: AtomicBool::new(false),
            abandoned: AtomicBool::new(false),
            rest: AtomicBool::new(false),
            closed: AtomicBool::new(false),
            sessions: AtomicU32::new(0),
        };
        let producers = (0..shape.producers)
            .map(|number| Producer::new(number, random.part(number), shape.pause_ms_max))
            .collect();
        let observer = Observer::new(shared.lanes.count());
        Self { observer, clerk: Clerk::default(), producers, shared }
    }

    /// Whether topics and committed offsets still are as acknowledged.
    ///
    /// # Errors
    /// The connection broke. What is wrong goes to the findings.
    pub(super) fn look(&self, findings: &Findings) -> Outcome {
        self.clerk.look(&mut Broker::connect(self.shared.address)?, &self.shared, findings)
    }

    /// Runs `work` while the load goes on; afterwards every producer has its answers.
    pub(super) fn during<T>(
        &mut self,
        work: impl FnOnce(&Shared, &Observer) -> Outcome<T>,
    ) -> Outcome<T> {
        let Self { shared, observer, clerk, producers } = self;
        let (shared, observer) = (&*shared, &*observer);
        shared.stop.store(false, Ordering::Relaxed);
        std::thread::scope(|scope| {
            for producer in producers {
                scope.spawn(move || keep(shared, || producer.session(shared)));
            }
            scope.spawn(move || keep(shared, || clerk.session(shared)));
            scope.spawn(move || keep(shared, || observer.session(shared)));
            let result = work(shared, observer);
            let hopeless = result.is_err() || !shared.findings.is_empty();
            shared.abandoned.store(hopeless, Ordering::Relaxed);
            shared.stop.store(true, Ordering::Relaxed);
            result
        })
    }
}

/// Begins a session anew whenever it ends, until everything has been said.
fn keep(shared: &Shared, mut session: impl FnMut() -> Outcome) {
    const PAUSE: Duration = Duration::from_millis(5);
    /// Without a broker, nobody waits for ever for what was under way.
    const LAST_TRIES: u32 = 2_000;
    let mut tries = 0;
    loop {
        match session() {
            Ok(()) => return,
            Err(_) if shared.abandoned.load(Ordering::Relaxed) => return,
            Err(failure) if shared.stops() => {
                tries += 1;
                if tries > LAST_TRIES {
                    shared.findings.add(Sort::Wrong, || format!("no answer any more: {failure}"));
                    return;
                }
            }
            Err(_) => {}
        }
        std::thread::sleep(PAUSE);
    }
}
