//! What access to a database promises, on a real PostgreSQL and over a network that fails on command.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test that cannot go on has failed")]

mod statements;
mod support;
mod transactions;
mod vanishing;
