//! Natural batching: while one statement is under way, what arrives goes together in the next. There
//! is no timer, but for what nobody waits for: who comes alone is served at once, and a queue makes the
//! batches larger.
//!
//! A batch costs hardly more than one of its items, so a lane lets others come before it leaves. Nobody
//! waits for a batch that is under way while another lane may begin.

use std::collections::{HashSet, VecDeque};
use std::fmt;
use std::io;
use std::panic::AssertUnwindSafe;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures::FutureExt as _;
use tokio::sync::oneshot;
use tokio::task::yield_now;
use uuid::Uuid;

/// How often a lane lets others go first before it takes a batch. Those who have just been answered, or
/// have just come, are about to ask: a lane that took what there is at once would leave with the first
/// of them. Without work elsewhere this takes no time.
const COURTESY: usize = 10;

/// What is done for several items in one statement.
pub trait Work: Send + Sync + 'static {
    /// What a caller asks for.
    type Item: Send + Sync + 'static;
    /// What becomes of it.
    type Outcome: Send + 'static;

    /// Does it: one outcome for each item, in their order. After an error that is not the database's
    /// absence it is tried again for each item alone, so it must have done nothing, or be safe to
    /// repeat.
    fn run(
        &self,
        items: &[Self::Item],
    ) -> impl Future<Output = Result<Vec<Self::Outcome>, sqlx::Error>> + Send;

    /// What an item has to itself for as long as its statement is under way: items of one key go in
    /// one batch or one after the other, so that no statement waits for the locks of another.
    fn keys(_: &Self::Item) -> impl Iterator<Item = Uuid> {
        std::iter::empty()
    }

    /// How much of a batch an item fills.
    fn weight(_: &Self::Item) -> usize {
        1
    }
}

/// How much is done at once.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// Statements under way at the same time.
    pub lanes: usize,
    /// The most that a batch weighs. An item that is heavier goes alone.
    pub weight: usize,
    /// Items that wait; more are refused.
    pub waiting: usize,
    /// How long a batch waits for company. Nobody should have to wait for what waits itself.
    pub linger: Duration,
}

impl Limits {
    /// For what is only read.
    pub const READS: Self = Self { lanes: 2, weight: 200, waiting: 10_000, linger: Duration::ZERO };
    /// For what changes rows.
    pub const WRITES: Self =
        Self { lanes: 3, weight: 100, waiting: 10_000, linger: Duration::ZERO };
    /// For changes that nobody waits for: fewer statements, each for more of them.
    pub const PATIENT: Self =
        Self { lanes: 2, weight: 200, waiting: 10_000, linger: Duration::from_millis(5) };
}

/// Collects items into batches. Cheap to clone.
pub struct Batches<W: Work> {
    inner: Arc<Inner<W>>,
}

struct Inner<W: Work> {
    work: W,
    limits: Limits,
    queue: Mutex<Queue<W>>,
}

struct Queue<W: Work> {
    waiting: VecDeque<Waiting<W>>,
    /// Lanes there are, and those of them whose batch has not left yet.
    lanes: usize,
    boarding: usize,
    /// The keys of the items that are under way.
    held: HashSet<Uuid>,
}

struct Waiting<W: Work> {
    item: W::Item,
    caller: oneshot::Sender<Result<W::Outcome, sqlx::Error>>,
}

impl<W: Work> Batches<W> {
    /// Batches of `work`.
    pub fn new(work: W, limits: Limits) -> Self {
        let queue = Queue { waiting: VecDeque::new(), lanes: 0, boarding: 0, held: HashSet::new() };
        Self { inner: Arc::new(Inner { work, limits, queue: Mutex::new(queue) }) }
    }

    /// Has an item done. A caller that leaves before its batch begins takes its item back; after
    /// that, what becomes of it does not depend on the caller.
    ///
    /// # Errors
    ///
    /// The error of the item's own statement; `PoolTimedOut` when too many wait already.
    pub async fn submit(&self, item: W::Item) -> Result<W::Outcome, sqlx::Error> {
        let (caller, outcome) = oneshot::channel();
        {
            let mut queue = self.inner.lock();
            if queue.waiting.len() >= self.inner.limits.waiting {
                return Err(sqlx::Error::PoolTimedOut);
            }
            queue.waiting.push_back(Waiting { item, caller });
            self.inner.make_way(&mut queue);
        }
        // only a panic in the work loses an outcome
        outcome.await.unwrap_or(Err(sqlx::Error::WorkerCrashed))
    }
}

impl<W: Work> Inner<W> {
    fn lock(&self) -> MutexGuard<'_, Queue<W>> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Begins another lane, unless one is about to leave or there are as many as allowed.
    fn make_way(self: &Arc<Self>, queue: &mut Queue<W>) {
        let is_wanted = queue.boarding == 0 && !queue.waiting.is_empty();
        if is_wanted && queue.lanes < self.limits.lanes {
            queue.lanes += 1;
            queue.boarding += 1;
            let lane =
                Lane { inner: self.clone(), held: Vec::new(), is_boarding: true, has_ended: false };
            tokio::spawn(lane.run());
        }
    }

