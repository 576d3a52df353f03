//! What the log says of requests that were one too many.

use std::fmt;
use std::net::IpAddr;
use std::num::NonZeroU32;
use std::sync::atomic::{AtomicU64, Ordering};

use governor::{DefaultDirectRateLimiter, Quota, RateLimiter};

use super::standing::Policy;

/// Lines a minute: an attack does not fill the disk.
const LINES: NonZeroU32 = NonZeroU32::MIN.saturating_add(59);

/// Tells the log of refusals, each under the request id of its span. When there are too many, the next
/// line says how many were not told.
pub(super) struct Refusals {
    lines: DefaultDirectRateLimiter,
    untold: AtomicU64,
}

impl Default for Refusals {
    fn default() -> Self {
        Self { lines: RateLimiter::direct(Quota::per_minute(LINES)), untold: AtomicU64::new(0) }
    }
}

impl Refusals {
    pub(super) fn tell(&self, policy: &Policy, client: Option<IpAddr>) {
        if self.lines.check().is_err() {
            self.untold.fetch_add(1, Ordering::Relaxed);
            return;
        }
        let untold = self.untold.swap(0, Ordering::Relaxed);
        let client = client.map(tracing::field::display);
        tracing::warn!(client, policy = policy.name(), untold, "too many requests: one is refused");
    }
}

impl fmt::Debug for Refusals {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Refusals").field("untold", &self.untold).finish_non_exhaustive()
    }
}
