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

use crate::answer::Answer;
use crate::caller::whole_seconds;
use crate::problem::is_replayed;

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
            (http_status(status.code()), "application/json", replayed, json.into())
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
    code: &'static str,
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

fn code(code: Code) -> &'static str {
    match code {
        Code::Cancelled => "canceled",
        Code::Ok | Code::Unknown => "unknown",
        Code::InvalidArgument => "invalid_argument",
        Code::DeadlineExceeded => "deadline_exceeded",
        Code::NotFound => "not_found",
        Code::AlreadyExists => "already_exists",
        Code::PermissionDenied => "permission_denied",
        Code::ResourceExhausted => "resource_exhausted",
        Code::FailedPrecondition => "failed_precondition",
        Code::Aborted => "aborted",
        Code::OutOfRange => "out_of_range",
        Code::Unimplemented => "unimplemented",
        Code::Internal => "internal",
        Code::Unavailable => "unavailable",
        Code::DataLoss => "data_loss",
        Code::Unauthenticated => "unauthenticated",
    }
}

fn http_status(code: Code) -> StatusCode {
    match code {
        Code::Cancelled => StatusCode::from_u16(499).unwrap_or(StatusCode::BAD_REQUEST),
        Code::InvalidArgument | Code::FailedPrecondition | Code::OutOfRange => {
            StatusCode::BAD_REQUEST
        }
        Code::DeadlineExceeded => StatusCode::GATEWAY_TIMEOUT,
        Code::NotFound => StatusCode::NOT_FOUND,
        Code::AlreadyExists | Code::Aborted => StatusCode::CONFLICT,
        Code::PermissionDenied => StatusCode::FORBIDDEN,
        Code::ResourceExhausted => StatusCode::TOO_MANY_REQUESTS,
        Code::Unimplemented => StatusCode::NOT_IMPLEMENTED,
        Code::Unavailable => StatusCode::SERVICE_UNAVAILABLE,
        Code::Unauthenticated => StatusCode::UNAUTHORIZED,
        Code::Ok | Code::Unknown | Code::Internal | Code::DataLoss => {
            StatusCode::INTERNAL_SERVER_ERROR
        }
    }
}
