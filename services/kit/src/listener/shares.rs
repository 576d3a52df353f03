//! What a connection, or a client, has of what all share.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// One connection, or client, has no more than this part of anything: a quarter.
const PART: usize = 4;

/// How much of a total one connection may have: its part, and never nothing.
pub(crate) fn part_of(total: usize) -> usize {
    (total / PART).max(1)
}

/// How much of something a connection, or a client, has.
#[derive(Debug, Clone, Default)]
pub struct Shares(Arc<AtomicUsize>);

impl Shares {
    /// Takes a share of one, unless the connection has `most` already.
    pub fn take(&self, most: usize) -> Option<Share> {
        let mut share = self.begin();
        share.grow(1, most).then_some(share)
    }

    /// Whether nothing is taken.
    pub fn is_empty(&self) -> bool {
        self.0.load(Ordering::Relaxed) == 0
    }

    /// A share of nothing yet.
    pub fn begin(&self) -> Share {
        Share { taken: self.0.clone(), size: 0 }
    }
}

/// A share that a request has; it goes back when this is dropped.
#[derive(Debug)]
pub struct Share {
    taken: Arc<AtomicUsize>,
    size: usize,
}

impl Share {
    /// Takes more, unless the connection would have more than `most`: whether it did.
    pub fn grow(&mut self, by: usize, most: usize) -> bool {
        let taken = self.taken.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |taken| {
            taken.checked_add(by).filter(|taken| *taken <= most)
        });
        if taken.is_ok() {
            self.size += by;
        }
        taken.is_ok()
    }

    /// Gives so much of it back, or all where it is less.
    pub fn shrink(&mut self, by: usize) {
        let by = by.min(self.size);
        self.size -= by;
        self.taken.fetch_sub(by, Ordering::Relaxed);
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        self.taken.fetch_sub(self.size, Ordering::Relaxed);
    }
}
