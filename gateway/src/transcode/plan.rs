//! What reading and writing messages needs to know of them: contracts, compiled once at start-up.

use std::collections::HashMap;

use super::enums::EnumPlan;
use super::error::{InputError, Refusal};
use super::scalar::Scalar;
use super::style::Style;
use super::wire::{self, Reader, WireType};

/// A message type in [`Plans`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct MessageId(pub(super) u32);

/// An enum type in [`Plans`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct EnumId(pub(super) u32);

/// How to read and write a set of message types.
#[derive(Debug)]
pub struct Plans {
    pub(super) style: Style,
    pub(super) messages: Vec<MessagePlan>,
    pub(super) enums: Vec<EnumPlan>,
    /// By full name.
    pub(super) ids: HashMap<String, MessageId>,
}

#[derive(Debug)]
pub(super) struct MessagePlan {
    pub shape: Shape,
    /// In the order of their declaration, which is the order of the JSON.
    pub fields: Vec<FieldPlan>,
    /// The indexes in `fields` by the tag of one value, where that tag is one byte.
    pub short_tags: Vec<Option<u16>>,
    /// The indexes in `fields`, sorted by number.
    pub numbers: Vec<(u32, u16)>,
    /// The indexes in `fields` by the names that JSON may use.
    pub names: Names,
    /// The same by the names that only parameters may use besides.
    pub other_names: Names,
}

/// Names of fields, sorted, each with the index of its field.
pub(super) type Names = Vec<(Box<str>, u16)>;

/// The form that a message has in JSON.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Shape {
    /// An object with a member for each field.
    Object,
    /// The value of its only field: wrappers, Struct, ListValue.
    OnlyField,
    /// Any JSON value: google.protobuf.Value.
    AnyValue,
    Timestamp,
    Duration,
    /// google.protobuf.FieldMask with proto names.
    FieldMask,
    /// google.protobuf.FieldMask in lowerCamelCase.
    CamelMask,
    Decimal,
    /// An object with a member for each field of the message that google.protobuf.Any holds.
    Any,
}

#[derive(Debug)]
pub(super) struct FieldPlan {
    /// As JSON writes it.
    pub name: Box<str>,
    /// `,"name":`
    pub comma_and_key: Box<[u8]>,
    pub number: u32,
    pub kind: Kind,
    /// Of one value.
    pub wire_type: WireType,
    pub cardinality: Cardinality,
    /// What is written when a singular field is absent.
    pub absent: Absent,
    /// The real oneof that the field is in, as an index within the message.
    pub oneof: Option<u16>,
    /// The other fields of that oneof.
    pub rivals: Box<[u16]>,
    /// As the contract spells it.
    pub proto_name: Box<str>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Scalar(Scalar),
    Enum(EnumId),
    Message(MessageId),
    /// A message between two tags of this number, instead of behind its length.
    Group {
        message: MessageId,
        number: u32,
    },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Cardinality {
    Singular,
    Repeated,
    Packed,
    Map { key: Scalar, value: Kind },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Absent {
    /// Its zero value: implicit presence.
    Zero,
    /// `null`: explicit presence.
    Null,
    /// Nothing: a member of a oneof.
    Nothing,
    /// Nothing, and nothing for a zero value that is there either.
    Hidden,
}

impl Plans {
    /// The message type with this full name: `souk.catalog.v1.Product`.
    pub fn message(&self, full_name: &str) -> Option<MessageId> {
        self.ids.get(full_name).copied()
    }

    #[inline]
    pub(super) fn plan(&self, id: MessageId) -> &MessagePlan {
        &self.messages[id.0 as usize]
    }

    #[inline]
    pub(super) fn enumeration(&self, id: EnumId) -> &EnumPlan {
        &self.enums[id.0 as usize]
    }
}

impl MessagePlan {
    #[inline]
    pub(super) fn field_by_number(&self, number: u32) -> Option<usize> {
        let found = self.numbers.binary_search_by_key(&number, |(number, _)| *number);
        found.ok().map(|place| usize::from(self.numbers[place].1))
    }

    /// The field whose single values have this tag, if the tag is one byte.
    #[inline]
    pub(super) fn field_by_short_tag(&self, tag: u8) -> Option<usize> {
        self.short_tags.get(usize::from(tag)).copied().flatten().map(usize::from)
    }

    /// `guess` is the index at which the field probably is.
    #[inline]
    pub(super) fn field_by_name(&self, name: &str, guess: usize) -> Option<usize> {
        if self.fields.get(guess).is_some_and(|field| *field.name == *name) {
            return Some(guess);
        }
        look_up(&self.names, name)
    }

    /// What to say of a name that no field has.
    #[cold]
    pub(super) fn unknown(&self) -> Refusal {
        InputError::unknown(self.fields.iter().map(|field| &*field.name))
    }

    /// The field with this name, be it that of the contract or that in JSON.
    pub(super) fn field_by_any_name(&self, name: &str) -> Option<usize> {
        look_up(&self.names, name).or_else(|| look_up(&self.other_names, name))
    }
}

fn look_up(names: &Names, name: &str) -> Option<usize> {
    let found = names.binary_search_by(|(other, _)| (**other).cmp(name));
    found.ok().map(|place| usize::from(names[place].1))
}

impl Kind {
    /// The message type of its values, if they are messages.
    pub(super) fn message(self) -> Option<MessageId> {
        match self {
            Self::Message(message) | Self::Group { message, .. } => Some(message),
            Self::Scalar(_) | Self::Enum(_) => None,
        }
    }

    /// The fields of a message, which the reader stands in front of.
    #[inline]
    pub(super) fn content<'w>(self, reader: &mut Reader<'w>) -> Result<&'w [u8], &'static str> {
        match self {
            Self::Group { .. } => reader.group(),
            Self::Message(_) | Self::Scalar(_) | Self::Enum(_) => reader.length_delimited(),
        }
    }

    pub(super) fn wire_type(self) -> WireType {
        match self {
            Self::Enum(_) => WireType::Varint,
            Self::Message(_) => WireType::Len,
            Self::Group { .. } => WireType::Group,
            Self::Scalar(scalar) => scalar.wire_type(),
        }
    }
}

impl FieldPlan {
    /// The tag of one value of the field.
    #[inline]
    pub(super) fn tag(&self) -> u64 {
        wire::tag(self.number, self.wire_type).into()
    }
}
