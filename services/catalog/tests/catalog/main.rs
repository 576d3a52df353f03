//! What the catalog promises, through its gRPC interface and on a real PostgreSQL.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test that cannot go on has failed")]

mod adjusting;
mod audit;
mod bounds;
mod categories;
mod circles;
mod claims;
mod conditions;
mod ending;
mod events;
mod images;
mod importing;
mod jobs;
mod leaving;
mod listing;
mod pages;
mod pinning;
mod projection;
mod reserving;
mod room;
mod stock;
mod support;
mod totals;
mod types;
mod versions;
