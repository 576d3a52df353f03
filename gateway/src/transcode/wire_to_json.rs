//! Protobuf wire bytes to JSON text: the places of the fields are noted in one pass, then the
//! fields are written in the order of their declaration.

use std::borrow::Cow;

use super::error::{Fault, WireError};
use super::escape::{put_string, put_utf8};
use super::field_mask::camel_case;
use super::index::{Place, is_packed, note_places};
use super::map_key::{map_key, put_map_key};
use super::number::{is_number, put_float, put_integer, put_quoted_integer};
use super::plan::{Absent, Cardinality, FieldPlan, Kind, MessageId, MessagePlan, Plans, Shape};
use super::scalar::Scalar;
use super::style::Style;
use super::text::put_base64_string;
use super::time::{Time, put_duration, put_timestamp};
use super::wire::{MAX_DEPTH, Reader, unzigzag, utf8};

/// Places for a few messages inside each other: room for more is made when it is needed.
const ROOM: usize = 64;

impl Plans {
    /// Appends the JSON of a message that is given as wire bytes. `out` stays as it was when there
    /// is an error.
    pub fn wire_to_json(
        &self,
        message: MessageId,
        wire: &[u8],
        out: &mut Vec<u8>,
    ) -> Result<(), WireError> {
        self.encode(wire.len(), out, |encoder| encoder.message(message, wire, 0))
    }

    /// Appends the JSON of one field of a message that is given as wire bytes: what
    /// `response_body` asks for. An absent field is what the style writes for it, and in canonical
    /// style the zero value of its type, for a message without any fields: what grpc-gateway writes
    /// there.
    pub fn field_to_json(
        &self,
        message: MessageId,
        field: &str,
        wire: &[u8],
        out: &mut Vec<u8>,
    ) -> Result<(), WireError> {
        let plan = self.plan(message);
        self.encode(wire.len(), out, |encoder| {
            let index = plan.field_by_any_name(field).ok_or("does not have the field")?;
            let base = encoder.open(plan, wire, 0)?;
            let (field, place) = (&plan.fields[index], encoder.places[base + index]);
            encoder.alone(field, wire, place)
        })
    }

    /// Appends what `write` writes for that many wire bytes, or nothing when there is an error.
    pub(super) fn encode<'p>(
        &'p self,
        wire_bytes: usize,
        out: &mut Vec<u8>,
        write: impl FnOnce(&mut Encoder<'p, '_>) -> Result<(), Fault>,
    ) -> Result<(), WireError> {
        let before = out.len();
        out.reserve(wire_bytes * 2);
        let mut encoder = Encoder { plans: self, out, places: Vec::with_capacity(ROOM) };
        write(&mut encoder).map_err(|fault| {
            out.truncate(before);
            *fault
        })
    }
}

pub(super) struct Encoder<'p, 'o> {
    pub plans: &'p Plans,
    pub out: &'o mut Vec<u8>,
    /// Of the fields of the message that is being written, after those of the messages around it.
    pub places: Vec<Place>,
}

impl Encoder<'_, '_> {
    pub(super) fn message(&mut self, id: MessageId, wire: &[u8], depth: u32) -> Result<(), Fault> {
        let plan = self.plans.plan(id);
        let base = self.open(plan, wire, depth)?;
        match plan.shape {
            Shape::Object => self.object(plan, wire, base, depth)?,
            Shape::OnlyField => self.field(&plan.fields[0], wire, self.places[base], depth)?,
            Shape::AnyValue => self.any_value(plan, wire, base, depth)?,
            Shape::Timestamp => put_timestamp(self.out, self.time(wire, base)?)?,
            Shape::Duration => put_duration(self.out, self.time(wire, base)?)?,
            Shape::FieldMask | Shape::CamelMask => self.field_mask(plan, wire, base)?,
            Shape::Decimal => self.decimal(wire, base)?,
            Shape::Any => self.any(wire, base, depth)?,
        }
        self.places.truncate(base);
        Ok(())
    }

    /// Notes the places of a message's fields; the first is at the index that it returns.
    pub(super) fn open(
        &mut self,
        plan: &MessagePlan,
        wire: &[u8],
        depth: u32,
    ) -> Result<usize, Fault> {
        if depth > MAX_DEPTH {
            return Err(WireError::new("is nested too deeply"));
        }
        let base = self.places.len();
        self.places.resize(base + plan.fields.len(), Place::default());
        note_places(plan, wire, &mut self.places[base..])?;
        Ok(base)
    }

    fn object(
        &mut self,
        plan: &MessagePlan,
        wire: &[u8],
        base: usize,
        depth: u32,
    ) -> Result<(), Fault> {
        let start = self.out.len();
        self.members(plan, wire, base, depth)?;
        self.enclose(start, b'{', b'}');
        Ok(())
    }

