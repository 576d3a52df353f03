//! Hashing passwords, a few at a time: each takes a core and 19 MiB.

use std::sync::Arc;
use std::time::Duration;

use argon2::Block;
use argon2::password_hash::Error as HashError;
use secrecy::SecretString;
use souk_kit::secret;
use tokio::sync::{Semaphore, TryAcquireError, oneshot};

use crate::Error;
use crate::hash::{self, Verdict};
use crate::workers::Workers;

/// Hashes at a time.
const RUNNING: usize = 2;
/// How many may wait for their turn: about a second's worth.
const WAITING: usize = 64;
/// How long memory is kept that no hash works in.
const IDLE_LIMIT: Duration = Duration::from_secs(1);

/// Hashes passwords. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Hasher {
    /// Those under way and those that wait.
    places: Arc<Semaphore>,
    /// Those under way.
    turns: Arc<Semaphore>,
    workers: Workers,
    /// The hash of a password that nobody has, for accounts that do not exist.
    nobodys: Arc<str>,
}

impl Hasher {
    /// A hasher with its own queue.
    pub async fn start() -> Result<Self, Error> {
        let mut hasher = Self {
            places: Arc::new(Semaphore::new(RUNNING + WAITING)),
            turns: Arc::new(Semaphore::new(RUNNING)),
            workers: Workers::new(RUNNING, IDLE_LIMIT),
            nobodys: "".into(),
        };
        hasher.nobodys = hasher.hash(&secret::random_token()?).await?.into();
        Ok(hasher)
    }

    /// The PHC string of a password, with a new salt.
    pub async fn hash(&self, password: &SecretString) -> Result<String, Error> {
        let password = password.clone();
        self.run(move |memory| hash::hash(&password, memory)).await
    }

    /// Compares a password with the hash of an account. Without an account it costs the same, and
    /// is wrong.
    pub async fn verify(
        &self,
        password: &SecretString,
        stored: Option<&str>,
    ) -> Result<Verdict, Error> {
        let password = password.clone();
        let exists = stored.is_some();
        let stored = stored.unwrap_or(&self.nobodys).to_owned();
        let verdict = self.run(move |memory| hash::verify(&password, &stored, memory)).await?;
        Ok(if exists { verdict } else { Verdict::Wrong })
    }

    /// Runs one hash when its turn comes; refuses at once when too many wait.
    async fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce(&mut [Block]) -> Result<T, HashError> + Send + 'static,
    ) -> Result<T, Error> {
        let place = match self.places.clone().try_acquire_owned() {
            Ok(place) => place,
            Err(TryAcquireError::NoPermits | TryAcquireError::Closed) => return Err(Error::Busy),
        };
        let turn = self.turns.clone().acquire_owned().await.map_err(|_| Error::Busy)?;
        let (sender, done) = oneshot::channel();
        // the work goes on when its caller has left: it keeps its turn until it is done
        let job = move |memory: &mut [Block]| {
            let done = work(memory);
            drop((place, turn));
            let _ = sender.send(done);
        };
        self.workers.give(Box::new(job)).map_err(Error::Thread)?;
        // only a panic loses an answer
        Ok(done.await.map_err(|_| Error::Cut)??)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Barrier;

    use tokio::task::spawn_blocking;

    use super::*;

    const PASSWORD: &str = "correct horse battery";

    #[tokio::test]
    async fn a_password_is_right_for_the_account_that_has_it() {
        let hasher = Hasher::start().await.unwrap();
        let hash = hasher.hash(&PASSWORD.into()).await.unwrap();
        let check =
            async |password: &str, stored| hasher.verify(&password.into(), stored).await.unwrap();
        assert_eq!(check(PASSWORD, Some(hash.as_str())).await, Verdict::Right);
        assert_eq!(check("another", Some(hash.as_str())).await, Verdict::Wrong);
        assert_eq!(check(PASSWORD, None).await, Verdict::Wrong);
    }

    #[tokio::test]
    async fn a_full_queue_refuses_at_once() {
        let hasher = Hasher::start().await.unwrap();
        let _others = hasher.places.clone().acquire_many_owned(66).await.unwrap();
        let refused = hasher.hash(&PASSWORD.into()).await;
        assert!(matches!(refused, Err(Error::Busy)));
    }

    #[tokio::test]
    async fn a_hash_whose_caller_has_left_keeps_its_turn_until_it_is_done() {
        let hasher = Hasher::start().await.unwrap();
        let (begun, end) = (Arc::new(Barrier::new(2)), Arc::new(Barrier::new(2)));
        let caller = tokio::spawn({
            let (hasher, begun, end) = (hasher.clone(), begun.clone(), end.clone());
            let work = move |_: &mut [Block]| {
                begun.wait();
                end.wait();
                Ok(())
            };
            async move { hasher.run(work).await }
        });
        spawn_blocking(move || begun.wait()).await.unwrap();
        caller.abort();
        assert!(caller.await.unwrap_err().is_cancelled());
        assert_eq!(hasher.turns.available_permits(), RUNNING - 1);
        end.wait();
        drop(hasher.turns.acquire_many(2).await.unwrap());
        assert_eq!(hasher.places.available_permits(), RUNNING + WAITING);
    }

    #[tokio::test]
    async fn a_hash_that_panics_is_an_error_and_leaves_its_turn() {
        let hasher = Hasher::start().await.unwrap();
        for _ in 0..3 {
            let done = hasher.run(|_| -> Result<(), HashError> { panic!("a test") }).await;
            assert!(matches!(done, Err(Error::Cut)));
        }
        drop(hasher.turns.acquire_many(2).await.unwrap());
        drop(hasher.places.acquire_many(66).await.unwrap());
    }
}
