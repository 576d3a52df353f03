//! Clients of payment providers, against a provider of our own.
#![allow(clippy::unwrap_used, reason = "helpers of tests fail like tests")]

mod fake;
mod http;
mod orders;
mod payments;
mod refunds;
mod webhooks;

use std::time::Duration;

use tokio::time::Instant;

/// Later than any call here should end.
fn soon() -> Instant {
    within(5_000)
}

fn within(milliseconds: u64) -> Instant {
    Instant::now() + Duration::from_millis(milliseconds)
}
