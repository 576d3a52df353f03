//! The `Location` of a success: a path whose variables are fields of the response.

use anyhow::Context as _;
use http::HeaderValue;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use prost_reflect::MessageDescriptor;

use crate::field_path::FieldPath;

/// Everything but the unreserved characters of RFC 3986.
pub(super) const RESERVED: &AsciiSet =
    &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// A template, compiled for one type of response.
#[derive(Debug)]
pub(crate) struct Location {
    parts: Vec<Part>,
}

#[derive(Debug)]
enum Part {
    Text(String),
    Field(FieldPath),
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
            parts.push(Part::Field(FieldPath::string(name, response)?));
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
                Part::Field(field) => {
                    path.extend(utf8_percent_encode(field.text(response)?, RESERVED))
                }
            }
        }
        HeaderValue::try_from(path).ok()
    }
}
