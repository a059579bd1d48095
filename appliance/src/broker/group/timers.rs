//! When each group is to be looked at: one timer for all of them.
use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use tokio::sync::Notify;

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Timers {
    due: Mutex<BTreeSet<(i64, Arc<str>)>>,
    earlier: Notify,
}

impl Timers {
    /// Sets a timer of a group, in milliseconds since 1970.
    pub(super) fn set(&self, at_ms: i64, group: Arc<str>) {
        let mut due = self.due.lock();
        let first = due.first().map(|(first_ms, _)| *first_ms);
        due.insert((at_ms, group));
        drop(due);
        if first.is_none_or(|first_ms| at_ms < first_ms) {
            self.earlier.notify_one();
        }
    }

    /// Takes the timers that have gone off.
    pub(super) fn take_due(&self, now_ms: i64) -> Vec<(i64, Arc<str>)> {
        let mut due = self.due.lock();
        let mut taken = Vec::new();
        while let Some(timer) = due.pop_first() {
            if timer.0 > now_ms {
                due.insert(timer);
                break;
            }
            taken.push(timer);
        }
        taken
    }

    /// Waits until the first timer may have gone off.
    pub(super) async fn wait(&self, now_ms: i64) {
        let first = self.due.lock().first().map(|(at_ms, _)| *at_ms);
        match first {
            None => self.earlier.notified().await,
            Some(at_ms) => {
                let wait_ms = u64::try_from(at_ms.saturating_sub(now_ms)).unwrap_or(0);
                tokio::select! {
                    () = tokio::time::sleep(Duration::from_millis(wait_ms)) => {}
                    () = self.earlier.notified() => {}
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn timers_go_off_in_their_order_and_an_earlier_one_wakes_who_waits() {
        let timers = Arc::new(Timers::default());
        timers.set(i64::MAX, "late".into());
        let waiting = tokio::spawn({
            let timers = Arc::clone(&timers);
            async move { timers.wait(0).await }
        });
        tokio::task::yield_now().await;
        timers.set(5, "early".into());
        waiting.await.unwrap();
        assert_eq!(timers.take_due(4), []);
        assert_eq!(timers.take_due(5), [(5, Arc::from("early"))]);
    }
}
