//! How the JSON of a contract looks.

use prost_reflect::FieldDescriptor;

/// How the JSON of messages looks. Both are read and written by the same code: they differ in what
/// is compiled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Style {
    /// JSON as REST clients expect it: the same keys always, and nothing that only protobuf knows.
    /// Like canonical JSON, except that
    /// - names are the proto names (`category_ids`), and no other is accepted;
    /// - enum values are lowercase without their prefix (`"pending"`); full names and numbers are
    ///   accepted;
    /// - `google.type.Decimal` is a number with its exact digits (`599.00`); a numeric string is
    ///   accepted; a Decimal without digits is `0`, as its contract says;
    /// - all fields are written: zero values where there is no presence, `null` for an absent field
    ///   with presence; only unset members of a oneof are left out;
    /// - `google.protobuf.FieldMask` has proto names, too;
    /// - `google.protobuf.Any` is refused when the plans are compiled; `google.api.HttpBody` is
    ///   known without its extensions, which are such.
    Plain,
    /// ProtoJSON: names are those of JSON (`categoryIds`), and the proto names are accepted; enum
    /// values have their full names, and numbers are accepted; what is absent is left out, and so
    /// are zeros and empty lists that have no presence.
    Canonical,
}

impl Style {
    /// The name of a field that is written, and the other one, which may be the same.
    pub(super) fn names(self, field: &FieldDescriptor) -> (&str, &str) {
        match self {
            Self::Plain => (field.name(), field.json_name()),
            Self::Canonical => (field.json_name(), field.name()),
        }
    }
}
