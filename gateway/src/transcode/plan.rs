//! Contracts, compiled once at start-up to what reading and writing their messages needs.

use std::collections::HashMap;

use prost_reflect::{
    EnumDescriptor, FieldDescriptor, Kind as DescribedKind, MessageDescriptor, OneofDescriptor,
};

use super::enums::EnumPlan;
use super::error::PlanError;
use super::escape::put_string;
use super::scalar::Scalar;
use super::wire::{self, WireType};

/// A message type in [`Plans`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct MessageId(u32);

/// An enum type in [`Plans`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct EnumId(u32);

/// How to read and write a set of message types.
#[derive(Debug)]
pub struct Plans {
    messages: Vec<MessagePlan>,
    enums: Vec<EnumPlan>,
    ids: HashMap<String, MessageId>,
}

#[derive(Debug)]
pub(super) struct MessagePlan {
    pub shape: Shape,
    /// In the order of their declaration, which is the order of the JSON.
    pub fields: Vec<FieldPlan>,
    /// The indexes in `fields` by the tag of one value, where that tag is one byte.
    short_tags: Vec<Option<u16>>,
    /// The indexes in `fields`, sorted by number.
    numbers: Vec<(u32, u16)>,
    /// The indexes in `fields`, sorted by name.
    names: Vec<u16>,
}

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
    FieldMask,
    Decimal,
}

#[derive(Debug)]
pub(super) struct FieldPlan {
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
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Scalar(Scalar),
    Enum(EnumId),
    Message(MessageId),
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
}

impl Plans {
    /// Compiles these message types and all that they refer to. Refuses what has no JSON form here:
    /// groups, and google.protobuf.Any.
    pub fn compile(
        messages: impl IntoIterator<Item = MessageDescriptor>,
    ) -> Result<Self, PlanError> {
        let mut compiler = Compiler::default();
        for message in messages {
            compiler.message_id(&message);
        }
        let mut plans = Vec::new();
        // compiling a message finds others
        while let Some(message) = compiler.found.get(plans.len()).cloned() {
            plans.push(compiler.compile_message(&message)?);
        }
        Ok(Self { messages: plans, enums: compiler.enums, ids: compiler.ids })
    }

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
        let name_at = |index: &u16| &*self.fields[usize::from(*index)].name;
        let found = self.names.binary_search_by(|index| name_at(index).cmp(name));
        found.ok().map(|place| usize::from(self.names[place]))
    }
}

