//! Messages that several contracts share, from and to what they mean inside.

use prost_types::Timestamp;
use souk_proto::souk::types::v1::Pagination;
use time::OffsetDateTime;

use crate::cursor::Total;
use crate::page::Position;

/// The point in time of a message; `None` for one that no calendar has.
pub fn time(timestamp: &Timestamp) -> Option<OffsetDateTime> {
    let nanos = i128::from(timestamp.seconds) * 1_000_000_000 + i128::from(timestamp.nanos);
    OffsetDateTime::from_unix_timestamp_nanos(nanos).ok()
}

/// A point in time as a message.
pub fn timestamp(time: OffsetDateTime) -> Timestamp {
    Timestamp {
        seconds: time.unix_timestamp(),
        nanos: i32::try_from(time.nanosecond()).unwrap_or_default(),
    }
}

/// Where a page stands, as a message.
pub fn pagination(position: Position) -> Pagination {
    Pagination {
        pages: position.pages(),
        size: position.size,
        has_more: position.next_cursor.is_some(),
        next_cursor: position.next_cursor,
        total: position.total.rows(),
        total_is_lower_bound: matches!(position.total, Total::MoreThan(_)),
        page: position.number,
    }
}
