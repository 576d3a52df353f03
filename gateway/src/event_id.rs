//! The id of an event: the field of a message that says where in its stream it is.

use prost_reflect::{Kind, MessageDescriptor};

use crate::field_path::FieldPath;

/// Where the id of a message is.
#[derive(Debug)]
pub(crate) enum EventId {
    Text(FieldPath),
    Signed(FieldPath),
    Unsigned(FieldPath),
}

impl EventId {
    /// Finds the field that a policy names.
    ///
    /// # Errors
    ///
    /// The message has no such field, or it is neither a string nor an integer.
    pub(crate) fn compile(path: &str, message: &MessageDescriptor) -> anyhow::Result<Self> {
        let integer = |kinds: [Kind; 2]| FieldPath::integer(path, &kinds, message);
        if let Ok(field) = integer([Kind::Int64, Kind::Int32]) {
            return Ok(Self::Signed(field));
        }
        if let Ok(field) = integer([Kind::Uint64, Kind::Uint32]) {
            return Ok(Self::Unsigned(field));
        }
        FieldPath::string(path, message).map(Self::Text)
    }

    /// The id of a message. Text that is empty is none; an integer that is not there is 0.
    pub(crate) fn read(&self, wire: &[u8]) -> Option<String> {
        let integer = |field: &FieldPath| field.varint(wire).unwrap_or_default();
        match self {
            Self::Text(field) => {
                field.text(wire).filter(|text| !text.is_empty()).map(str::to_owned)
            }
            Self::Signed(field) => Some(integer(field).cast_signed().to_string()),
            Self::Unsigned(field) => Some(integer(field).to_string()),
        }
    }
}
