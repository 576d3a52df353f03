//! From descriptors to plans.

use std::collections::HashMap;

use prost_reflect::{
    DescriptorPool, EnumDescriptor, FieldDescriptor, Kind as DescribedKind, MessageDescriptor,
};

use super::enums::EnumPlan;
use super::error::PlanError;
use super::escape::put_string;
use super::plan::{
    Absent, Cardinality, EnumId, FieldPlan, Kind, MessageId, MessagePlan, Names, Plans, Shape,
};
use super::scalar::Scalar;
use super::style::Style;

impl Plans {
    /// Compiles these message types and all that they refer to. In canonical style, with
    /// google.protobuf.Any among these, that is every message of their descriptor pools.
    ///
    /// # Errors
    ///
    /// google.protobuf.Any in plain style, which does not have it; a message that has the name of a
    /// well-known type and not its fields; one that has 65,535 or more.
    pub fn compile(
        messages: impl IntoIterator<Item = MessageDescriptor>,
        style: Style,
    ) -> Result<Self, PlanError> {
        let mut compiler = Compiler::new(style);
        for message in messages {
            compiler.message_id(&message);
            if !compiler.pools.contains(message.parent_pool()) {
                compiler.pools.push(message.parent_pool().clone());
            }
        }
        let mut plans = Vec::new();
        // compiling a message finds others
        while let Some(message) = compiler.found.get(plans.len()).cloned() {
            plans.push(compiler.compile_message(&message)?);
        }
        Ok(Self { style, messages: plans, enums: compiler.enums, ids: compiler.ids })
    }
}

struct Compiler {
    style: Style,
    /// What google.protobuf.Any can hold.
    pools: Vec<DescriptorPool>,
    /// All message types so far; their index is their id.
    found: Vec<MessageDescriptor>,
    ids: HashMap<String, MessageId>,
    enums: Vec<EnumPlan>,
    enum_ids: HashMap<String, EnumId>,
}

