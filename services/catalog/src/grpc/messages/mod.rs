//! Messages to domain types and back, a file for each subject.

pub mod categories;
pub mod images;
pub mod imports;
pub mod listing;
pub mod product_types;
pub mod products;
pub mod stock;

use std::fmt::Display;
use std::str::FromStr;

use crate::Error;

/// Reads an id; the contract has checked its form.
pub fn parse_id<T: FromStr<Err: Display>>(field: &str, id: &str) -> Result<T, Error> {
    id.parse().map_err(|error| Error::invalid(field, error))
}

/// Reads the id that a path names. Text that can be no id names nothing.
pub fn path_id<T: FromStr>(kind: &'static str, id: &str) -> Result<T, Error> {
    id.parse().map_err(|_| Error::NoSuch { kind, id: id.to_owned() })
}

/// A version as an entity tag has it.
pub fn etag(version: i64) -> String {
    format!("\"{version}\"")
}
