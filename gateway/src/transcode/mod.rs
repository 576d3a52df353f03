//! Transcoding between JSON and protobuf's wire format, generic over contracts.
//!
//! [`Plans`] are compiled once from descriptors. After that JSON and parameters become wire bytes
//! directly, and wire bytes become JSON directly: no message is built in between. Fragments that
//! are appended one after the other (path variables, query, body) merge as protobuf says; those of one
//! message are joined before they leave, since not every runtime merges them.
//!
//! The JSON is ProtoJSON, or that with the changes which [`Style::Plain`] tells. In both
//! - unknown fields are refused, and so are a field and a key of a map that are given twice;
//! - `null` for a `google.protobuf.Value` is its null value, not its absence;
//! - floats that are whole have no fraction (`1`, not `1.0`);
//! - maps are sorted by key;
//! - extensions of proto2 are unknown fields;
//! - messages are nested 100 deep at most.

mod any;
mod check;
mod compile;
mod enums;
mod error;
mod escape;
mod field_mask;
mod http_body;
mod index;
mod join;
mod json;
mod json_to_wire;
mod map_key;
mod number;
mod params;
mod path;
mod plan;
mod scalar;
mod select;
mod style;
mod text;
mod time;
mod types;
mod wire;
mod wire_to_json;

pub(crate) use enums::enum_names;
pub use error::{InputError, PlanError, WireError};
pub use http_body::HttpBody;
pub use params::{Params, query_pairs};
pub use plan::{MessageId, Plans};
pub use select::Selection;
pub use style::Style;
