//! JSON text to protobuf wire bytes, in one pass.

use std::borrow::Cow;

use souk_kit::failure::shortened;

use super::error::{InputError, Refusal};
use super::json::{Scanner, deeper};
use super::map_key::put_key_text;
use super::number::{not_a_number, put_number, put_quoted_number};
use super::plan::{Cardinality, EnumId, FieldPlan, Kind, MessageId, MessagePlan, Plans, Shape};
use super::scalar::Scalar;
use super::text::{put_base64, put_message_text};
use super::types::Types;
use super::wire::{WireType, close_length, open_length, put_bytes, put_varint, tag};

impl Plans {
    /// Appends the wire bytes of a message that is given as JSON. `out` stays as it was when there
    /// is an error. Bytes that are already there, or that are appended later, merge with these as
    /// protobuf says.
    pub fn json_to_wire(
        &self,
        message: MessageId,
        json: &[u8],
        out: &mut Vec<u8>,
    ) -> Result<(), InputError> {
        append(self, json, out, |decoder| decoder.message(message, 0))
    }

    /// Appends one field of a message; the JSON is the value of that field.
    pub fn json_field_to_wire(
        &self,
        message: MessageId,
        field: &str,
        json: &[u8],
        out: &mut Vec<u8>,
    ) -> Result<(), InputError> {
        let plan = self.plan(message);
        append(self, json, out, |decoder| match plan.field_by_any_name(field) {
            Some(index) => decoder.member(&plan.fields[index], 0).map(drop),
            None => Err(InputError::value("is not a known field").in_field(field)),
        })
    }
}

fn append<'p, 'j>(
    plans: &'p Plans,
    json: &'j [u8],
    out: &mut Vec<u8>,
    value: impl FnOnce(&mut Decoder<'p, 'j, '_>) -> Result<(), Refusal>,
) -> Result<(), InputError> {
    let before = out.len();
    out.reserve(json.len());
    let result = Scanner::new(json).and_then(|json| {
        let mut decoder = Decoder { plans, json, out, types: Types::default() };
        value(&mut decoder)?;
        decoder.json.end()
    });
    result.map_err(|refusal| {
        out.truncate(before);
        *refusal
    })
}

pub(super) struct Decoder<'p, 'j, 'o> {
    pub plans: &'p Plans,
    pub json: Scanner<'j>,
    pub out: &'o mut Vec<u8>,
    /// Of the messages in google.protobuf.Any.
    pub types: Types<'j>,
}

/// What an object has had so far.
#[derive(Default)]
pub(super) struct Members {
    fields: Seen,
    oneofs: Seen,
    /// Where in the plan the next field probably is.
    next: usize,
}

#[derive(Default)]
struct Seen {
    first: u64,
    others: Vec<usize>,
}

impl Seen {
    /// False if it was there before.
    fn insert(&mut self, index: usize) -> bool {
        if index < 64 {
            let bit = 1 << index;
            let is_new = self.first & bit == 0;
            self.first |= bit;
            return is_new;
        }
        let is_new = !self.others.contains(&index);
        if is_new {
            self.others.push(index);
        }
        is_new
    }
}

