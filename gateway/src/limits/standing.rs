//! How much of its limits a request leaves, and how its answer tells.

use std::num::NonZeroU32;
use std::sync::{Arc, OnceLock};

use http::{HeaderMap, HeaderName, HeaderValue};
use souk_proto::souk::types::v1::Reason;

use super::subject::Taken;
use crate::errors::problem::Problem;
use crate::response::caller::whole_seconds;

/// Of the limit that leaves least: requests a minute, how many are left, and in how many seconds all of
/// them are there again.
const X_RATELIMIT_LIMIT: HeaderName = HeaderName::from_static("x-ratelimit-limit");
const X_RATELIMIT_REMAINING: HeaderName = HeaderName::from_static("x-ratelimit-remaining");
const X_RATELIMIT_RESET: HeaderName = HeaderName::from_static("x-ratelimit-reset");
/// Of each limit (draft-ietf-httpapi-ratelimit-headers-10): requests `q` in a window of `w` seconds; how
/// many remain, `r`, and in how many seconds there are more, `t`.
const RATELIMIT_POLICY: HeaderName = HeaderName::from_static("ratelimit-policy");
const RATELIMIT: HeaderName = HeaderName::from_static("ratelimit");

/// The window of all limits, in seconds.
const WINDOW: u32 = 60;

/// Limits that count for one request: its address, its RPC, its principal.
const MOST: usize = 3;

/// Bytes of a list of them, usually.
const ROOM: usize = 128;

/// A limit, as clients are told of it.
#[derive(Debug)]
pub(super) struct Policy {
    name: String,
    limit: NonZeroU32,
    /// The limit as a header.
    limit_value: HeaderValue,
    /// Its item in `RateLimit-Policy`, and the beginning of that in `RateLimit`.
    item: String,
    state: String,
    /// What it says to whom it refuses.
    refusal: String,
}

impl Policy {
    /// `of` says what it counts.
    pub(super) fn new(name: &str, limit: NonZeroU32, of: &str) -> Self {
        Self {
            name: name.to_owned(),
            limit,
            limit_value: limit.get().into(),
            item: format!("\"{name}\";q={limit};w={WINDOW}"),
            state: format!("\"{name}\";r="),
            refusal: format!("too many {of}: {limit} a minute are allowed"),
        }
    }

    pub(super) fn name(&self) -> &str {
        &self.name
    }

    pub(super) fn limit(&self) -> NonZeroU32 {
        self.limit
    }

    /// How long so many requests take to come back, in seconds.
    fn seconds(&self, requests: u32) -> u64 {
        let seconds = u64::from(requests) * u64::from(WINDOW);
        seconds.div_ceil(u64::from(self.limit.get()))
    }
}

/// What a bucket has said of a request.
#[derive(Debug)]
pub(super) struct Standing {
    policy: Arc<Policy>,
    taken: Taken,
}

impl Standing {
    pub(super) fn new(policy: Arc<Policy>, taken: Taken) -> Self {
        Self { policy, taken }
    }

    pub(super) fn policy(&self) -> &Policy {
        &self.policy
    }

    /// Why the request goes no further, when it does not.
    pub(super) fn problem(&self) -> Option<Problem> {
        let wait = self.taken.err()?;
        let mut problem = Problem::new(Reason::RateLimited, self.policy.refusal.clone());
        problem.metadata.insert("policy".to_owned(), self.policy.name.clone());
        problem.retry_after = Some(wait);
        Some(problem)
    }

    fn remaining(&self) -> u32 {
        self.taken.unwrap_or(0)
    }

    /// Seconds until all requests are there again, rounded up.
    fn reset(&self) -> u64 {
        self.policy.seconds(self.policy.limit.get() - self.remaining().min(self.policy.limit.get()))
    }

    /// Seconds until there is one request more, rounded up as `Retry-After` is.
    fn next(&self) -> u64 {
        match self.taken {
            Ok(_) => self.policy.seconds(1),
            Err(wait) => whole_seconds(wait),
        }
    }
}

/// What the buckets have said of a request so far.
#[derive(Debug, Default)]
pub(crate) struct Standings([OnceLock<Standing>; MOST]);

