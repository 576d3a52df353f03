//! Keys of maps, which are text in JSON and in parameters.

use super::error::{Fault, Issue, WireError};
use super::escape::put_string;
use super::index::Place;
use super::number::{put_quoted_integer, put_quoted_number};
use super::scalar::Scalar;
use super::wire::{Reader, put_bytes, unzigzag};

/// In the order in which a map is written.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum MapKey<'w> {
    Bool(bool),
    Integer(i128),
    Text(&'w str),
}

/// The key of an entry, or the zero of its type.
pub(super) fn map_key(scalar: Scalar, place: Place, entry: &[u8]) -> Result<MapKey<'_>, Fault> {
    let mut reader = place.last_value(entry);
    if place.count == 0 {
        reader = Reader::new(&[0; 8]);
    }
    Ok(match scalar {
        Scalar::String | Scalar::Bytes => MapKey::Text(reader.text()?),
        Scalar::Bool => MapKey::Bool(reader.varint()? != 0),
        Scalar::Int32 => MapKey::Integer((reader.varint()? as i32).into()),
        Scalar::Uint32 => MapKey::Integer((reader.varint()? as u32).into()),
        Scalar::Sint32 => MapKey::Integer((unzigzag(reader.varint()? as u32 as u64) as i32).into()),
        Scalar::Int64 => MapKey::Integer((reader.varint()? as i64).into()),
        Scalar::Uint64 => MapKey::Integer(reader.varint()?.into()),
        Scalar::Sint64 => MapKey::Integer(unzigzag(reader.varint()?).into()),
        Scalar::Fixed32 => MapKey::Integer(u32::from_le_bytes(reader.fixed32()?).into()),
        Scalar::Sfixed32 => MapKey::Integer(i32::from_le_bytes(reader.fixed32()?).into()),
        Scalar::Fixed64 => MapKey::Integer(u64::from_le_bytes(reader.fixed64()?).into()),
        Scalar::Sfixed64 => MapKey::Integer(i64::from_le_bytes(reader.fixed64()?).into()),
        Scalar::Double | Scalar::Float => return Err(WireError::new("has a key of a bad type")),
    })
}

/// Appends a key with its quotation marks.
pub(super) fn put_map_key(out: &mut Vec<u8>, key: MapKey<'_>) {
    match key {
        MapKey::Bool(false) => out.extend_from_slice(b"\"false\""),
        MapKey::Bool(true) => out.extend_from_slice(b"\"true\""),
        MapKey::Integer(value) => put_quoted_integer(out, value),
        MapKey::Text(text) => put_string(out, text),
    }
}

/// Appends a key that is given as text, as it is on the wire.
pub(super) fn put_key_text(out: &mut Vec<u8>, scalar: Scalar, text: &str) -> Result<(), Issue> {
    match (scalar, text) {
        (Scalar::String, _) => put_bytes(out, text.as_bytes()),
        (Scalar::Bool, "true") => out.push(1),
        (Scalar::Bool, "false") => out.push(0),
        (Scalar::Bool, _) => return Err("must be true or false".into()),
        _ => return put_quoted_number(out, scalar, text),
    }
    Ok(())
}
