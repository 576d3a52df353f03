//! The right to be under way: so many at once, of which one connection, or client, has no more than its part.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::listener::{Pace, Share, Shares, part_of};

/// Permits that are given at once or not at all. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Permits {
    total: usize,
    free: Arc<Semaphore>,
}

/// A permit; it goes back when this is dropped.
#[derive(Debug)]
pub struct Permit {
    _permit: OwnedSemaphorePermit,
    _share: Option<Share>,
}

impl Permits {
    /// So many permits.
    pub fn new(total: usize) -> Self {
        Self { total, free: Arc::new(Semaphore::new(total)) }
    }

    /// A permit, if one is left, and the connection of these shares has fewer than its part. A call that
    /// came over no connection has no such limit.
    pub fn take(&self, shares: Option<&Shares>) -> Option<Permit> {
        let share = match shares {
            Some(shares) => Some(shares.take(part_of(self.total))?),
            None => None,
        };
        let permit = self.free.clone().try_acquire_owned().ok()?;
        Some(Permit { _permit: permit, _share: share })
    }

    /// The pace of an answer that has one of these permits.
    pub fn pace(&self, patience: Duration) -> Pace {
        Pace::within(patience, self.free.clone(), self.total)
    }
}