impl Standings {
    /// Whether nothing has been counted.
    pub(crate) fn is_empty(&self) -> bool {
        self.0.iter().all(|place| place.get().is_none())
    }

    pub(super) fn add(&self, standing: Standing) {
        if let Some(free) = self.0.iter().find(|place| place.get().is_none()) {
            let _ = free.set(standing);
        }
    }

    /// Tells a client what is left to it, where anything is counted.
    pub(crate) fn write(&self, headers: &mut HeaderMap) {
        let all = || self.0.iter().filter_map(OnceLock::get);
        let Some(tightest) = all().min_by_key(|standing| standing.remaining()) else { return };
        headers.insert(X_RATELIMIT_LIMIT, tightest.policy.limit_value.clone());
        headers.insert(X_RATELIMIT_REMAINING, tightest.remaining().into());
        headers.insert(X_RATELIMIT_RESET, tightest.reset().into());
        let mut policies = String::with_capacity(ROOM);
        let mut states = String::with_capacity(ROOM);
        for standing in all() {
            if !policies.is_empty() {
                policies.push_str(", ");
                states.push_str(", ");
            }
            let mut digits = itoa::Buffer::new();
            policies.push_str(&standing.policy.item);
            states.push_str(&standing.policy.state);
            states.push_str(digits.format(standing.remaining()));
            states.push_str(";t=");
            states.push_str(digits.format(standing.next()));
        }
        for (name, list) in [(RATELIMIT_POLICY, policies), (RATELIMIT, states)] {
            if let Ok(value) = HeaderValue::try_from(list) {
                headers.insert(name, value);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn policy(name: &str, limit: u32) -> Arc<Policy> {
        Arc::new(Policy::new(name, NonZeroU32::new(limit).unwrap(), "requests"))
    }

    /// The headers of an answer to a request of which buckets have said this.
    fn told(all: &[(&Arc<Policy>, Taken)]) -> HeaderMap {
        let standings = Standings::default();
        for (policy, taken) in all {
            standings.add(Standing::new((*policy).clone(), *taken));
        }
        let mut headers = HeaderMap::new();
        standings.write(&mut headers);
        headers
    }

    #[test]
    fn an_answer_tells_what_is_left_and_when_there_is_more() {
        let address = policy("address", 100);
        let headers = told(&[(&address, Ok(42))]);
        assert_eq!(headers["x-ratelimit-limit"], "100");
        assert_eq!(headers["x-ratelimit-remaining"], "42");
        // 58 that come back every 0.6 s
        assert_eq!(headers["x-ratelimit-reset"], "35");
        assert_eq!(headers["ratelimit-policy"], r#""address";q=100;w=60"#);
        assert_eq!(headers["ratelimit"], r#""address";r=42;t=1"#);
    }

    #[test]
    fn of_several_limits_the_tightest_is_told_and_all_are_listed() {
        let (address, rpc, principal) =
            (policy("address", 100), policy("Register", 6), policy("principal", 1000));
        let headers = told(&[(&address, Ok(80)), (&rpc, Ok(3)), (&principal, Ok(998))]);
        assert_eq!(headers["x-ratelimit-limit"], "6");
        assert_eq!(headers["x-ratelimit-remaining"], "3");
        assert_eq!(headers["x-ratelimit-reset"], "30");
        let policies = r#""address";q=100;w=60, "Register";q=6;w=60, "principal";q=1000;w=60"#;
        assert_eq!(headers["ratelimit-policy"], policies);
        let states = r#""address";r=80;t=1, "Register";r=3;t=10, "principal";r=998;t=1"#;
        assert_eq!(headers["ratelimit"], states);
    }

    #[test]
    fn a_refusal_says_when_the_next_request_may_come() {
        let rpc = policy("Register", 6);
        let wait = Duration::from_millis(2_500);
        let headers = told(&[(&rpc, Err(wait))]);
        assert_eq!(headers["x-ratelimit-remaining"], "0");
        assert_eq!(headers["x-ratelimit-reset"], "60");
        assert_eq!(headers["ratelimit"], r#""Register";r=0;t=3"#);
        let problem = Standing::new(rpc, Err(wait)).problem().unwrap();
        assert_eq!(problem.retry_after, Some(wait));
        assert_eq!(problem.message, "too many requests: 6 a minute are allowed");
    }
}
