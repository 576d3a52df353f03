//! What the orders service promises, through its gRPC interface, on a real PostgreSQL, and beside a
//! catalog that delays and fails on command.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test that cannot go on has failed")]

#[path = "../provider/fake.rs"]
mod fake;

mod addresses;
mod attacks;
mod audit;
mod buyer;
mod cancelling;
mod catalog;
mod commits;
mod following;
mod forgetting;
mod gate;
mod late_money;
mod leaving;
mod life;
mod log;
mod neighbour;
mod owed;
mod pages;
mod payments;
mod razorpay;
mod refunds;
mod release;
mod replays;
mod sharing;
mod shipments;
mod support;
mod timeline;
mod volume;
mod webhooks;
