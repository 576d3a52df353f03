//! Media types, and the form of a body.

use http::header::{CONTENT_ENCODING, CONTENT_TYPE};
use http::{HeaderMap, HeaderValue};
use souk_proto::souk::types::v1::Reason;

use crate::errors::problem::Problem;

/// JSON in lines.
pub(crate) const LINES: &str = "application/x-ndjson";
/// Server-sent events.
pub(crate) const EVENTS: &str = "text/event-stream";
/// Errors, as RFC 9457 has them.
pub(crate) const PROBLEM_JSON: &str = "application/problem+json";
/// The media type of what has none.
pub(crate) const UNKNOWN: &str = "application/octet-stream";

/// The form of a body.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Media<'a> {
    Json,
    Form,
    /// JSON that is the message, or the field of it that the rule names, though the rule may know of no
    /// body: the frame of a WebSocket.
    Frame,
    /// Bytes of this type, for a `google.api.HttpBody`.
    Bytes(&'a str),
}

/// The form that a body has. One without a content type is taken for JSON.
pub(crate) fn media(headers: &HeaderMap) -> Result<Media<'static>, Problem> {
    refuse_encoded(headers)?;
    let Some(content_type) = headers.get(CONTENT_TYPE) else {
        return Ok(Media::Json);
    };
    if content_type == "application/json" {
        return Ok(Media::Json);
    }
    let essence = essence(content_type);
    let json_suffix =
        essence.strip_prefix("application/").and_then(|subtype| subtype.strip_suffix("+json"));
    match essence.as_str() {
        "application/json" => Ok(Media::Json),
        "application/x-www-form-urlencoded" => Ok(Media::Form),
        _ if json_suffix.is_some_and(|name| !name.is_empty()) => Ok(Media::Json),
        _ => Err(unsupported("the body must be application/json")),
    }
}

/// The media type of a body that may be of any.
pub(crate) fn bytes(headers: &HeaderMap) -> Result<&str, Problem> {
    refuse_encoded(headers)?;
    let content_type = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok());
    Ok(content_type.unwrap_or(UNKNOWN))
}

/// What separates the parts of a body of `multipart/form-data`; `None` for any other body.
pub(crate) fn boundary(headers: &HeaderMap) -> Result<Option<String>, Problem> {
    let Some(content_type) = headers.get(CONTENT_TYPE) else { return Ok(None) };
    if essence(content_type) != "multipart/form-data" {
        return Ok(None);
    }
    let message = "the content type of the form names no boundary";
    let boundary = multer::parse_boundary(content_type.to_str().unwrap_or_default());
    boundary.map(Some).map_err(|_| Problem::new(Reason::MalformedRequest, message))
}

/// Refuses a body that is not JSON in lines. One without a content type is taken for that.
pub(crate) fn check_lines(headers: &HeaderMap) -> Result<(), Problem> {
    refuse_encoded(headers)?;
    match headers.get(CONTENT_TYPE).map(essence).as_deref() {
        None | Some(LINES | "application/ndjson" | "application/jsonl") => Ok(()),
        Some(_) => Err(unsupported("the body must be application/x-ndjson: JSON in lines")),
    }
}

fn refuse_encoded(headers: &HeaderMap) -> Result<(), Problem> {
    if is_encoded(headers) {
        return Err(unsupported("an encoded body is not supported"));
    }
    Ok(())
}

/// Whether a body is in a content coding.
pub(crate) fn is_encoded(headers: &HeaderMap) -> bool {
    headers.get(CONTENT_ENCODING).is_some_and(|coding| coding != "identity")
}

/// A content type without its parameters.
pub(crate) fn essence(content_type: &HeaderValue) -> String {
    let text = content_type.to_str().unwrap_or_default();
    text.split(';').next().unwrap_or_default().trim().to_ascii_lowercase()
}

fn unsupported(message: &'static str) -> Problem {
    Problem::new(Reason::UnsupportedMediaType, message)
}