impl Compiler {
    fn new(style: Style) -> Self {
        Self {
            style,
            pools: Vec::new(),
            found: Vec::new(),
            ids: HashMap::new(),
            enums: Vec::new(),
            enum_ids: HashMap::new(),
        }
    }

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
            self.enums.push(EnumPlan::compile(descriptor, self.style));
        }
        id
    }

    fn compile_message(&mut self, message: &MessageDescriptor) -> Result<MessagePlan, PlanError> {
        let shape = self.shape(message)?;
        if shape == Shape::Any {
            for message in self.pools.clone().iter().flat_map(DescriptorPool::all_messages) {
                self.message_id(&message);
            }
        }
        let declared = self.declared_fields(message);
        if declared.len() >= usize::from(u16::MAX) {
            let issue = "has 65,535 fields or more";
            return Err(PlanError { name: message.full_name().to_owned(), issue });
        }
        let oneofs: Vec<Option<u16>> = declared.iter().map(real_oneof).collect();
        let fields = declared.iter().enumerate();
        let fields: Vec<FieldPlan> =
            fields.map(|(index, field)| self.compile_field(field, index, &oneofs)).collect();
        if !has_fields_of(shape, fields.len()) {
            let issue = "does not have the fields of the well-known type of that name";
            return Err(PlanError { name: message.full_name().to_owned(), issue });
        }
        let mut numbers: Vec<(u32, u16)> = (0..)
            .zip(&fields)
            .map(|(index, field): (u16, &FieldPlan)| (field.number, index))
            .collect();
        numbers.sort_unstable();
        let mut short_tags = vec![None; 0x80];
        for (index, field) in (0..).zip(&fields) {
            if let Some(place) = short_tags.get_mut(field.tag() as usize) {
                *place = Some(index);
            }
        }
        let (names, other_names) = self.names(&declared);
        Ok(MessagePlan { shape, fields, short_tags, numbers, names, other_names })
    }

    /// In the order of their declaration.
    fn declared_fields(&self, message: &MessageDescriptor) -> Vec<FieldDescriptor> {
        let is_left_out = |field: &FieldDescriptor| {
            self.style == Style::Plain && field.full_name() == "google.api.HttpBody.extensions"
        };
        let declared = message.descriptor_proto().field.iter();
        declared
            .filter_map(|field| message.get_field_by_name(field.name()))
            .filter(|field| !is_left_out(field))
            .collect()
    }

    /// The names by which JSON may call the fields, and those that only parameters may use besides.
    fn names(&self, declared: &[FieldDescriptor]) -> (Names, Names) {
        let fields = || (0..).zip(declared);
        let mut names: Names =
            fields().map(|(index, field)| (self.style.names(field).0.into(), index)).collect();
        let mut others: Names =
            fields().map(|(index, field)| (self.style.names(field).1.into(), index)).collect();
        if self.style == Style::Canonical {
            names.append(&mut others);
        }
        (sorted(names), sorted(others))
    }

    /// `oneofs` are those of all fields of its message, of which it is the one at `index`.
    fn compile_field(
        &mut self,
        field: &FieldDescriptor,
        index: usize,
        oneofs: &[Option<u16>],
    ) -> FieldPlan {
        let oneof = oneofs[index];
        let others = (0..).zip(oneofs).filter(|(other, _)| usize::from(*other) != index);
        let rivals = others.filter(|(_, other)| **other == oneof).map(|(other, _)| other);
        let (name, _) = self.style.names(field);
        let mut comma_and_key = vec![b','];
        put_string(&mut comma_and_key, name);
        comma_and_key.push(b':');
        let kind = match (self.kind(&field.kind()), field.is_group()) {
            (Kind::Message(message), true) => Kind::Group { message, number: field.number() },
            (kind, _) => kind,
        };
        FieldPlan {
            name: name.into(),
            comma_and_key: comma_and_key.into(),
            number: field.number(),
            kind,
            wire_type: kind.wire_type(),
            cardinality: self.cardinality(field),
            absent: self.absent(field, oneof.is_some()),
            rivals: if oneof.is_some() { rivals.collect() } else { Box::default() },
            oneof,
            proto_name: field.name().into(),
        }
    }

    fn absent(&self, field: &FieldDescriptor, is_in_oneof: bool) -> Absent {
        match (self.style, field.supports_presence()) {
            (Style::Plain, _) if is_in_oneof => Absent::Nothing,
            (Style::Plain, true) => Absent::Null,
            (Style::Plain, false) => Absent::Zero,
            (Style::Canonical, true) => Absent::Nothing,
            (Style::Canonical, false) => Absent::Hidden,
        }
    }

    fn cardinality(&mut self, field: &FieldDescriptor) -> Cardinality {
        if let (true, DescribedKind::Message(entry)) = (field.is_map(), field.kind()) {
            let value = self.kind(&entry.map_entry_value_field().kind());
            return match self.kind(&entry.map_entry_key_field().kind()) {
                Kind::Scalar(key) => Cardinality::Map { key, value },
                // no contract compiles with such a key
                Kind::Enum(_) | Kind::Message(_) | Kind::Group { .. } => Cardinality::Repeated,
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

    fn shape(&self, message: &MessageDescriptor) -> Result<Shape, PlanError> {
        let is_plain = self.style == Style::Plain;
        Ok(match message.full_name() {
            "google.protobuf.Any" if is_plain => {
                let issue = "has no JSON form here: it is not known what it holds";
                return Err(PlanError { name: message.full_name().to_owned(), issue });
            }
            "google.protobuf.Any" => Shape::Any,
            "google.protobuf.Timestamp" => Shape::Timestamp,
            "google.protobuf.Duration" => Shape::Duration,
            "google.protobuf.FieldMask" if is_plain => Shape::FieldMask,
            "google.protobuf.FieldMask" => Shape::CamelMask,
            "google.protobuf.Value" => Shape::AnyValue,
            "google.protobuf.Struct"
            | "google.protobuf.ListValue"
            | "google.protobuf.DoubleValue"
            | "google.protobuf.FloatValue"
            | "google.protobuf.Int64Value"
            | "google.protobuf.UInt64Value"
            | "google.protobuf.Int32Value"
            | "google.protobuf.UInt32Value"
            | "google.protobuf.BoolValue"
            | "google.protobuf.StringValue"
            | "google.protobuf.BytesValue" => Shape::OnlyField,
            "google.type.Decimal" if is_plain => Shape::Decimal,
            _ => Shape::Object,
        })
    }
}

/// Sorted by name. Where two fields have the same one, the first keeps it.
fn sorted(mut names: Names) -> Names {
    names.sort_by(|(name, _), (other, _)| name.cmp(other));
    names.dedup_by(|(name, _), (before, _)| name == before);
    names
}

/// The oneof that the author has written, not the one that stands for `optional`, as an index within the
/// message.
fn real_oneof(field: &FieldDescriptor) -> Option<u16> {
    field.containing_oneof().filter(|oneof| !oneof.is_synthetic())?;
    field.field_descriptor_proto().oneof_index?.try_into().ok()
}

/// Whether a message has as many fields as what is written in this shape.
fn has_fields_of(shape: Shape, count: usize) -> bool {
    match shape {
        Shape::Object | Shape::AnyValue => true,
        Shape::OnlyField | Shape::FieldMask | Shape::CamelMask | Shape::Decimal => count == 1,
        Shape::Timestamp | Shape::Duration | Shape::Any => count == 2,
    }
}
