//! Callers that leave before they have their answer.

use std::pin::pin;
use std::task::Poll;

/// When a caller leaves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Moment {
    /// While what it waits for is under way.
    Waiting,
    /// When that is done, before it has taken notice.
    Woken,
}

impl Moment {
    /// Both.
    pub const ALL: [Self; 2] = [Self::Waiting, Self::Woken];
}

/// Polls a call `polls` times at most, and then drops it: its answer, if it had one by then. With 0, 1,
/// 2 … polls a caller leaves at each `await` of the call, one after the other.
pub async fn leave_after<F: Future>(polls: usize, moment: Moment, call: F) -> Option<F::Output> {
    let mut call = pin!(call);
    let mut left = polls;
    let poll = std::future::poll_fn(|cx| {
        if left == 0 {
            return Poll::Ready(None);
        }
        left -= 1;
        match call.as_mut().poll(cx) {
            Poll::Ready(answer) => Poll::Ready(Some(answer)),
            Poll::Pending if left == 0 && moment == Moment::Waiting => Poll::Ready(None),
            Poll::Pending => Poll::Pending,
        }
    });
    poll.await
}
