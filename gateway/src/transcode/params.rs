//! Path variables, query parameters and form fields to protobuf wire bytes.

use std::borrow::Cow;

use percent_encoding::percent_decode_str;
use souk_kit::failure::shortened;

use super::error::{InputError, Refusal};
use super::plan::{Cardinality, FieldPlan, Kind, MessageId, Plans, Shape};
use super::wire::{MAX_DEPTH, close_length, open_length, put_varint};

/// Reads the parameters of one request. It remembers them: only a repeated field may be given more
/// than once, and only one member of a oneof.
#[derive(Debug)]
pub struct Params<'p> {
    plans: &'p Plans,
    message: MessageId,
    given: Vec<Given>,
}

#[derive(Debug, PartialEq)]
enum Given {
    /// The path of a singular field.
    Field(String),
    /// The path of the message that has the oneof, and the oneof.
    Oneof(String, u16),
}

impl<'p> Params<'p> {
    /// Starts with no parameter for a request message.
    pub fn new(plans: &'p Plans, message: MessageId) -> Self {
        Self { plans, message, given: Vec::new() }
    }

    /// Appends the wire bytes of one parameter. `path` is the name of a field, or of a field in a
    /// nested message: `a.b.c`. `text` is its value, decoded. `out` stays as it was when there is
    /// an error.
    pub fn append(&mut self, path: &str, text: &str, out: &mut Vec<u8>) -> Result<(), InputError> {
        let before = out.len();
        let result = self.fields(path).and_then(|fields| {
            self.refuse_repetition(path, &fields)?;
            self.put(out, &fields, text)
        });
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

    /// The fields on the way to a parameter.
    fn fields(&self, path: &str) -> Result<Vec<&'p FieldPlan>, Refusal> {
        let mut message = Some(self.message);
        let mut fields = Vec::new();
        for name in path.split('.') {
            let plan = message.map(|message| self.plans.plan(message));
            let found = plan
                .filter(|plan| plan.shape == Shape::Object && fields.len() < MAX_DEPTH as usize)
                .and_then(|plan| Some(&plan.fields[plan.field_by_name(name, 0)?]));
            let field = found.ok_or_else(|| InputError::value("is not a known field"))?;
            message = match (field.kind, field.cardinality) {
                (Kind::Message(id), Cardinality::Singular) => Some(id),
                _ => None,
            };
            fields.push(field);
        }
        Ok(fields)
    }

    fn refuse_repetition(&mut self, path: &str, fields: &[&FieldPlan]) -> Result<(), Refusal> {
        let Some((last, _)) = fields.split_last() else {
            return Ok(());
        };
        if last.cardinality == Cardinality::Singular {
            let field = Given::Field(path.to_owned());
            if self.given.contains(&field) {
                return Err(InputError::value("is given twice"));
            }
            self.given.push(field);
        }
        let parent = path.rsplit_once('.').map_or("", |(parent, _)| parent);
        if let Some(oneof) = last.oneof {
            let oneof = Given::Oneof(parent.to_owned(), oneof);
            if self.given.contains(&oneof) {
                let issue = "cannot be given together with another of its alternatives";
                return Err(InputError::value(issue));
            }
            self.given.push(oneof);
        }
        Ok(())
    }

    /// The value of a parameter, inside the messages on the way to it.
    fn put(&self, out: &mut Vec<u8>, fields: &[&FieldPlan], text: &str) -> Result<(), Refusal> {
        let Some((field, inner)) = fields.split_first() else {
            return Ok(());
        };
        if matches!(field.cardinality, Cardinality::Map { .. }) {
            return Err(InputError::value("cannot be a parameter"));
        }
        put_varint(out, field.tag());
        if inner.is_empty() {
            return self.plans.put_text(out, field.kind, text).map_err(InputError::value);
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
