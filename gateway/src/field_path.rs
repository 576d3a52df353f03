//! A field of a message, found in its wire bytes without reading the others.

use anyhow::{Context as _, ensure};
use prost::encoding::{DecodeContext, WireType, decode_key, decode_varint, skip_field};
use prost_reflect::{Kind, MessageDescriptor};

/// The way to a string, an integer or a message in a type of message.
#[derive(Debug)]
pub(crate) struct FieldPath {
    /// The numbers of the fields on the way.
    numbers: Vec<u32>,
}

impl FieldPath {
    /// The way to a string: `thing.id`.
    ///
    /// # Errors
    ///
    /// The message has no such string.
    pub(crate) fn string(path: &str, message: &MessageDescriptor) -> anyhow::Result<Self> {
        let (numbers, kind) = follow(path, message)?;
        ensure!(kind == Kind::String, "`{path}` of {} is no string", message.full_name());
        Ok(Self { numbers })
    }

    /// The way to an integer of one of these kinds, which must be such that are varints on the wire.
    ///
    /// # Errors
    ///
    /// The message has no such integer.
    pub(crate) fn integer(
        path: &str,
        kinds: &[Kind],
        message: &MessageDescriptor,
    ) -> anyhow::Result<Self> {
        let (numbers, kind) = follow(path, message)?;
        ensure!(kinds.contains(&kind), "`{path}` of {} is no such integer", message.full_name());
        Ok(Self { numbers })
    }

    /// The way to a message of this type.
    ///
    /// # Errors
    ///
    /// The message has no such field.
    pub(crate) fn message(
        path: &str,
        full_name: &str,
        message: &MessageDescriptor,
    ) -> anyhow::Result<Self> {
        let (numbers, kind) = follow(path, message)?;
        let is_it = kind.as_message().is_some_and(|kind| kind.full_name() == full_name);
        ensure!(is_it, "`{path}` of {} is no {full_name}", message.full_name());
        Ok(Self { numbers })
    }

    /// The string in a message; `None` when it is not there.
    pub(crate) fn text<'w>(&self, wire: &'w [u8]) -> Option<&'w str> {
        std::str::from_utf8(self.bytes(wire)?).ok()
    }

    /// The same as bytes.
    pub(crate) fn bytes<'w>(&self, wire: &'w [u8]) -> Option<&'w [u8]> {
        let mut numbers = self.numbers.iter();
        numbers.try_fold(wire, |message, number| last_length_delimited(message, *number))
    }

    /// The integer in a message, with the bits that it has on the wire; `None` when it is not there.
    pub(crate) fn varint(&self, wire: &[u8]) -> Option<u64> {
        let (number, way) = self.numbers.split_last()?;
        let message =
            way.iter().try_fold(wire, |message, number| last_length_delimited(message, *number))?;
        last(message, *number, WireType::Varint, |rest| decode_varint(rest).ok())
    }
}

/// The numbers of the fields on the way, and the kind of the last.
fn follow(path: &str, message: &MessageDescriptor) -> anyhow::Result<(Vec<u32>, Kind)> {
    let mut kind = Kind::Message(message.clone());
    let mut numbers = Vec::new();
    for name in path.split('.') {
        let field = kind
            .as_message()
            .and_then(|message| message.get_field_by_name(name))
            .filter(|field| !field.is_list() && !field.is_map())
            .with_context(|| format!("{} has no field `{path}`", message.full_name()))?;
        numbers.push(field.number());
        kind = field.kind();
    }
    Ok((numbers, kind))
}

/// The last string, bytes or message with this number.
fn last_length_delimited(wire: &[u8], number: u32) -> Option<&[u8]> {
    last(wire, number, WireType::LengthDelimited, |rest| {
        let length = usize::try_from(decode_varint(rest).ok()?).ok()?;
        let (value, after) = rest.split_at_checked(length)?;
        *rest = after;
        Some(value)
    })
}

/// The last value with this number: the one that counts.
fn last<'w, T>(
    mut wire: &'w [u8],
    number: u32,
    expected: WireType,
    read: impl Fn(&mut &'w [u8]) -> Option<T>,
) -> Option<T> {
    let mut last = None;
    while !wire.is_empty() {
        let (field, wire_type) = decode_key(&mut wire).ok()?;
        if field == number && wire_type == expected {
            last = Some(read(&mut wire)?);
        } else {
            skip_field(wire_type, field, &mut wire, DecodeContext::default()).ok()?;
        }
    }
    last
}
