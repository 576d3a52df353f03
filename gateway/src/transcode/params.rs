//! Path variables, query parameters and form fields to protobuf wire bytes.

use std::borrow::Cow;

use percent_encoding::percent_decode_str;
use souk_kit::failure::shortened;

use super::error::{InputError, Refusal};
use super::path::Step;
use super::plan::{Cardinality, Kind, MessageId, Plans};
use super::wire::{WireType, close_length, open_length, put_varint, tag};

/// Singular fields that parameters may name, and messages on the way to any: far more than any honest
/// request does. Each is compared with all before it.
const MAX_GIVEN: usize = 512;

/// Reads the parameters of one request. It remembers them: only a repeated field may be given more
/// than once, and only one member of a oneof.
#[derive(Debug)]
pub struct Params<'p> {
    plans: &'p Plans,
    message: MessageId,
    given: Vec<Given>,
    /// Whether any was in a message inside the request.
    has_nested: bool,
}

/// A singular field that has been given, or that something in it has.
#[derive(Debug, PartialEq)]
struct Given {
    /// The message that has the field: 0 is the whole, others are one more than their own place
    /// among the given.
    parent: usize,
    /// Its index in the plan of that message.
    field: usize,
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

    /// Appends the wire bytes of one parameter. `path` is the name of a field, or of a field in a
    /// nested message: `a.b.c`; each name may be that of the contract or that in JSON. `text` is
    /// its value, decoded. `out` stays as it was when there is an error.
    pub fn append(&mut self, path: &str, text: &str, out: &mut Vec<u8>) -> Result<(), InputError> {
        let before = out.len();
        let result = self.steps(path).and_then(|steps| self.put(out, &steps, text));
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

    /// The fields on the way to a parameter, which are given now.
    fn steps(&mut self, path: &str) -> Result<Vec<Step<'p>>, Refusal> {
        let steps = self.plans.steps(self.message, path, |field| field == Cardinality::Singular);
        let steps = steps.ok_or_else(|| InputError::value("is not a known field"))?;
        self.has_nested |= steps.len() > 1;
        let mut parent = 0;
        for (place, step) in steps.iter().enumerate() {
            if step.field().cardinality == Cardinality::Singular {
                parent = self.note(step, parent, place + 1 == steps.len())?;
            }
        }
        Ok(steps)
    }

    /// Notes that a field is given, or only a part of it, and returns what the fields inside it have
    /// as their parent.
    fn note(&mut self, step: &Step<'p>, parent: usize, is_whole: bool) -> Result<usize, Refusal> {
        let given = Given { parent, field: step.index };
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
    fn put(&self, out: &mut Vec<u8>, steps: &[Step<'_>], text: &str) -> Result<(), Refusal> {
        let Some((step, inner)) = steps.split_first() else {
            return Ok(());
        };
        let field = step.field();
        if matches!(field.cardinality, Cardinality::Map { .. }) {
            return Err(InputError::value("cannot be a parameter"));
        }
        put_varint(out, field.tag());
        if inner.is_empty() {
            return self.plans.put_text(out, field.kind, text).map_err(InputError::value);
        }
        if let Kind::Group { number, .. } = field.kind {
            self.put(out, inner, text)?;
            put_varint(out, tag(number, WireType::EndGroup).into());
            return Ok(());
        }
        let start = open_length(out);
        self.put(out, inner, text)?;
        close_length(out, start);
        Ok(())
    }
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
