//! Who asks, and the form in which they want to hear what went wrong.

use std::collections::BTreeMap;
use std::time::Duration;

use http::header::{AUTHORIZATION, CACHE_CONTROL, CONTENT_TYPE, RETRY_AFTER, WWW_AUTHENTICATE};
use http::{HeaderMap, HeaderValue, Response, StatusCode};
use serde::Serialize;
use serde_json::Value;
use souk_kit::request::IDEMPOTENT_REPLAYED;
use souk_proto::souk::types::v1::Reason;

use super::accept;
use super::answer::Answer;
use crate::errors::problem::{Detail, Problem};
use crate::request::media::PROBLEM_JSON;

/// What an error response depends on, besides the error.
pub(crate) struct Caller<'a> {
    pub headers: &'a HeaderMap,
    pub request_id: &'a str,
}

impl Caller<'_> {
    /// An error in the form that the client asks for.
    pub(crate) fn answer(&self, problem: &Problem) -> Response<Answer> {
        let status = problem.status();
        let as_problem = accept::names(self.headers, PROBLEM_JSON);
        let json = if as_problem {
            serde_json::to_vec(&ProblemDetails::of(problem, status, self.request_id))
        } else {
            serde_json::to_vec(&Envelope { error: Shape::of(problem, self.request_id) })
        };
        let mut response = Response::new(Answer::from(json.unwrap_or_default()));
        *response.status_mut() = status;
        let headers = response.headers_mut();
        let media = if as_problem { PROBLEM_JSON } else { "application/json" };
        headers.insert(CONTENT_TYPE, HeaderValue::from_static(media));
        headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
        if let Some(seconds) = retry_seconds(problem, status) {
            headers.insert(RETRY_AFTER, seconds.into());
        }
        if problem.replayed {
            headers.insert(IDEMPOTENT_REPLAYED, HeaderValue::from_static("true"));
        }
        if status == StatusCode::UNAUTHORIZED {
            headers.insert(WWW_AUTHENTICATE, HeaderValue::from_static(self.challenge(problem)));
        }
        response
    }

    /// An error for somebody of whom nothing is known.
    pub(crate) fn unknown(problem: &Problem, request_id: &str) -> Vec<u8> {
        serde_json::to_vec(&Envelope { error: Shape::of(problem, request_id) }).unwrap_or_default()
    }

    /// An error in both forms, the usual one first.
    pub(crate) fn both_forms(problem: &Problem, request_id: &str) -> [Value; 2] {
        let envelope = Envelope { error: Shape::of(problem, request_id) };
        let details = ProblemDetails::of(problem, problem.status(), request_id);
        [serde_json::to_value(envelope), serde_json::to_value(details)]
            .map(Result::unwrap_or_default)
    }

    /// RFC 6750, section 3: a client that sent no token learns only that it needs one.
    fn challenge(&self, problem: &Problem) -> &'static str {
        match problem.reason {
            Reason::Unauthenticated | Reason::TokenExpired
                if self.headers.contains_key(AUTHORIZATION) =>
            {
                r#"Bearer error="invalid_token""#
            }
            _ => "Bearer",
        }
    }
}

/// Whole seconds, rounded up: never too early.
fn retry_seconds(problem: &Problem, status: StatusCode) -> Option<u64> {
    let is_worth_it =
        matches!(status, StatusCode::SERVICE_UNAVAILABLE | StatusCode::TOO_MANY_REQUESTS)
            || problem.reason == Reason::InFlight;
    Some(whole_seconds(problem.retry_after.or(is_worth_it.then_some(Duration::ZERO))?))
}

/// As `Retry-After` has a delay: at least a second.
pub(crate) fn whole_seconds(delay: Duration) -> u64 {
    delay.as_millis().div_ceil(1000).max(1).try_into().unwrap_or(u64::MAX)
}

#[derive(Serialize)]
struct Envelope<'a> {
    error: Shape<'a>,
}

#[derive(Serialize)]
struct Shape<'a> {
    code: &'a str,
    message: &'a str,
    details: &'a [Detail],
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    metadata: &'a BTreeMap<String, String>,
    request_id: &'a str,
    docs_url: String,
}

impl<'a> Shape<'a> {
    fn of(problem: &'a Problem, request_id: &'a str) -> Self {
        Self {
            code: problem.code(),
            message: &problem.message,
            details: &problem.details,
            metadata: &problem.metadata,
            request_id,
            docs_url: problem.docs_url(),
        }
    }
}

/// RFC 9457, with the members of the other shape as extensions.
#[derive(Serialize)]
struct ProblemDetails<'a> {
    r#type: String,
    title: &'static str,
    status: u16,
    detail: &'a str,
    #[serde(flatten)]
    shape: Shape<'a>,
}

impl<'a> ProblemDetails<'a> {
    fn of(problem: &'a Problem, status: StatusCode, request_id: &'a str) -> Self {
        Self {
            r#type: problem.docs_url(),
            title: status.canonical_reason().unwrap_or_default(),
            status: status.as_u16(),
            detail: &problem.message,
            shape: Shape::of(problem, request_id),
        }
    }
}
