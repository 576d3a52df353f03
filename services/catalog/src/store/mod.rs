//! The SQL of the catalog, and nothing else.

pub mod categories;
pub mod import;
pub mod products;
pub mod reservations;
pub mod stock;

use sqlx::FromRow;
use sqlx::postgres::PgRow;

/// The rows that this version can read. One that it cannot, because a later version has written it or
/// somebody else has, does not take the others with it.
fn readable<T: for<'r> FromRow<'r, PgRow>>(rows: &[PgRow]) -> Vec<T> {
    let read = |row| {
        T::from_row(row).inspect_err(|error| tracing::error!(%error, "a row cannot be read")).ok()
    };
    rows.iter().filter_map(read).collect()
}
