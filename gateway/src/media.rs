//! The form of a body.

use http::HeaderMap;
use http::header::{CONTENT_ENCODING, CONTENT_TYPE};
use souk_proto::souk::types::v1::Reason;

use crate::input::Media;
use crate::problem::Problem;

/// The form that a body has. One without a content type is taken for JSON.
pub(crate) fn media(headers: &HeaderMap) -> Result<Media, Problem> {
    let unsupported = |message| Problem::new(Reason::UnsupportedMediaType, message);
    if headers.get(CONTENT_ENCODING).is_some_and(|coding| coding != "identity") {
        return Err(unsupported("an encoded body is not supported"));
    }
    let Some(content_type) = headers.get(CONTENT_TYPE) else {
        return Ok(Media::Json);
    };
    if content_type == "application/json" {
        return Ok(Media::Json);
    }
    let text = content_type.to_str().unwrap_or_default();
    let essence = text.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    let json_suffix =
        essence.strip_prefix("application/").and_then(|subtype| subtype.strip_suffix("+json"));
    match essence.as_str() {
        "application/json" => Ok(Media::Json),
        "application/x-www-form-urlencoded" => Ok(Media::Form),
        _ if json_suffix.is_some_and(|name| !name.is_empty()) => Ok(Media::Json),
        _ => Err(unsupported("the body must be application/json")),
    }
}
