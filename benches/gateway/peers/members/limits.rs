//! How many requests an address and a caller may make, and what they are told of it.

use std::net::IpAddr;
use std::num::NonZeroU32;
use std::sync::Arc;

use axum::http::{HeaderMap, HeaderValue, StatusCode};
use governor::clock::DefaultClock;
use governor::middleware::StateInformationMiddleware;
use governor::state::keyed::DefaultKeyedStateStore;
use governor::{Quota, RateLimiter};

use super::super::Refused;

/// Requests in a minute: as many as the benches let Souk count, so that none is refused.
const LIMIT: NonZeroU32 = NonZeroU32::new(60_000_000).unwrap();
const POLICY: &str = r#""address";q=60000000;w=60, "principal";q=60000000;w=60"#;

type Buckets<K> =
    RateLimiter<K, DefaultKeyedStateStore<K>, DefaultClock, StateInformationMiddleware>;

pub struct Limits {
    addresses: Buckets<IpAddr>,
    callers: Buckets<Arc<str>>,
}

/// How many requests are left, as far as that has been asked.
#[derive(Default)]
pub struct Standing {
    address: Option<u32>,
    caller: Option<u32>,
}

impl Default for Limits {
    fn default() -> Self {
        let quota = Quota::per_minute(LIMIT);
        Self {
            addresses: RateLimiter::keyed(quota).with_middleware(),
            callers: RateLimiter::keyed(quota).with_middleware(),
        }
    }
}

impl Limits {
    pub fn of_address(&self, address: IpAddr, standing: &mut Standing) -> Result<(), Refused> {
        take(&self.addresses, &address, &mut standing.address)
    }

    pub fn of_caller(&self, caller: &Arc<str>, standing: &mut Standing) -> Result<(), Refused> {
        take(&self.callers, caller, &mut standing.caller)
    }
}

fn take<K>(buckets: &Buckets<K>, key: &K, left: &mut Option<u32>) -> Result<(), Refused>
where
    K: Clone + Eq + std::hash::Hash,
{
    let taken = buckets.check_key(key).map(|state| state.remaining_burst_capacity());
    *left = Some(taken.as_ref().copied().unwrap_or(0));
    taken.map(drop).map_err(|_| (StatusCode::TOO_MANY_REQUESTS, "too many requests"))
}

impl Standing {
    pub fn write(&self, headers: &mut HeaderMap) {
        let both = [("address", self.address), ("principal", self.caller)];
        let left = both.into_iter().filter_map(|(name, left)| Some((name, left?)));
        let Some(least) = left.clone().map(|(_, left)| left).min() else { return };
        headers.insert("x-ratelimit-limit", LIMIT.get().into());
        headers.insert("x-ratelimit-remaining", least.into());
        headers.insert("x-ratelimit-reset", seconds(LIMIT.get() - least).into());
        headers.insert("ratelimit-policy", HeaderValue::from_static(POLICY));
        let next = seconds(1);
        let left: Vec<String> =
            left.map(|(name, left)| format!("\"{name}\";r={left};t={next}")).collect();
        if let Ok(left) = HeaderValue::try_from(left.join(", ")) {
            headers.insert("ratelimit", left);
        }
    }
}

/// How long so many requests take to come back, in seconds.
fn seconds(requests: u32) -> u64 {
    (u64::from(requests) * 60).div_ceil(u64::from(LIMIT.get()))
}
