//! How fast clients take answers that come in pieces. HTTP asks for no piece before its client has room for
//! the last one: that nobody asks is for a watch over the answer to notice, which then ends its request.

use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;

use hyper::rt::Executor;
use tokio::sync::Semaphore;
use tokio::task::AbortHandle;
use tokio::time::{Instant, sleep};
use tokio_util::task::AbortOnDropHandle;

use super::activity::Activity;

/// For how much of an answer a client has its patience anew. A byte now and then buys no time; 550 bytes a
/// second are enough for 30 seconds of patience, since the 50 images of a page share one slow line.
pub(super) const STEP: usize = 16 * 1024;
/// The patience with all clients while more than half of the places are taken: those that do not read leave
/// theirs before anybody is refused.
const TIGHT_PATIENCE: Duration = Duration::from_secs(2);

/// How long a client may let the pieces of an answer wait, as an extension of its response. Without one it
/// may for as long as its connection lives.
#[derive(Debug, Clone)]
pub struct Pace {
    patience: Duration,
    /// How many places there are, of which the answer has one.
    places: Option<(Arc<Semaphore>, usize)>,
}

impl Pace {
    /// So long for each 16 KiB that are there.
    pub fn of(patience: Duration) -> Self {
        Self { patience, places: None }
    }

    /// The same, and shorter while places are few.
    pub(crate) fn within(patience: Duration, free: Arc<Semaphore>, total: usize) -> Self {
        Self { patience, places: Some((free, total)) }
    }

    fn patience(&self) -> Duration {
        let is_tight =
            |(free, total): &(Arc<Semaphore>, usize)| free.available_permits() < total / 2;
        match self.places.as_ref().is_some_and(is_tight) {
            true => self.patience.min(TIGHT_PATIENCE),
            false => self.patience,
        }
    }
}

/// How long a client has let an answer wait.
#[derive(Debug, Default)]
struct Lag {
    /// What it took of the last step, and how long that took it.
    taken: usize,
    waited: Duration,
    /// The piece that is there to be taken, and since when.
    offered: Option<(usize, Instant)>,
}

impl Lag {
    fn now(&self) -> Duration {
        self.waited + self.offered.map_or(Duration::ZERO, |(_, since)| since.elapsed())
    }

    fn take(&mut self) {
        self.waited = self.now();
        self.taken += self.offered.take().map_or(0, |(bytes, _)| bytes);
        if self.taken >= STEP {
            *self = Self::default();
        }
    }
}

/// A watch over an answer, until dropped.
#[derive(Debug)]
pub(super) struct Watch {
    lag: Arc<Mutex<Lag>>,
    _task: AbortOnDropHandle<()>,
}

impl Watch {
    /// Watches over the answer to the request whose task this is.
    pub(super) fn over(pace: Pace, connection: Arc<Activity>) -> Self {
        let lag = Arc::<Mutex<Lag>>::default();
        let request = REQUEST.try_with(Clone::clone).ok();
        let task = tokio::spawn(watch(pace, lag.clone(), request, connection));
        Self { lag, _task: AbortOnDropHandle::new(task) }
    }

    /// Notes that the client has taken what was there.
    pub(super) fn has_taken(&self) {
        lock(&self.lag).take();
    }

    /// Notes that so many bytes are there for it.
    pub(super) fn offers(&self, bytes: usize) {
        lock(&self.lag).offered = Some((bytes, Instant::now()));
    }
}

fn lock(lag: &Mutex<Lag>) -> MutexGuard<'_, Lag> {
    lag.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Ends a request when its client lets the answer wait for too long: its stream is reset, and nothing of it
/// is kept. HTTP/1.1 has no other way than to end the connection.
async fn watch(
    pace: Pace,
    lag: Arc<Mutex<Lag>>,
    request: Option<Request>,
    connection: Arc<Activity>,
) {
    loop {
        let left = pace.patience().saturating_sub(lock(&lag).now());
        if left.is_zero() {
            break;
        }
        sleep(left.min(TIGHT_PATIENCE)).await;
    }
    tracing::debug!("a client that takes its answer too slowly is cut off");
    match request.as_deref().map(OnceLock::get) {
        Some(request) => request.into_iter().for_each(AbortHandle::abort),
        None => connection.expelled.notify_one(),
    }
}

/// The task of a request.
type Request = Arc<OnceLock<AbortHandle>>;

tokio::task_local! {
    static REQUEST: Request;
}

/// Runs the requests of HTTP/2, each in a task that can be ended from outside.
#[derive(Debug, Clone, Copy)]
pub(super) struct Requests;

impl<F: Future<Output: Send + 'static> + Send + 'static> Executor<F> for Requests {
    fn execute(&self, work: F) {
        let request = Request::default();
        let task = tokio::spawn(REQUEST.scope(request.clone(), work));
        let _ = request.set(task.abort_handle());
    }
}

#[cfg(test)]
mod tests {
    use tokio::time::advance;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn time_that_a_client_lets_pass_adds_up_until_it_has_taken_enough() {
        let (mut lag, second) = (Lag::default(), Duration::from_secs(1));
        for seconds in 1..=3 {
            lag.offered = Some((1, Instant::now()));
            advance(second).await;
            lag.take();
            // the service has nothing more yet
            advance(second * 100).await;
            assert_eq!(lag.now(), second * seconds);
        }
        lag.offered = Some((STEP, Instant::now()));
        lag.take();
        assert_eq!(lag.now(), Duration::ZERO);
    }

    #[test]
    fn who_does_not_read_has_less_time_while_places_are_few() {
        let (patience, free) = (Duration::from_secs(30), Arc::new(Semaphore::new(5)));
        let pace = Pace::within(patience, free.clone(), 10);
        assert_eq!(pace.patience(), patience);
        let _taken = free.try_acquire().unwrap();
        assert_eq!(pace.patience(), TIGHT_PATIENCE);
        assert_eq!(Pace::of(patience).patience(), patience);
    }
}
