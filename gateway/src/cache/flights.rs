//! Questions that are under way: who asks the same joins them.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use futures::FutureExt as _;
use futures::future::{BoxFuture, Shared};
use tonic::Status;
use tracing::Instrument as _;

type Flight<T> = Shared<BoxFuture<'static, Result<T, Status>>>;
type Board<T> = Arc<Mutex<HashMap<Bytes, Flight<T>>>>;

/// Each brings an answer to all who wait for it.
pub(super) struct Flights<T>(Board<T>);

impl<T> Default for Flights<T> {
    fn default() -> Self {
        Self(Arc::default())
    }
}

impl<T: Clone + Send + Sync + 'static> Flights<T> {
    /// The answer to a question; `ask` is only used where nobody else has asked it. It goes on when those
    /// who wait for it leave.
    pub(super) async fn join(
        &self,
        question: Bytes,
        ask: impl Future<Output = Result<T, Status>> + Send + 'static,
    ) -> Result<T, Status> {
        self.flight(question, ask).await
    }

    fn flight(
        &self,
        question: Bytes,
        ask: impl Future<Output = Result<T, Status>> + Send + 'static,
    ) -> Flight<T> {
        let mut flights = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(flight) = flights.get(&question) {
            return flight.clone();
        }
        let landed = Landing { flights: self.0.clone(), question: question.clone() };
        let asking = async move {
            let _landed = landed;
            ask.await
        };
        let asking = tokio::spawn(asking.in_current_span());
        let flight = async { asking.await.unwrap_or_else(|_| Err(Status::internal("broken off"))) };
        let flight = flight.boxed().shared();
        flights.insert(question, flight.clone());
        flight
    }
}

/// Takes a flight off the list when it has landed, or crashed.
struct Landing<T> {
    flights: Board<T>,
    question: Bytes,
}

impl<T> Drop for Landing<T> {
    fn drop(&mut self) {
        self.flights.lock().unwrap_or_else(PoisonError::into_inner).remove(&self.question);
    }
}

impl<T> fmt::Debug for Flights<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Flights").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use futures::future::join_all;

    use super::*;

    #[tokio::test]
    async fn who_asks_the_same_at_once_is_answered_with_one_question() {
        let (flights, asked) = (Flights::default(), Arc::new(AtomicUsize::new(0)));
        let ask = |question: &'static str| {
            let asked = asked.clone();
            flights.join(Bytes::from(question), async move {
                tokio::task::yield_now().await;
                asked.fetch_add(1, Ordering::Relaxed);
                Ok(Bytes::from(question))
            })
        };
        let answers = join_all([ask("a"), ask("a"), ask("b"), ask("a")]).await;
        assert_eq!(
            answers.into_iter().map(Result::unwrap).collect::<Vec<_>>(),
            ["a", "a", "b", "a"]
        );
        assert_eq!(asked.load(Ordering::Relaxed), 2);
        ask("a").await.unwrap();
        assert_eq!(asked.load(Ordering::Relaxed), 3, "an answer is not kept here");
    }

    #[tokio::test]
    async fn a_question_goes_on_when_its_first_asker_leaves() {
        let flights = Flights::default();
        let (answer, answered) = tokio::sync::oneshot::channel::<Bytes>();
        let ask = async move { answered.await.map_err(|_| Status::internal("")) };
        let mut first = Box::pin(flights.join(Bytes::from("q"), ask));
        assert!(futures::poll!(&mut first).is_pending());
        let second = flights.join(Bytes::from("q"), async { unreachable!("it is asked already") });
        drop(first);
        answer.send(Bytes::from("yes")).unwrap();
        assert_eq!(second.await.unwrap(), "yes");
    }

    #[tokio::test]
    async fn a_crash_is_an_error_to_all_and_the_next_asks_again() {
        let flights = Flights::default();
        let crash = flights.join(Bytes::from("q"), async { panic!("on purpose") });
        assert!(crash.await.is_err());
        let again = flights.join(Bytes::from("q"), async { Ok(Bytes::from("yes")) });
        assert_eq!(again.await.unwrap(), "yes");
    }
}
