//! Messages to domain types and back, a file for each subject.

pub mod categories;
pub mod imports;
pub mod listing;
pub mod product_types;
pub mod products;
pub mod stock;

use std::fmt::Display;
use std::str::FromStr;

use prost_types::FieldMask;

use crate::Error;

/// Reads an id; the contract has checked its form.
pub fn parse_id<T: FromStr<Err: Display>>(field: &str, id: &str) -> Result<T, Error> {
    id.parse().map_err(|error| Error::invalid(field, error))
}

/// Reads the id that a path names. Text that can be no id names nothing.
pub fn path_id<T: FromStr>(kind: &'static str, id: &str) -> Result<T, Error> {
    id.parse().map_err(|_| Error::NoSuch { kind, id: id.to_owned() })
}

/// Which fields an update names (AIP-134): without a mask, those that have a value.
pub struct Mask(Option<FieldMask>);

impl Mask {
    pub fn of(mask: Option<FieldMask>) -> Self {
        Self(mask.filter(|mask| !mask.paths.is_empty()))
    }

    /// A path below a field (`price.value`) names the field: it changes as a whole.
    fn names(&self, field: &str) -> bool {
        let is_field = |path: &String| path.split('.').next() == Some(field);
        self.0.as_ref().is_none_or(|mask| mask.paths.iter().any(is_field))
    }

    /// The new value of a field that must have one.
    pub fn required<T>(&self, field: &str, value: Option<T>) -> Result<Option<T>, Error> {
        if !self.names(field) {
            return Ok(None);
        }
        match value {
            None if self.0.is_some() => Err(Error::invalid(field, "cannot be cleared")),
            value => Ok(value),
        }
    }

    /// The new value of a field that is empty when cleared.
    pub fn clearable<T: Default>(&self, field: &str, value: Option<T>) -> Option<T> {
        match value {
            _ if !self.names(field) => None,
            None if self.0.is_some() => Some(T::default()),
            value => value,
        }
    }
}

/// A version as an entity tag has it.
pub fn etag(version: i64) -> String {
    format!("\"{version}\"")
}
