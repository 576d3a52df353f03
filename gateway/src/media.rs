//! The form of a body.

use http::header::{CONTENT_ENCODING, CONTENT_TYPE};
use http::{HeaderMap, HeaderValue};
use souk_proto::souk::types::v1::Reason;

use crate::input::Media;
use crate::problem::Problem;

/// The media type of what has none.
pub(crate) const UNKNOWN: &str = "application/octet-stream";

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

/// The form of a body that may be of any media type.
pub(crate) fn bytes(headers: &HeaderMap) -> Result<Media<'_>, Problem> {
    refuse_encoded(headers)?;
    Ok(Media::Bytes(of(headers)))
}

/// The media type of a body.
pub(crate) fn of(headers: &HeaderMap) -> &str {
    headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or(UNKNOWN)
}

/// Refuses a body that is not JSON in lines, unless it may be of any media type. One without a content
/// type is taken for lines.
pub(crate) fn check_stream(headers: &HeaderMap, takes_bytes: bool) -> Result<(), Problem> {
    refuse_encoded(headers)?;
    match headers.get(CONTENT_TYPE).map(essence).as_deref() {
        _ if takes_bytes => Ok(()),
        None | Some("application/x-ndjson" | "application/ndjson" | "application/jsonl") => Ok(()),
        Some(_) => Err(unsupported("the body must be application/x-ndjson: JSON in lines")),
    }
}

fn refuse_encoded(headers: &HeaderMap) -> Result<(), Problem> {
    match headers.get(CONTENT_ENCODING) {
        Some(coding) if coding != "identity" => {
            Err(unsupported("an encoded body is not supported"))
        }
        _ => Ok(()),
    }
}

/// A content type without its parameters.
fn essence(content_type: &HeaderValue) -> String {
    let text = content_type.to_str().unwrap_or_default();
    text.split(';').next().unwrap_or_default().trim().to_ascii_lowercase()
}

fn unsupported(message: &'static str) -> Problem {
    Problem::new(Reason::UnsupportedMediaType, message)
}
