//! What the tests of several crates share: a PostgreSQL with a database for each test, a network
//! that fails on command, callers that leave, an auth service that signs whatever a test needs, and a payment
//! provider.
//!
//! Tests depend on this crate, and nothing else does.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test that cannot go on has failed")]

mod auth;
mod database;
mod dice;
mod leaving;
mod proxy;
pub mod razorpay;
mod server;
mod wire;

pub use auth::{CLIENT_SECRET, FakeAuth, signed};
pub use database::TestDatabase;
pub use dice::Dice;
pub use leaving::{Moment, leave_after};
pub use proxy::{Happened, Proxy, RoundTrip};
pub use server::server;
