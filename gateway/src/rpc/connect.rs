//! The unary half of the Connect protocol (connectrpc.com/docs/protocol): a message is the body, and a
//! failure is an HTTP status with a JSON object.

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD_NO_PAD;
use bytes::Bytes;
use http::header::{CONTENT_TYPE, RETRY_AFTER, WWW_AUTHENTICATE};
use http::{HeaderMap, HeaderName, HeaderValue, Response, StatusCode};
use prost::Message as _;
use serde::Serialize;
use souk_kit::request::IDEMPOTENT_REPLAYED;
use tonic::{Code, Status};
use tonic_types::StatusExt as _;

use crate::errors::problem::is_replayed;
use crate::errors::status;
use crate::response::answer::Answer;
use crate::response::caller::whole_seconds;

const TIMEOUT: HeaderName = HeaderName::from_static("connect-timeout-ms");

/// How long a client waits: up to ten digits of milliseconds.
pub(super) fn limit(headers: &HeaderMap) -> Option<Duration> {
    let text = headers.get(TIMEOUT)?.to_str().ok().filter(|text| text.len() <= 10)?;
    text.parse().ok().map(Duration::from_millis)
}

/// The response for what has become of a call whose messages are of this media type.
pub(super) fn response(
    media: &'static str,
    answer: Result<tonic::Response<Bytes>, Status>,
) -> Response<Answer> {
    let mut retry_after = None;
    let (status, media, replayed, body) = match answer {
        Ok(answer) => {
            let replayed = is_replayed(answer.metadata());
            (StatusCode::OK, media, replayed, answer.into_inner())
        }
        // a failure is JSON, whatever the messages are
        Err(status) => {
            let replayed = is_replayed(status.metadata());
            retry_after = status.get_details_retry_info().and_then(|info| info.retry_delay);
            let json = serde_json::to_vec(&Failure::of(&status)).unwrap_or_default();
            (status::of(status.code()), "application/json", replayed, json.into())
        }
    };
    let mut response = Response::new(body.into());
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(media));
    if let Some(delay) = retry_after {
        headers.insert(RETRY_AFTER, whole_seconds(delay).into());
    }
    if status == StatusCode::UNAUTHORIZED {
        headers.insert(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
    }
    if replayed {
        headers.insert(IDEMPOTENT_REPLAYED, HeaderValue::from_static("true"));
    }
    response
}

#[derive(Serialize)]
struct Failure<'a> {
    code: String,
    message: &'a str,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    details: Vec<Detail>,
}

#[derive(Serialize)]
struct Detail {
    r#type: String,
    value: String,
}

impl<'a> Failure<'a> {
    fn of(status: &'a Status) -> Self {
        let told = tonic_types::Status::decode(status.details()).unwrap_or_default();
        let details = told.details.into_iter().map(|detail| Detail {
            r#type: detail.type_url.rsplit('/').next().unwrap_or_default().to_owned(),
            value: STANDARD_NO_PAD.encode(detail.value),
        });
        let message = status.message();
        Self { code: code(status.code()), message, details: details.collect() }
    }
}

/// The name of a code in this protocol, which has nothing for success.
fn code(code: Code) -> String {
    match code {
        Code::Cancelled => "canceled".to_owned(),
        Code::Ok => status::name(Code::Unknown).to_ascii_lowercase(),
        code => status::name(code).to_ascii_lowercase(),
    }
}