impl Kind {
    pub(super) fn wire_type(self) -> WireType {
        match self {
            Self::Enum(_) => WireType::Varint,
            Self::Message(_) => WireType::Len,
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

#[derive(Default)]
struct Compiler {
    /// All message types so far; their index is their id.
    found: Vec<MessageDescriptor>,
    ids: HashMap<String, MessageId>,
    enums: Vec<EnumPlan>,
    enum_ids: HashMap<String, EnumId>,
}

impl Compiler {
    fn message_id(&mut self, message: &MessageDescriptor) -> MessageId {
        let next = MessageId(self.found.len() as u32);
        let id = *self.ids.entry(message.full_name().to_owned()).or_insert(next);
        if id == next {
            self.found.push(message.clone());
        }
        id
    }

    fn enum_id(&mut self, descriptor: &EnumDescriptor) -> EnumId {
        let next = EnumId(self.enums.len() as u32);
        let id = *self.enum_ids.entry(descriptor.full_name().to_owned()).or_insert(next);
        if id == next {
            self.enums.push(EnumPlan::compile(descriptor));
        }
        id
    }

    fn compile_message(&mut self, message: &MessageDescriptor) -> Result<MessagePlan, PlanError> {
        let shape = shape(message)?;
        let declared: Vec<FieldDescriptor> = message
            .descriptor_proto()
            .field
            .iter()
            .filter_map(|field| message.get_field_by_name(field.name()))
            .collect();
        let mut fields = Vec::with_capacity(declared.len());
        for field in &declared {
            fields.push(self.compile_field(field, &declared)?);
        }
        let mut numbers: Vec<(u32, u16)> = (0..)
            .zip(&fields)
            .map(|(index, field): (u16, &FieldPlan)| (field.number, index))
            .collect();
        numbers.sort_unstable();
        let mut names: Vec<u16> = numbers.iter().map(|(_, index)| *index).collect();
        names.sort_unstable_by_key(|index| &fields[usize::from(*index)].name);

        let mut short_tags = vec![None; 0x80];
        for (index, field) in (0..).zip(&fields) {
            if let Some(place) = short_tags.get_mut(field.tag() as usize) {
                *place = Some(index);
            }
        }
        Ok(MessagePlan { shape, fields, short_tags, numbers, names })
    }

    fn compile_field(
        &mut self,
        field: &FieldDescriptor,
        declared: &[FieldDescriptor],
    ) -> Result<FieldPlan, PlanError> {
        if field.is_group() {
            let name = field.full_name().to_owned();
            return Err(PlanError { name, issue: "is a group, which has no JSON form here" });
        }
        let oneof = real_oneof(field);
        let is_rival = |other: &FieldDescriptor| {
            oneof.is_some() && other != field && real_oneof(other) == oneof
        };
        let rivals =
            (0u16..).zip(declared).filter(|(_, other)| is_rival(other)).map(|(index, _)| index);
        let mut comma_and_key = vec![b','];
        put_string(&mut comma_and_key, field.name());
        comma_and_key.push(b':');
        let kind = self.kind(&field.kind());
        Ok(FieldPlan {
            name: field.name().into(),
            comma_and_key: comma_and_key.into(),
            number: field.number(),
            kind,
            wire_type: kind.wire_type(),
            cardinality: self.cardinality(field),
            absent: match (&oneof, field.supports_presence()) {
                (Some(_), _) => Absent::Nothing,
                (None, true) => Absent::Null,
                (None, false) => Absent::Zero,
            },
            rivals: rivals.collect(),
            oneof: oneof.and_then(|oneof| {
                let index = field.parent_message().oneofs().position(|other| other == oneof);
                index.map(|index| index as u16)
            }),
        })
    }

    fn cardinality(&mut self, field: &FieldDescriptor) -> Cardinality {
        if let (true, DescribedKind::Message(entry)) = (field.is_map(), field.kind()) {
            let value = self.kind(&entry.map_entry_value_field().kind());
            return match self.kind(&entry.map_entry_key_field().kind()) {
                Kind::Scalar(key) => Cardinality::Map { key, value },
                // no contract compiles with such a key
                Kind::Enum(_) | Kind::Message(_) => Cardinality::Repeated,
            };
        }
        match (field.is_list(), field.is_packed()) {
            (true, true) => Cardinality::Packed,
            (true, false) => Cardinality::Repeated,
            (false, _) => Cardinality::Singular,
        }
    }

    fn kind(&mut self, kind: &DescribedKind) -> Kind {
        Kind::Scalar(match kind {
            DescribedKind::Message(message) => return Kind::Message(self.message_id(message)),
            DescribedKind::Enum(descriptor) => return Kind::Enum(self.enum_id(descriptor)),
            DescribedKind::Double => Scalar::Double,
            DescribedKind::Float => Scalar::Float,
            DescribedKind::Int32 => Scalar::Int32,
            DescribedKind::Int64 => Scalar::Int64,
            DescribedKind::Uint32 => Scalar::Uint32,
            DescribedKind::Uint64 => Scalar::Uint64,
            DescribedKind::Sint32 => Scalar::Sint32,
            DescribedKind::Sint64 => Scalar::Sint64,
            DescribedKind::Fixed32 => Scalar::Fixed32,
            DescribedKind::Fixed64 => Scalar::Fixed64,
            DescribedKind::Sfixed32 => Scalar::Sfixed32,
            DescribedKind::Sfixed64 => Scalar::Sfixed64,
            DescribedKind::Bool => Scalar::Bool,
            DescribedKind::String => Scalar::String,
            DescribedKind::Bytes => Scalar::Bytes,
        })
    }
}

/// The oneof that the author has written, not the one that stands for `optional`.
fn real_oneof(field: &FieldDescriptor) -> Option<OneofDescriptor> {
    field.containing_oneof().filter(|oneof| !oneof.is_synthetic())
}

fn shape(message: &MessageDescriptor) -> Result<Shape, PlanError> {
    let name = message.full_name();
    let Some(well_known) = name.strip_prefix("google.protobuf.") else {
        return Ok(if name == "google.type.Decimal" { Shape::Decimal } else { Shape::Object });
    };
    Ok(match well_known {
        "Any" => {
            let issue = "has no JSON form here: it is not known what it holds";
            return Err(PlanError { name: name.to_owned(), issue });
        }
        "Timestamp" => Shape::Timestamp,
        "Duration" => Shape::Duration,
        "FieldMask" => Shape::FieldMask,
        "Value" => Shape::AnyValue,
        "Struct" | "ListValue" | "DoubleValue" | "FloatValue" | "Int64Value" | "UInt64Value"
        | "Int32Value" | "UInt32Value" | "BoolValue" | "StringValue" | "BytesValue" => {
            Shape::OnlyField
        }
        _ => Shape::Object,
    })
}