    /// The fields of a message, each with a comma in front.
    #[inline]
    pub(super) fn members(
        &mut self,
        plan: &MessagePlan,
        wire: &[u8],
        base: usize,
        depth: u32,
    ) -> Result<(), Fault> {
        for (offset, field) in plan.fields.iter().enumerate() {
            let place = self.places[base + offset];
            if is_left_out(field, wire, place)? {
                continue;
            }
            self.out.extend_from_slice(&field.comma_and_key);
            if let Err(error) = self.field(field, wire, place, depth) {
                return Err(error.in_field(&field.name));
            }
        }
        Ok(())
    }

    /// Every member or item after `start` has a comma in front: the first becomes the opening mark.
    pub(super) fn enclose(&mut self, start: usize, opening: u8, closing: u8) {
        match self.out.get_mut(start) {
            Some(first_comma) => *first_comma = opening,
            None => self.out.push(opening),
        }
        self.out.push(closing);
    }

    /// The value of a field that is not part of an object.
    pub(super) fn alone(
        &mut self,
        field: &FieldPlan,
        wire: &[u8],
        place: Place,
    ) -> Result<(), Fault> {
        let is_absent = place.count == 0 && field.cardinality == Cardinality::Singular;
        let result = match self.plans.style {
            Style::Canonical if is_absent => self.zero(field.kind, 0),
            Style::Canonical | Style::Plain => self.field(field, wire, place, 0),
        };
        result.map_err(|error| error.in_field(&field.name))
    }

    /// The value of a field, without its key.
    pub(super) fn field(
        &mut self,
        field: &FieldPlan,
        wire: &[u8],
        place: Place,
        depth: u32,
    ) -> Result<(), Fault> {
        match field.cardinality {
            Cardinality::Singular if place.count == 0 => match field.absent {
                Absent::Zero | Absent::Hidden => self.zero(field.kind, depth),
                Absent::Null | Absent::Nothing => {
                    self.out.extend_from_slice(b"null");
                    Ok(())
                }
            },
            Cardinality::Singular => match field.kind.message() {
                Some(id) if place.count > 1 => {
                    self.message(id, &place.merged(field, wire)?, depth + 1)
                }
                _ => self.value(field.kind, &mut place.last_value(wire), depth),
            },
            Cardinality::Repeated | Cardinality::Packed => self.list(field, wire, place, depth),
            Cardinality::Map { key, value: _ } => self.map(field, key, wire, place, depth + 1),
        }
    }

    fn list(
        &mut self,
        field: &FieldPlan,
        wire: &[u8],
        place: Place,
        depth: u32,
    ) -> Result<(), Fault> {
        let start = self.out.len();
        for occurrence in place.occurrences(field, wire) {
            let (mut reader, wire_type) = occurrence?;
            if is_packed(field, wire_type) {
                let mut values = Reader::new(reader.length_delimited()?);
                while !values.is_at_end() {
                    self.out.push(b',');
                    self.value(field.kind, &mut values, depth)?;
                }
            } else {
                self.out.push(b',');
                self.value(field.kind, &mut reader, depth)?;
            }
        }
        self.enclose(start, b'[', b']');
        Ok(())
    }

    /// An object, sorted by key: the same map is always the same text. Of entries with the same
    /// key, the last counts.
    fn map(
        &mut self,
        field: &FieldPlan,
        key: Scalar,
        wire: &[u8],
        place: Place,
        depth: u32,
    ) -> Result<(), Fault> {
        let Kind::Message(entry) = field.kind else {
            return Err(WireError::new("is a map without entries"));
        };
        let plan = self.plans.plan(entry);
        let mut entries = Vec::new();
        for occurrence in place.occurrences(field, wire) {
            let entry = occurrence?.0.length_delimited()?;
            let base = self.open(plan, entry, depth)?;
            entries.push((map_key(key, self.places[base], entry)?, entry));
            self.places.truncate(base);
        }
        entries.sort_by_key(|(key, _)| *key);

        let start = self.out.len();
        for (index, (key, entry)) in entries.iter().enumerate() {
            if entries.get(index + 1).is_some_and(|(next, _)| next == key) {
                continue;
            }
            self.out.push(b',');
            put_map_key(self.out, *key);
            self.out.push(b':');
            let base = self.open(plan, entry, depth)?;
            match self.places[base + 1] {
                Place { count: 0, .. } => self.zero(plan.fields[1].kind, depth)?,
                place => self.field(&plan.fields[1], entry, place, depth)?,
            }
            self.places.truncate(base);
        }
        self.enclose(start, b'{', b'}');
        Ok(())
    }

    /// One value, which the reader stands in front of.
    #[inline]
    fn value(&mut self, kind: Kind, reader: &mut Reader<'_>, depth: u32) -> Result<(), Fault> {
        match kind {
            Kind::Scalar(scalar) => put_scalar(self.out, scalar, reader),
            Kind::Enum(id) => {
                let number = reader.varint()? as i32;
                self.plans.enumeration(id).put_json(self.out, number);
                Ok(())
            }
            Kind::Message(id) => self.message(id, reader.length_delimited()?, depth + 1),
            Kind::Group { message, .. } => self.message(message, reader.group()?, depth + 1),
        }
    }

