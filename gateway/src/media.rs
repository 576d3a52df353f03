//! The body of a request: its form, its largest size, and how long it may take.

use std::time::Duration;

use axum::body::{Body, Bytes};
use bytes::BytesMut;
use http::HeaderMap;
use http::header::{CONTENT_ENCODING, CONTENT_TYPE};
use http_body::Body as _;
use http_body_util::BodyExt as _;
use souk_proto::souk::types::v1::Reason;
use tokio::time::timeout;

use crate::errors::Problem;
use crate::input::Media;

/// The form that a body has. One without a content type is taken for JSON.
pub(crate) fn media(headers: &HeaderMap) -> Result<Media, Problem> {
    let unsupported = |message| Problem::new(Reason::UnsupportedMediaType, message);
    if headers.get(CONTENT_ENCODING).is_some_and(|coding| coding != "identity") {
        return Err(unsupported("an encoded body is not supported"));
    }
    let Some(content_type) = headers.get(CONTENT_TYPE) else {
        return Ok(Media::Json);
    };
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

/// Reads a body to its end. It may have up to `limit` bytes, and pauses of up to `idle`.
pub(crate) async fn read(mut body: Body, limit: usize, idle: Duration) -> Result<Bytes, Problem> {
    let too_large = || {
        let message = format!("the body is larger than {limit} bytes");
        Err(Problem::new(Reason::PayloadTooLarge, message))
    };
    if body.size_hint().lower() > limit as u64 {
        return too_large();
    }
    let mut whole = BytesMut::new();
    while !body.is_end_stream() {
        let frame = match timeout(idle, body.frame()).await {
            Ok(Some(Ok(frame))) => frame,
            Ok(None) => break,
            Ok(Some(Err(_))) => return Err(unreadable("the body breaks off")),
            Err(_) => return Err(unreadable("the body did not arrive in time")),
        };
        // trailers mean nothing here
        let Ok(data) = frame.into_data() else { continue };
        if whole.len() + data.len() > limit {
            return too_large();
        }
        if whole.is_empty() && body.is_end_stream() {
            // most bodies come as one piece, which is not copied
            return Ok(data);
        }
        whole.extend_from_slice(&data);
    }
    Ok(whole.freeze())
}

fn unreadable(message: &'static str) -> Problem {
    Problem::new(Reason::MalformedRequest, message)
}
