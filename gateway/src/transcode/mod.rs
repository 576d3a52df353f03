//! Transcoding between JSON and protobuf's wire format, generic over contracts.
//!
//! [`Plans`] are compiled once from descriptors. After that JSON and parameters become wire bytes
//! directly, and wire bytes become JSON directly: no message is built in between. Fragments that
//! are appended one after the other (path variables, query, body) merge as protobuf says.
//!
//! The JSON is canonical ProtoJSON, except that
//! - names are the proto names (`category_ids`), and no other is accepted;
//! - enum values are lowercase without their prefix (`"pending"`); full names and numbers are
//!   accepted;
//! - `google.type.Decimal` is a number with its exact digits (`599.00`); a numeric string is
//!   accepted; a Decimal without digits is `0`, as its contract says;
//! - all fields are written: zero values where there is no presence, `null` for an absent field
//!   with presence; only unset members of a oneof are left out;
//! - `google.protobuf.FieldMask` has proto names, too;
//! - an absent `google.protobuf.Value` is `null` when written, and JSON's `null` when read;
//! - floats that are whole have no fraction (`1`, not `1.0`);
//! - maps are sorted by key; of the same key twice, the last counts, whereas a field that is
//!   given twice is refused;
//! - `google.protobuf.Any` is refused when the plans are compiled.

mod enums;
mod error;
mod escape;
mod index;
mod json;
mod json_to_wire;
mod number;
mod params;
mod plan;
mod scalar;
mod text;
mod time;
mod wire;
mod wire_to_json;

pub use error::{InputError, PlanError, WireError};
pub use params::{Params, query_pairs};
pub use plan::{MessageId, Plans};
