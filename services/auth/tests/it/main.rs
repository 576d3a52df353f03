//! What the auth service promises, through its gRPC interface and on a real PostgreSQL.

#![allow(clippy::unwrap_used, reason = "tests")]

mod accounts;
mod clients;
mod keys;
mod refresh;
mod sign_in;
mod support;
mod verification;
