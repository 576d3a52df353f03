//! What the services need of PostgreSQL: access that is bounded in every direction, migrations,
//! natural batching, and the tables that every service has in the same shape (idempotency keys,
//! outbox, totals).

mod access;
mod batch;
mod connection;
mod database;
mod failure;
pub mod idempotency;
mod migrations;
pub mod outbox;
mod rows;
mod totals;

pub use access::Access;
pub use batch::{Batches, Limits, Work};
pub use database::Database;
pub use failure::{constraint, failure, is_transient};
pub use migrations::{Error, create_database, migrate};
pub use rows::{entries, readable};
pub use totals::Totals;
