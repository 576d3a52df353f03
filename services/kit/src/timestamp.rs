//! Points in time, from the database's type to the contract's.

use prost_types::Timestamp;
use time::OffsetDateTime;

/// The contract's form of a point in time.
pub fn to_proto(time: OffsetDateTime) -> Timestamp {
    Timestamp {
        seconds: time.unix_timestamp(),
        nanos: i32::try_from(time.nanosecond()).unwrap_or_default(),
    }
}
