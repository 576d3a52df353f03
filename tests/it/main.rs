//! The end-to-end suite: a real `souk`, a real PostgreSQL, and nothing but HTTP and gRPC between
//! them and the tests. Each test has databases of its own.
//!
//! `SOUK_TEST_PROFILE=roles` runs the same tests against the four roles as four processes.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test that cannot go on has failed")]

mod support;

mod accounts;
mod books;
mod catalog;
mod cli;
mod connections;
mod crash;
mod crash_points;
mod cut_offs;
mod deliveries;
mod editors;
mod errors;
mod examples;
mod faults;
mod first_release;
mod frames;
mod health;
mod https;
mod images;
mod importing;
mod large_lists;
mod late;
mod lists;
mod logs;
mod memory;
mod next_release;
mod orders;
mod outage;
mod paging;
mod payments;
mod policy;
mod protocols;
mod prove;
mod rates;
mod razorpay;
mod representations;
mod round_trips;
mod second_version;
mod stalled;
mod stalled_downloads;
mod start;
mod stock;
mod strangers;
mod tls;
mod webhooks;
