//! Buckets in this process.

use std::convert::Infallible;
use std::fmt;
use std::num::NonZeroU32;
use std::sync::Arc;

use governor::clock::{Clock as _, MonotonicClock};
use governor::middleware::StateInformationMiddleware;
use governor::nanos::Nanos;
use governor::state::{InMemoryState, NotKeyed, StateStore};
use governor::{Quota, RateLimiter};
use quick_cache::sync::Cache;

use super::subject::{Subject, Taken};

/// How many are remembered, of about 100 bytes each. Whoever has not asked for longest is forgotten
/// first, and has a full bucket again.
const REMEMBERED: usize = 100_000;

pub(super) struct Memory(
    RateLimiter<Subject, Remembered, MonotonicClock, StateInformationMiddleware>,
);

impl Memory {
    pub(super) fn new(per_minute: NonZeroU32) -> Self {
        let store = Remembered(Cache::new(REMEMBERED));
        Self(RateLimiter::new(Quota::per_minute(per_minute), store, MonotonicClock))
    }

    pub(super) fn take(&self, subject: Subject) -> Taken {
        match self.0.check_key(&subject) {
            Ok(state) => Ok(state.remaining_burst_capacity()),
            Err(until) => Err(until.wait_time_from(self.0.clock().now())),
        }
    }
}

impl fmt::Debug for Memory {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Memory").finish_non_exhaustive()
    }
}

/// The state of those who have asked of late. Those of `governor` grow until somebody looks after them.
struct Remembered(Cache<Subject, Arc<InMemoryState>>);

impl StateStore for Remembered {
    type Key = Subject;

    fn measure_and_replace<T, F, E>(&self, subject: &Subject, decide: F) -> Result<T, E>
    where
        F: Fn(Option<Nanos>) -> Result<(T, Nanos), E>,
    {
        let Ok(state) = self.0.get_or_insert_with(subject, || Ok::<_, Infallible>(Arc::default()));
        state.measure_and_replace(&NotKeyed::NonKey, decide)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn memory(per_minute: u32) -> Memory {
        Memory::new(NonZeroU32::new(per_minute).unwrap())
    }

    #[test]
    fn a_million_addresses_take_no_more_room_than_fits() {
        let memory = memory(100);
        for address in 0..1_000_000 {
            assert!(memory.take(Subject(address)).is_ok());
        }
        let remembered = memory.0.into_state_store().0.len();
        assert!(remembered <= REMEMBERED, "{remembered}");
    }

    #[test]
    fn whoever_keeps_asking_is_not_forgotten_for_the_many_who_ask_once() {
        let memory = memory(1);
        let own = Subject(u128::MAX);
        assert!(memory.take(own).is_ok());
        for address in 0..10 * REMEMBERED as u128 {
            let _ = memory.take(Subject(address));
            if address % 1_000 == 0 {
                let _ = memory.take(own);
            }
        }
        assert!(memory.take(own).is_err());
    }

    #[test]
    fn what_is_left_is_counted_down() {
        let memory = memory(3);
        let taken = [(); 4].map(|()| memory.take(Subject(1)));
        assert_eq!(taken[..3], [Ok(2), Ok(1), Ok(0)]);
        assert!(taken[3].is_err());
    }
}
