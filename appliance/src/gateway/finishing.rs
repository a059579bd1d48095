//! A future that is finished also when nobody waits for it any more.
//!
//! hyper drops what it does for a client that has left. What was begun for it is begun all the
//! same: its outcome is to be counted, logged and audited.
//!
//! **Invariants.** The future is polled to its end, unless the runtime ends before.
use std::pin::Pin;
use std::task::{Context, Poll};

use tokio::runtime::Handle;

/// Finishes the future that it holds: in its own place, or in a task when it is dropped before.
pub(super) struct Finishing<T: Send + 'static, F: FnOnce(T) + Send + Unpin + 'static> {
    future: Option<Pin<Box<dyn Future<Output = T> + Send>>>,
    left: Option<F>,
}

impl<T: Send + 'static, F: FnOnce(T) + Send + Unpin + 'static> Finishing<T, F> {
    /// `left` is told the outcome if nobody waited for it.
    pub(super) fn new(future: impl Future<Output = T> + Send + 'static, left: F) -> Self {
        Self { future: Some(Box::pin(future)), left: Some(left) }
    }
}

impl<T: Send + 'static, F: FnOnce(T) + Send + Unpin + 'static> Future for Finishing<T, F> {
    type Output = T;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<T> {
        let Some(future) = &mut self.future else { return Poll::Pending };
        let poll = future.as_mut().poll(cx);
        if poll.is_ready() {
            self.future = None;
        }
        poll
    }
}

impl<T: Send + 'static, F: FnOnce(T) + Send + Unpin + 'static> Drop for Finishing<T, F> {
    fn drop(&mut self) {
        if let (Some(future), Some(left)) = (self.future.take(), self.left.take())
            && let Ok(runtime) = Handle::try_current()
        {
            runtime.spawn(async move { left(future.await) });
        }
    }
}

#[cfg(test)]
mod tests {
    use std::task::Waker;

    use tokio::sync::oneshot;

    use super::*;

    #[tokio::test]
    async fn one_that_is_waited_for_gives_its_outcome_to_who_waits() {
        let left = |outcome| panic!("nobody left, and still told of {outcome}");
        assert_eq!(Finishing::new(async { 7 }, left).await, 7);
    }

    #[tokio::test]
    async fn one_that_is_dropped_half_way_is_finished() {
        let (go_on, wait) = oneshot::channel::<i32>();
        let (tell, told) = oneshot::channel();
        let left = move |outcome| tell.send(outcome).unwrap();
        let mut finishing = Box::pin(Finishing::new(async { wait.await.unwrap() + 1 }, left));
        let mut context = Context::from_waker(Waker::noop());
        assert!(finishing.as_mut().poll(&mut context).is_pending());
        drop(finishing);
        go_on.send(1).unwrap();
        assert_eq!(told.await, Ok(2));
    }
}
