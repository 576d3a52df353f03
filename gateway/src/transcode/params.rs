//! Path variables, query parameters and form fields to protobuf wire bytes.

use std::borrow::Cow;

use percent_encoding::percent_decode_str;
use souk_kit::failure::shortened;

use super::error::{InputError, Refusal};
use super::map_key::put_key_text;
use super::path::{Step, Way};
use super::plan::{Cardinality, Kind, MessageId, Plans, Shape};
use super::scalar::Scalar;
use super::wire::{WireType, close_length, open_length, put_varint, tag};

/// Singular fields and keys of maps that parameters may name, and messages on the way to any: far more
/// than any honest request does. Each is compared with all before it.
const MAX_GIVEN: usize = 512;

/// Reads the parameters of one request. It remembers them: only a repeated field may be given more
/// than once, a map once for each key, and of a oneof only one member.
#[derive(Debug)]
pub struct Params<'p> {
    plans: &'p Plans,
    message: MessageId,
    given: Vec<Given>,
    /// Whether any was in a message inside the request.
    has_nested: bool,
}

/// A singular field that has been given, or that something in it has; or a key of a map.
#[derive(Debug, PartialEq)]
struct Given {
    /// The message that has the field: 0 is the whole, others are one more than their own place
    /// among the given.
    parent: usize,
    /// Its index in the plan of that message.
    field: usize,
    /// The wire bytes of the key; none for a field.
    key: Vec<u8>,
}

impl<'p> Params<'p> {
    /// Starts with no parameter for a request message.
    pub fn new(plans: &'p Plans, message: MessageId) -> Self {
        Self { plans, message, given: Vec::new(), has_nested: false }
    }

    /// Whether what was appended may have several fragments of one message.
    pub fn has_nested(&self) -> bool {
        self.has_nested
    }

    /// Whether a field of the message is given, or a part of it.
    pub fn has(&self, field: &str) -> bool {
        let index = self.plans.plan(self.message).field_by_any_name(field);
        self.given.iter().any(|given| given.parent == 0 && Some(given.field) == index)
    }

    /// Appends the wire bytes of one parameter. `path` is the name of a field, or of a field in a
    /// nested message: `a.b.c`; each name may be that of the contract or that in JSON. What comes
    /// after that of a map is a key, with its dots. `text` is the value, decoded. `out` stays as it was when there is an error.
    pub fn append(&mut self, path: &str, text: &str, out: &mut Vec<u8>) -> Result<(), InputError> {
        let before = out.len();
        let result = self
            .way(path)
            .and_then(|way| self.put(out, &way.steps, way.key.unwrap_or_default(), text));
        result.map_err(|error| {
            out.truncate(before);
            *error.in_field(&shortened(path))
        })
    }

    /// Appends the wire bytes of a whole query string or `application/x-www-form-urlencoded` body.
    pub fn append_query(&mut self, query: &str, out: &mut Vec<u8>) -> Result<(), InputError> {
        for pair in query_pairs(query) {
            let (name, text) = pair?;
            self.append(&name, &text, out)?;
        }
        Ok(())
    }

