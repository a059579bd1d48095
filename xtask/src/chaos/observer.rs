//! A consumer at the end of every partition: what it saw once must be there for ever.
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use pagi_protocol::kafka::error_code::KafkaCode;

use super::copy::{Copy, Fetched};
use super::findings::Sort;
use super::shared::Shared;
use crate::failure::Outcome;
use crate::kafka::{self, Broker};

const PAUSE: Duration = Duration::from_millis(5);

/// What was seen in each lane.
#[derive(Debug)]
pub(super) struct Observer(Vec<Mutex<Copy>>);

impl Observer {
    pub(super) fn new(lanes: u32) -> Self {
        Self((0..lanes).map(|_| Mutex::default()).collect())
    }

    /// Looks into all lanes in turn until the connection breaks or the load ends.
    pub(super) fn session(&self, shared: &Shared) -> Outcome {
        let mut broker = Broker::connect(shared.address)?;
        while !shared.stops() {
            for (lane, seen) in (0..).zip(&self.0) {
                let place = shared.lanes.place(lane);
                let mut seen = lock(seen);
                if let Fetched::Refused(code) = seen.extend(&mut broker, place, 0)?
                    && code == KafkaCode::OffsetOutOfRange.number()
                {
                    let (topic, partition) = place;
                    shared.findings.add(Sort::Lost, || {
                        let (end, code) = (seen.end(), kafka::name(code));
                        format!("{topic} {partition}: read up to {end}, and then answered {code}")
                    });
                    return Ok(());
                }
            }
            std::thread::sleep(PAUSE);
        }
        Ok(())
    }

    /// What was seen of a lane so far.
    pub(super) fn seen(&self, lane: u32) -> Copy {
        let seen = usize::try_from(lane).ok().and_then(|lane| self.0.get(lane));
        seen.map(|seen| lock(seen).clone()).unwrap_or_default()
    }
}

fn lock(copy: &Mutex<Copy>) -> MutexGuard<'_, Copy> {
    copy.lock().unwrap_or_else(PoisonError::into_inner)
}