    /// One bad item does not fail its neighbours: after an error each is tried alone.
    async fn outcomes(&self, items: &[W::Item]) -> Vec<Result<W::Outcome, sqlx::Error>> {
        let error = match self.work.run(items).await {
            Ok(outcomes) => return outcomes.into_iter().map(Ok).collect(),
            Err(error) => error,
        };
        if items.len() == 1 {
            return vec![Err(error)];
        }
        if is_absence(&error) {
            let error = Arc::new(error);
            return items.iter().map(|_| Err(shared(&error))).collect();
        }
        let mut outcomes = Vec::with_capacity(items.len());
        for item in items {
            let alone = self.work.run(std::slice::from_ref(item)).await;
            outcomes.push(
                alone.and_then(|mut outcomes| outcomes.pop().ok_or(sqlx::Error::RowNotFound)),
            );
        }
        outcomes
    }
}

/// What goes in one statement, and who asked for it.
struct Batch<W: Work> {
    items: Vec<W::Item>,
    callers: Vec<oneshot::Sender<Result<W::Outcome, sqlx::Error>>>,
    weight: usize,
}

/// Statements one after the other, until nothing waits that could go.
struct Lane<W: Work> {
    inner: Arc<Inner<W>>,
    /// The keys of the batch that is under way.
    held: Vec<Uuid>,
    is_boarding: bool,
    has_ended: bool,
}

impl<W: Work> Lane<W> {
    async fn run(mut self) {
        loop {
            self.board().await;
            let Some(batch) = self.next() else { break };
            // after a panic, of which its hook has told, the callers learn that there is no outcome
            let work = AssertUnwindSafe(self.inner.outcomes(&batch.items)).catch_unwind();
            let outcomes = work.await.unwrap_or_default();
            self.arrive();
            for (caller, outcome) in batch.callers.into_iter().zip(outcomes) {
                // who has left does not want to know
                let _ = caller.send(outcome);
            }
        }
    }

    /// Lets others come.
    async fn board(&self) {
        let linger = self.inner.limits.linger;
        if !linger.is_zero() {
            tokio::time::sleep(linger).await;
        }
        for _ in 0..COURTESY {
            yield_now().await;
        }
    }

    /// The next batch; the lane ends when there is none.
    fn next(&mut self) -> Option<Batch<W>> {
        let inner = self.inner.clone();
        let mut queue = inner.lock();
        let batch = queue.take(inner.limits.weight);
        if batch.items.is_empty() {
            // while nobody can join the queue: who comes next begins a lane of its own
            self.end(&mut queue);
            return None;
        }
        self.held.extend(batch.items.iter().flat_map(W::keys));
        queue.held.extend(&self.held);
        queue.boarding -= 1;
        self.is_boarding = false;
        inner.make_way(&mut queue);
        Some(batch)
    }

    /// What the batch had to itself is free, and the next may board.
    fn arrive(&mut self) {
        let mut queue = self.inner.lock();
        queue.release(&mut self.held);
        queue.boarding += 1;
        self.is_boarding = true;
    }

    fn end(&mut self, queue: &mut Queue<W>) {
        queue.release(&mut self.held);
        queue.boarding -= usize::from(self.is_boarding);
        queue.lanes -= 1;
        self.has_ended = true;
    }
}

/// A lane that is dropped half-way, because its runtime ends, leaves its place.
impl<W: Work> Drop for Lane<W> {
    fn drop(&mut self) {
        if !self.has_ended {
            let inner = self.inner.clone();
            self.end(&mut inner.lock());
        }
    }
}

impl<W: Work> Queue<W> {
    fn release(&mut self, held: &mut Vec<Uuid>) {
        for key in held.drain(..) {
            self.held.remove(&key);
        }
    }

    /// Takes what goes next, in the order of arrival, without what must wait for another batch. Who
    /// waits keeps its place for all of its keys: those who come later and want only some of them do
    /// not overtake it again and again.
    fn take(&mut self, most: usize) -> Batch<W> {
        let mut batch = Batch { items: Vec::new(), callers: Vec::new(), weight: 0 };
        let mut claimed = HashSet::new();
        let mut place = 0;
        while let Some(waiting) = self.waiting.get(place) {
            if waiting.caller.is_closed() {
                self.waiting.remove(place);
                continue;
            }
            let is_taken = |key| self.held.contains(&key) || claimed.contains(&key);
            if W::keys(&waiting.item).any(is_taken) {
                claimed.extend(W::keys(&waiting.item));
                place += 1;
                continue;
            }
            let weight = batch.weight + W::weight(&waiting.item);
            if weight > most && !batch.items.is_empty() {
                break;
            }
            batch.weight = weight;
            let Some(Waiting { item, caller }) = self.waiting.remove(place) else { break };
            batch.items.push(item);
            batch.callers.push(caller);
        }
        batch
    }
}

/// Whether trying again at once, for each item alone, would only take longer to fail.
fn is_absence(error: &sqlx::Error) -> bool {
    crate::is_transient(error) && error.as_database_error().is_none()
        || matches!(error, sqlx::Error::Io(_))
}

/// The same error for each of several callers.
fn shared(error: &Arc<sqlx::Error>) -> sqlx::Error {
    let kind = match &**error {
        sqlx::Error::Io(error) => error.kind(),
        _ => io::ErrorKind::Other,
    };
    sqlx::Error::Io(io::Error::new(kind, error.clone()))
}

impl<W: Work> Clone for Batches<W> {
    fn clone(&self) -> Self {
        Self { inner: self.inner.clone() }
    }
}

impl<W: Work> fmt::Debug for Batches<W> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Batches").field("limits", &self.inner.limits).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
