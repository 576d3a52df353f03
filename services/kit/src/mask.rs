//! Which fields an update names (AIP-134): without a mask, those that have a value.

use prost_types::FieldMask;

use crate::failure::Failure;

/// The mask of an update.
#[derive(Debug, Clone)]
pub struct Mask(Option<FieldMask>);

impl Mask {
    /// That of a message.
    pub fn of(mask: Option<FieldMask>) -> Self {
        Self(mask.filter(|mask| !mask.paths.is_empty()))
    }

    /// A path below a field (`price.value`) names the field: it changes as a whole.
    fn names(&self, field: &str) -> bool {
        let is_field = |path: &String| path.split('.').next() == Some(field);
        self.0.as_ref().is_none_or(|mask| mask.paths.iter().any(is_field))
    }

    /// The new value of a field that must have one.
    ///
    /// # Errors
    ///
    /// The mask names the field, and it has no value.
    pub fn required<T>(&self, field: &str, value: Option<T>) -> Result<Option<T>, Failure> {
        if !self.names(field) {
            return Ok(None);
        }
        match value {
            None if self.0.is_some() => Err(Failure::invalid(field, "cannot be cleared")),
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