impl<'p, 'j> Decoder<'p, 'j, '_> {
    /// The content of a message, without a length in front.
    pub(super) fn message(&mut self, id: MessageId, depth: u32) -> Result<(), Refusal> {
        let plan = self.plans.plan(id);
        match plan.shape {
            Shape::Object => self.object(plan, depth),
            Shape::OnlyField => self.field(&plan.fields[0], depth),
            Shape::AnyValue => self.any_value(plan, depth),
            Shape::Timestamp => self.text(plan, "must be a time like 2025-01-31T23:59:59Z"),
            Shape::Duration => self.text(plan, "must be a duration like 1.5s"),
            Shape::FieldMask | Shape::CamelMask => {
                self.text(plan, "must be a string of names with commas between")
            }
            Shape::Decimal => self.text(plan, "must be a number"),
            Shape::Any => self.any(depth),
        }
    }

    fn object(&mut self, plan: &'p MessagePlan, depth: u32) -> Result<(), Refusal> {
        let mut before = Members::default();
        self.members(|decoder, key| decoder.known_member(plan, &mut before, &key, depth))
    }

    /// A member of an object that is a field of its message, with all that must be so.
    #[inline]
    pub(super) fn known_member(
        &mut self,
        plan: &'p MessagePlan,
        before: &mut Members,
        key: &str,
        depth: u32,
    ) -> Result<(), Refusal> {
        let Some(index) = plan.field_by_name(key, before.next) else {
            return Err(plan.unknown().in_field(&shortened(key)));
        };
        before.next = index + 1;
        let field = &plan.fields[index];
        if !before.fields.insert(index) {
            return Err(InputError::value("is given twice").in_field(key));
        }
        let is_set = self.member(field, depth).map_err(|error| error.in_field(key))?;
        match field.oneof {
            Some(oneof) if is_set && !before.oneofs.insert(oneof.into()) => {
                let issue = "cannot be given together with another of its alternatives";
                Err(InputError::value(issue).in_field(key))
            }
            _ => Ok(()),
        }
    }

    /// A field's tag and value; nothing if it is null. Returns whether it has a value.
    fn member(&mut self, field: &FieldPlan, depth: u32) -> Result<bool, Refusal> {
        if self.json.peek() == Some(b'n') && !self.has_null(field) {
            self.json.literal("null")?;
            return Ok(false);
        }
        self.field(field, depth)?;
        Ok(true)
    }

    /// Whether null is a value of the field, as others are.
    fn has_null(&self, field: &FieldPlan) -> bool {
        field.cardinality == Cardinality::Singular
            && match field.kind {
                Kind::Message(id) => self.plans.plan(id).shape == Shape::AnyValue,
                Kind::Enum(id) => self.plans.enumeration(id).is_null,
                Kind::Scalar(_) | Kind::Group { .. } => false,
            }
    }

    /// A field's tags and values.
    fn field(&mut self, field: &FieldPlan, depth: u32) -> Result<(), Refusal> {
        let value_tag = field.tag();
        match field.cardinality {
            Cardinality::Singular => {
                put_varint(self.out, value_tag);
                self.value(field.kind, depth)
            }
            Cardinality::Repeated => self.items(|decoder| {
                put_varint(decoder.out, value_tag);
                decoder.value(field.kind, depth)
            }),
            Cardinality::Packed => {
                let before = self.out.len();
                put_varint(self.out, tag(field.number, WireType::Len).into());
                let start = open_length(self.out);
                self.items(|decoder| decoder.value(field.kind, depth))?;
                if self.out.len() == start {
                    self.out.truncate(before);
                } else {
                    close_length(self.out, start);
                }
                Ok(())
            }
            Cardinality::Map { key, value } => self.map(value_tag, key, value, depth),
        }
    }

    fn map(
        &mut self,
        entry_tag: u64,
        key_type: Scalar,
        value: Kind,
        depth: u32,
    ) -> Result<(), Refusal> {
        let depth = deeper(depth)?;
        let mut keys = Vec::new();
        self.members(|decoder, key| {
            put_varint(decoder.out, entry_tag);
            let start = open_length(decoder.out);
            put_varint(decoder.out, tag(1, key_type.wire_type()).into());
            put_key_text(decoder.out, key_type, &key)
                .map_err(|issue| InputError::value(issue).in_field(&key))?;
            put_varint(decoder.out, tag(2, value.wire_type()).into());
            decoder.value(value, depth).map_err(|error| error.in_field(&key))?;
            close_length(decoder.out, start);
            keys.push(key);
            Ok(())
        })?;
        refuse_repetition(keys)
    }

    /// One value of a field, with a length in front if its type has one.
    fn value(&mut self, kind: Kind, depth: u32) -> Result<(), Refusal> {
        match kind {
            Kind::Scalar(scalar) => self.scalar(scalar),
            Kind::Enum(id) => self.enumeration(id),
            Kind::Message(id) => {
                let depth = deeper(depth)?;
                let start = open_length(self.out);
                self.message(id, depth)?;
                close_length(self.out, start);
                Ok(())
            }
            Kind::Group { message, number } => {
                let depth = deeper(depth)?;
                self.message(message, depth)?;
                put_varint(self.out, tag(number, WireType::EndGroup).into());
                Ok(())
            }
        }
    }

    fn scalar(&mut self, scalar: Scalar) -> Result<(), Refusal> {
        match (scalar, self.json.peek()) {
            (Scalar::String, Some(b'"')) => {
                if let Some(text) = self.json.plain_string() {
                    put_bytes(self.out, text.as_bytes());
                    return Ok(());
                }
                let start = open_length(self.out);
                self.json.unescape(|piece| self.out.extend_from_slice(piece.as_bytes()))?;
                close_length(self.out, start);
                Ok(())
            }
            (Scalar::Bytes, Some(b'"')) => {
                let text = self.json.string()?;
                put_base64(self.out, &text).map_err(InputError::value)
            }
            (Scalar::String | Scalar::Bytes, _) => Err(self.json.mismatch("must be a string")),
            (Scalar::Bool, Some(b't')) => {
                self.json.literal("true")?;
                self.out.push(1);
                Ok(())
            }
            (Scalar::Bool, Some(b'f')) => {
                self.json.literal("false")?;
                self.out.push(0);
                Ok(())
            }
            (Scalar::Bool, _) => Err(self.json.mismatch("must be true or false")),
            (_, Some(b'-' | b'0'..=b'9')) => {
                let text = self.json.number()?;
                put_number(self.out, scalar, text).map_err(InputError::value)
            }
            (_, Some(b'"')) => {
                let text = self.json.string()?;
                put_quoted_number(self.out, scalar, &text).map_err(InputError::value)
            }
            _ => Err(self.json.mismatch(not_a_number(scalar))),
        }
    }

    fn enumeration(&mut self, id: EnumId) -> Result<(), Refusal> {
        let plan = self.plans.enumeration(id);
        match self.json.peek() {
            Some(b'"') => {
                let name = self.json.string()?;
                let number = plan.number(&name).map_err(InputError::value)?;
                put_varint(self.out, i64::from(number) as u64);
                Ok(())
            }
            Some(b'n') if plan.is_null => {
                self.json.literal("null")?;
                self.out.push(0);
                Ok(())
            }
            Some(b'-' | b'0'..=b'9') => self.scalar(Scalar::Int32),
            _ => Err(self.json.mismatch("must be the name of a value")),
        }
    }

    /// A message that is a string in JSON, or a number with its exact digits.
    fn text(&mut self, plan: &MessagePlan, issue: &'static str) -> Result<(), Refusal> {
        let text = match (plan.shape, self.json.peek()) {
            (_, Some(b'"')) => self.json.string()?,
            (Shape::Decimal, Some(b'-' | b'0'..=b'9')) => Cow::Borrowed(self.json.number()?),
            _ => return Err(self.json.mismatch(issue)),
        };
        put_message_text(self.out, plan.shape, &text).map_err(InputError::value)
    }

    /// The member of google.protobuf.Value that the next token calls for.
    fn any_value(&mut self, plan: &'p MessagePlan, depth: u32) -> Result<(), Refusal> {
        let number = match self.json.peek() {
            Some(b'n') => 1,
            Some(b'-' | b'0'..=b'9') => 2,
            Some(b'"') => 3,
            Some(b't' | b'f') => 4,
            Some(b'{') => 5,
            Some(b'[') => 6,
            _ => return Err(self.json.mismatch("must be a value")),
        };
        match plan.field_by_number(number) {
            Some(index) => self.field(&plan.fields[index], depth),
            None => Err(self.json.mismatch("must be another value")),
        }
    }

    /// The members of an object: the value of each is read by `value`.
    pub(super) fn members(
        &mut self,
        mut value: impl FnMut(&mut Self, Cow<'j, str>) -> Result<(), Refusal>,
    ) -> Result<(), Refusal> {
        if !self.json.take(b'{') {
            return Err(self.json.mismatch("must be an object"));
        }
        if self.json.take(b'}') {
            return Ok(());
        }
        loop {
            let key = self.json.key()?;
            value(self, key)?;
            if !self.json.take(b',') {
                return self.json.expect(b'}', "has neither a comma nor a brace after a value");
            }
        }
    }

    /// The items of a list: each is read by `value`.
    fn items(
        &mut self,
        mut value: impl FnMut(&mut Self) -> Result<(), Refusal>,
    ) -> Result<(), Refusal> {
        if !self.json.take(b'[') {
            return Err(self.json.mismatch("must be a list"));
        }
        if self.json.take(b']') {
            return Ok(());
        }
        for index in 0.. {
            value(self).map_err(|error| error.in_item(index))?;
            if !self.json.take(b',') {
                break;
            }
        }
        self.json.expect(b']', "has neither a comma nor a bracket after an item")
    }
}

/// Refuses a map that has a key twice.
fn refuse_repetition(mut keys: Vec<Cow<'_, str>>) -> Result<(), Refusal> {
    keys.sort_unstable();
    match keys.windows(2).find(|pair| pair[0] == pair[1]) {
        Some(twice) => Err(InputError::value("is given twice").in_field(&shortened(&twice[0]))),
        None => Ok(()),
    }
}
