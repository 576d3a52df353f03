//! The time, as a database keeps it.

use time::OffsetDateTime;

/// Now, to the microsecond: what PostgreSQL gives back is what it was given.
pub fn now() -> OffsetDateTime {
    let now = OffsetDateTime::now_utc();
    now.replace_microsecond(now.microsecond()).unwrap_or(now)
}
