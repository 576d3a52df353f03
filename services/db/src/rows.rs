//! Rows that this release cannot read, because a later one has written them or somebody else has: they
//! do not take the others with them.

use souk_kit::page::Entry;
use sqlx::postgres::PgRow;
use sqlx::{FromRow, Row as _};

/// The rows that can be read.
pub fn readable<T: for<'r> FromRow<'r, PgRow>>(rows: &[PgRow]) -> Vec<T> {
    rows.iter().filter_map(read).collect()
}

/// All rows of a list that is sorted by `id`.
///
/// # Errors
///
/// A row has no id.
pub fn entries<T: for<'r> FromRow<'r, PgRow>>(
    rows: &[PgRow],
) -> Result<Vec<Entry<T>>, sqlx::Error> {
    let entry = |row| match read(row) {
        Some(row) => Ok(Entry::Row(row)),
        None => row.try_get("id").map(Entry::unreadable),
    };
    rows.iter().map(entry).collect()
}

fn read<T: for<'r> FromRow<'r, PgRow>>(row: &PgRow) -> Option<T> {
    T::from_row(row).inspect_err(|error| tracing::error!(%error, "a row cannot be read")).ok()
}
