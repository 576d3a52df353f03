//! Points in time, from the database's type to the contract's.

use prost_types::Timestamp;
use time::OffsetDateTime;

/// The point in time of a contract's form; `None` for one that no calendar has.
pub fn from_proto(time: &Timestamp) -> Option<OffsetDateTime> {
    let nanos = i128::from(time.seconds) * 1_000_000_000 + i128::from(time.nanos);
    OffsetDateTime::from_unix_timestamp_nanos(nanos).ok()
}

/// The contract's form of a point in time.
pub fn to_proto(time: OffsetDateTime) -> Timestamp {
    Timestamp {
        seconds: time.unix_timestamp(),
        nanos: i32::try_from(time.nanosecond()).unwrap_or_default(),
    }
}