    /// The way to a parameter, which is given now.
    fn way<'t>(&mut self, path: &'t str) -> Result<Way<'p, 't>, Refusal> {
        let is_singular = |field| field == Cardinality::Singular;
        let way = self.plans.way(self.message, path, is_singular)?;
        self.has_nested |= way.steps.len() > 1;
        let mut parent = 0;
        for (place, step) in way.steps.iter().enumerate() {
            let is_whole = place + 1 == way.steps.len();
            match step.field().cardinality {
                Cardinality::Singular => parent = self.note(step, parent, Vec::new(), is_whole)?,
                Cardinality::Map { key, value } => {
                    self.refuse_objects(value)?;
                    let key = key_of(&way, key, path)?;
                    self.note(step, parent, key, true)?;
                }
                Cardinality::Repeated | Cardinality::Packed => {}
            }
        }
        Ok(way)
    }

    /// Refuses the entries of a map that no text can say.
    fn refuse_objects(&self, value: Kind) -> Result<(), Refusal> {
        match value.message().map(|message| self.plans.plan(message).shape) {
            Some(Shape::Object) => Err(InputError::value("cannot be a parameter")),
            _ => Ok(()),
        }
    }

    /// Notes that a field is given, or only a part of it, and returns what the fields inside it have
    /// as their parent.
    fn note(
        &mut self,
        step: &Step<'p>,
        parent: usize,
        key: Vec<u8>,
        is_whole: bool,
    ) -> Result<usize, Refusal> {
        let given = Given { parent, field: step.index, key };
        match self.given.iter().position(|other| *other == given) {
            Some(_) if is_whole => return Err(InputError::value("is given twice")),
            Some(place) => return Ok(place + 1),
            None => (),
        }
        let oneof = step.field().oneof;
        let is_rival =
            |other: &Given| other.parent == parent && step.plan.fields[other.field].oneof == oneof;
        if oneof.is_some() && self.given.iter().any(is_rival) {
            let issue = "cannot be given together with another of its alternatives";
            return Err(InputError::value(issue));
        }
        if self.given.len() == MAX_GIVEN {
            return Err(InputError::value("is one parameter too many"));
        }
        self.given.push(given);
        Ok(self.given.len())
    }

    /// The value of a parameter, inside the messages on the way to it.
    fn put(
        &self,
        out: &mut Vec<u8>,
        steps: &[Step<'_>],
        key: &str,
        text: &str,
    ) -> Result<(), Refusal> {
        let Some((step, inner)) = steps.split_first() else {
            return Ok(());
        };
        let field = step.field();
        put_varint(out, field.tag());
        match (field.cardinality, field.kind) {
            (Cardinality::Map { key: kind, value }, _) => {
                let start = open_length(out);
                put_varint(out, tag(1, kind.wire_type()).into());
                put_key_text(out, kind, key).map_err(InputError::value)?;
                put_varint(out, tag(2, value.wire_type()).into());
                self.plans.put_text(out, value, text).map_err(InputError::value)?;
                close_length(out, start);
            }
            (_, kind) if inner.is_empty() => {
                self.plans.put_text(out, kind, text).map_err(InputError::value)?;
            }
            (_, Kind::Group { number, .. }) => {
                self.put(out, inner, key, text)?;
                put_varint(out, tag(number, WireType::EndGroup).into());
            }
            _ => {
                let start = open_length(out);
                self.put(out, inner, key, text)?;
                close_length(out, start);
            }
        }
        Ok(())
    }
}

/// The key at the end of a way, as it is on the wire.
fn key_of(way: &Way<'_, '_>, kind: Scalar, path: &str) -> Result<Vec<u8>, Refusal> {
    let Some(key) = way.key.filter(|key| !key.is_empty()) else {
        let map = shortened(path.trim_end_matches('.'));
        return Err(InputError::value(format!("must be given by its keys: {map}.key=value")));
    };
    let mut wire = Vec::new();
    put_key_text(&mut wire, kind, key).map_err(InputError::value)?;
    Ok(wire)
}

/// The names and values of a query string or `application/x-www-form-urlencoded` body, decoded.
pub fn query_pairs(
    query: &str,
) -> impl Iterator<Item = Result<(Cow<'_, str>, Cow<'_, str>), InputError>> {
    query.split('&').filter(|pair| !pair.is_empty()).map(|pair| {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        let not_utf8 = || *InputError::value("is not UTF-8").in_field(&shortened(name));
        let name = decode(name).ok_or_else(not_utf8)?;
        let value = decode(value).ok_or_else(not_utf8)?;
        Ok((name, value))
    })
}

fn decode(text: &str) -> Option<Cow<'_, str>> {
    if !text.contains('+') {
        return percent_decode_str(text).decode_utf8().ok();
    }
    let spaced = text.replace('+', " ");
    Some(percent_decode_str(&spaced).decode_utf8().ok()?.into_owned().into())
}
