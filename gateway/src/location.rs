//! The `Location` of a success: a path whose variables are fields of the response.

use anyhow::{Context as _, ensure};
use http::HeaderValue;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use prost::encoding::{DecodeContext, WireType, decode_key, decode_varint, skip_field};
use prost_reflect::{Kind, MessageDescriptor};

/// Everything but the unreserved characters of RFC 3986.
const RESERVED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// A template, compiled for one type of response.
#[derive(Debug)]
pub(crate) struct Location {
    parts: Vec<Part>,
}

#[derive(Debug)]
enum Part {
    Text(String),
    /// The numbers of the fields on the way to a string.
    Field(Vec<u32>),
}

impl Location {
    /// Compiles a template like `/v1/things/{id}`.
    pub(crate) fn compile(template: &str, response: &MessageDescriptor) -> anyhow::Result<Self> {
        let mut parts = Vec::new();
        let mut rest = template;
        while let Some((text, after)) = rest.split_once('{') {
            let (name, after) = after
                .split_once('}')
                .with_context(|| format!("the location `{template}` has an unclosed brace"))?;
            parts.push(Part::Text(text.to_owned()));
            parts.push(Part::Field(field_numbers(response, name)?));
            rest = after;
        }
        parts.push(Part::Text(rest.to_owned()));
        Ok(Self { parts })
    }

    /// The path for a response, which is given as wire bytes. `None` when a field is not there.
    pub(crate) fn render(&self, response: &[u8]) -> Option<HeaderValue> {
        let mut path = String::new();
        for part in &self.parts {
            match part {
                Part::Text(text) => path.push_str(text),
                Part::Field(numbers) => {
                    let value = numbers.iter().try_fold(response, |message, number| {
                        last_length_delimited(message, *number)
                    })?;
                    let text = std::str::from_utf8(value).ok()?;
                    path.extend(utf8_percent_encode(text, RESERVED));
                }
            }
        }
        HeaderValue::try_from(path).ok()
    }
}

fn field_numbers(response: &MessageDescriptor, path: &str) -> anyhow::Result<Vec<u32>> {
    let mut message = Some(response.clone());
    let mut numbers = Vec::new();
    let mut is_string = false;
    for name in path.split('.') {
        let field = message
            .and_then(|message| message.get_field_by_name(name))
            .filter(|field| !field.is_list())
            .with_context(|| format!("{} has no field `{path}`", response.full_name()))?;
        numbers.push(field.number());
        is_string = field.kind() == Kind::String;
        message = field.kind().as_message().cloned();
    }
    ensure!(is_string, "`{path}` of {} is no string", response.full_name());
    Ok(numbers)
}

/// The last string, bytes or message with this number: the one that counts.
fn last_length_delimited(mut wire: &[u8], number: u32) -> Option<&[u8]> {
    let mut last = None;
    while !wire.is_empty() {
        let (field, wire_type) = decode_key(&mut wire).ok()?;
        if field == number && wire_type == WireType::LengthDelimited {
            let length = usize::try_from(decode_varint(&mut wire).ok()?).ok()?;
            let (value, rest) = wire.split_at_checked(length)?;
            last = Some(value);
            wire = rest;
        } else {
            skip_field(wire_type, field, &mut wire, DecodeContext::default()).ok()?;
        }
    }
    last
}