    /// The value of a field that is absent and has no presence.
    fn zero(&mut self, kind: Kind, depth: u32) -> Result<(), Fault> {
        // a varint, a length, a number of any size: all are zeros
        match kind.message() {
            Some(message) => self.message(message, &[], depth + 1),
            None => self.value(kind, &mut Reader::new(&[0; 8]), depth),
        }
    }

    fn any_value(
        &mut self,
        plan: &MessagePlan,
        wire: &[u8],
        base: usize,
        depth: u32,
    ) -> Result<(), Fault> {
        let places = &self.places[base..];
        let set = plan.fields.iter().zip(places).find(|(_, place)| place.count > 0);
        let Some((field, &place)) = set else {
            self.out.extend_from_slice(b"null");
            return Ok(());
        };
        if field.kind == Kind::Scalar(Scalar::Double) {
            let number = f64::from_le_bytes(place.last_value(wire).fixed64()?);
            if !number.is_finite() {
                return Err(WireError::new("is a number that JSON does not have"));
            }
        }
        self.field(field, wire, place, depth)
    }

    fn time(&self, wire: &[u8], base: usize) -> Result<Time, Fault> {
        let read = |place: Place| match place.count {
            0 => Ok(0),
            _ => place.last_value(wire).varint(),
        };
        let (seconds, nanos) = (read(self.places[base])?, read(self.places[base + 1])?);
        Ok(Time { seconds: seconds as i64, nanos: nanos as i32 })
    }

    fn field_mask(&mut self, plan: &MessagePlan, wire: &[u8], base: usize) -> Result<(), Fault> {
        let mut paths = Vec::new();
        for occurrence in self.places[base].occurrences(&plan.fields[0], wire) {
            let path = occurrence?.0.text()?;
            paths.push(match plan.shape {
                Shape::CamelMask => camel_case(path).ok_or("has a name that JSON cannot say")?,
                _ => Cow::Borrowed(path),
            });
        }
        put_string(self.out, &paths.join(","));
        Ok(())
    }

    /// A number with exactly the digits that the message has. No digits are zero.
    fn decimal(&mut self, wire: &[u8], base: usize) -> Result<(), Fault> {
        let place = self.places[base];
        let digits = match place.count {
            0 => "",
            _ => place.last_value(wire).text()?,
        };
        let digits = if digits.is_empty() { "0" } else { digits };
        if !is_number(digits) {
            return Err(WireError::new("is not a decimal number"));
        }
        self.out.extend_from_slice(digits.as_bytes());
        Ok(())
    }
}

/// Whether an object does not have the field.
#[inline]
pub(super) fn is_left_out(field: &FieldPlan, wire: &[u8], place: Place) -> Result<bool, Fault> {
    Ok(match field.absent {
        Absent::Zero | Absent::Null => false,
        Absent::Nothing => place.count == 0,
        Absent::Hidden => {
            place.is_zero(field, wire).map_err(|error| error.in_field(&field.name))?
        }
    })
}

fn put_scalar(out: &mut Vec<u8>, scalar: Scalar, reader: &mut Reader<'_>) -> Result<(), Fault> {
    match scalar {
        Scalar::String => {
            let bytes = reader.length_delimited()?;
            if !bytes.is_ascii() {
                utf8(bytes)?;
            }
            put_utf8(out, bytes);
        }
        Scalar::Bytes => put_base64_string(out, reader.length_delimited()?),
        Scalar::Bool => {
            let word: &[u8] = if reader.varint()? == 0 { b"false" } else { b"true" };
            out.extend_from_slice(word);
        }
        Scalar::Double => put_float(out, f64::from_le_bytes(reader.fixed64()?)),
        Scalar::Float => put_float(out, f32::from_le_bytes(reader.fixed32()?)),
        Scalar::Int32 => put_integer(out, reader.varint()? as i32),
        Scalar::Uint32 => put_integer(out, reader.varint()? as u32),
        Scalar::Sint32 => put_integer(out, unzigzag(reader.varint()? as u32 as u64) as i32),
        Scalar::Fixed32 => put_integer(out, u32::from_le_bytes(reader.fixed32()?)),
        Scalar::Sfixed32 => put_integer(out, i32::from_le_bytes(reader.fixed32()?)),
        Scalar::Int64 => put_quoted_integer(out, reader.varint()? as i64),
        Scalar::Uint64 => put_quoted_integer(out, reader.varint()?),
        Scalar::Sint64 => put_quoted_integer(out, unzigzag(reader.varint()?)),
        Scalar::Fixed64 => put_quoted_integer(out, u64::from_le_bytes(reader.fixed64()?)),
        Scalar::Sfixed64 => put_quoted_integer(out, i64::from_le_bytes(reader.fixed64()?)),
    }
    Ok(())
}
