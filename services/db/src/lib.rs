//! What the services need of PostgreSQL: pools, migrations, the embedded server, and the tables
//! that every service has in the same shape (idempotency keys, outbox, audit log).

pub mod audit;
mod failure;
pub mod idempotency;
pub mod outbox;
mod pool;
pub mod postgres;

pub use failure::{constraint, failure, is_transient};
pub use pool::{Database, Error, create_database, migrate};
