//! Everything that goes wrong, in the one shape that clients see.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::error::Error as _;
use std::sync::LazyLock;
use std::time::Duration;

use axum::body::Body;
use axum::response::{IntoResponse, Response};
use http::header::{CACHE_CONTROL, CONTENT_TYPE, RETRY_AFTER, WWW_AUTHENTICATE};
use http::{HeaderValue, StatusCode};
use serde::Serialize;
use souk_kit::failure::{DOMAIN, chain};
use souk_kit::request::Context;
use souk_proto::souk::types::v1::Reason;
use tonic::{Code, Status};
use tonic_types::StatusExt as _;

use crate::call::{IDEMPOTENT_REPLAYED, is_replayed};
use crate::front::Caller;
use crate::transcode::InputError;

/// Why a request gets no answer, until it is known in which form the client wants to hear it.
#[derive(Debug, Clone)]
pub(crate) struct Problem {
    reason: Reason,
    message: Cow<'static, str>,
    details: Vec<Detail>,
    metadata: BTreeMap<String, String>,
    retry_after: Option<Duration>,
    /// Whether the service had said so to an earlier call with the same idempotency key.
    replayed: bool,
}

/// A field and what is wrong with it.
#[derive(Debug, Clone, Serialize)]
struct Detail {
    field: String,
    issue: String,
}

impl Problem {
    /// A problem for a reason. The message is for people.
    pub(crate) fn new(reason: Reason, message: impl Into<Cow<'static, str>>) -> Self {
        Self {
            reason,
            message: message.into(),
            details: Vec::new(),
            metadata: BTreeMap::new(),
            retry_after: None,
            replayed: false,
        }
    }

    /// A fault of ours. What it is goes to the log, under the request id.
    pub(crate) fn internal(context: &Context, error: &str) -> Self {
        tracing::error!(request_id = context.request_id, error, "internal error");
        Self::new(Reason::Internal, "internal error")
    }

    /// A failed call.
    pub(crate) fn from_status(status: &Status, context: &Context) -> Self {
        let details = status.get_error_details();
        let known = details.error_info().filter(|info| info.domain == DOMAIN);
        let Some((info, reason)) =
            known.and_then(|info| Some((info, Reason::from_code(&info.reason)?)))
        else {
            return Self::from_foreign_status(status, context);
        };
        let mut problem = Self::new(reason, status.message().to_owned());
        problem.metadata = info.metadata.clone().into_iter().collect();
        problem.replayed = is_replayed(status.metadata());
        problem.retry_after = details.retry_info().and_then(|info| info.retry_delay);
        let violations = details.bad_request().map(|bad| bad.field_violations.as_slice());
        for violation in violations.unwrap_or_default() {
            problem.details.push(Detail {
                field: violation.field.clone(),
                issue: violation.description.clone(),
            });
        }
        problem
    }

    /// A status that no service of ours has made: the transport's. Its message is for the log only.
    fn from_foreign_status(status: &Status, context: &Context) -> Self {
        // tonic's word for a message over the limit of the service: the client's fault
        if status.code() == Code::OutOfRange {
            return Self::new(Reason::PayloadTooLarge, "the body is larger than the call takes");
        }
        let is_late = context.remaining().is_zero();
        // a status with a source is a connection that broke, not an answer
        let is_broken = status.source().is_some();
        let (reason, message) = match status.code() {
            Code::DeadlineExceeded => (Reason::DeadlineExceeded, LATE),
            // tonic's word for a deadline that it has enforced itself
            Code::Cancelled if is_late => (Reason::DeadlineExceeded, LATE),
            Code::Unavailable | Code::Cancelled => (Reason::Unavailable, UNREACHABLE),
            Code::Unknown | Code::Internal if is_broken => (Reason::Unavailable, UNREACHABLE),
            Code::ResourceExhausted => (Reason::Overloaded, "too many calls at once"),
            Code::Unimplemented => (Reason::Unimplemented, "this server does not serve the call"),
            _ => (Reason::Internal, "internal error"),
        };
        tracing::error!(
            request_id = context.request_id,
            code = ?status.code(),
            error = chain(status),
            "a call failed in the transport"
        );
        Self::new(reason, message)
    }

    /// The response, in the form that the client asks for.
    pub(crate) fn render(&self, caller: &Caller, context: &Context) -> Response {
        let status = status_of(self.reason);
        let json = if caller.wants_problem_json {
            serde_json::to_vec(&ProblemDetails::of(self, status, context))
        } else {
            serde_json::to_vec(&Envelope { error: Shape::of(self, context) })
        };
        let media = if caller.wants_problem_json { PROBLEM_JSON } else { "application/json" };
        let mut response = Response::new(Body::from(json.unwrap_or_default()));
        *response.status_mut() = status;
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static(media));
        headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
        if let Some(seconds) = self.retry_seconds(status) {
            headers.insert(RETRY_AFTER, seconds.into());
        }
        if self.replayed {
            headers.insert(IDEMPOTENT_REPLAYED, HeaderValue::from_static("true"));
        }
        if status == StatusCode::UNAUTHORIZED {
            headers.insert(WWW_AUTHENTICATE, HeaderValue::from_static(self.challenge(caller)));
        }
        response
    }

    /// Whole seconds, rounded up: never too early.
    fn retry_seconds(&self, status: StatusCode) -> Option<u64> {
        let is_worth_it =
            matches!(status, StatusCode::SERVICE_UNAVAILABLE | StatusCode::TOO_MANY_REQUESTS)
                || self.reason == Reason::InFlight;
        let delay = self.retry_after.or(is_worth_it.then_some(Duration::ZERO))?;
        Some(delay.as_millis().div_ceil(1000).max(1).try_into().unwrap_or(u64::MAX))
    }

    /// RFC 6750, section 3: a client that sent no token learns only that it needs one.
    fn challenge(&self, caller: &Caller) -> &'static str {
        match self.reason {
            Reason::Unauthenticated | Reason::TokenExpired if caller.sent_token => {
                r#"Bearer error="invalid_token""#
            }
            _ => "Bearer",
        }
    }
}

const LATE: &str = "the call took longer than its deadline";
const UNREACHABLE: &str = "a part of the system cannot be reached";
/// The media type of RFC 9457.
pub(crate) const PROBLEM_JSON: &str = "application/problem+json";

impl From<InputError> for Problem {
    fn from(error: InputError) -> Self {
        let mut problem = Self::new(Reason::MalformedRequest, error.to_string());
        if !error.field.is_empty() {
            problem.details.push(Detail { field: error.field, issue: error.issue.into_owned() });
        }
        problem
    }
}

/// On its way through axum a problem is an extension of an empty response: only the front knows
/// the form it must take.
impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let mut response = status_of(self.reason).into_response();
        response.extensions_mut().insert(self);
        response
    }
}

/// The HTTP status that the contract gives a reason.
pub(crate) fn status_of(reason: Reason) -> StatusCode {
    // worked out once: the contract is slow to ask
    static TABLE: LazyLock<Vec<(Reason, StatusCode)>> = LazyLock::new(|| {
        let status = |reason: Reason| StatusCode::from_u16(reason.http_status()).ok();
        let reasons = (0..).map_while(|number| Reason::try_from(number).ok());
        reasons.filter_map(|reason| Some((reason, status(reason)?))).collect()
    });
    let found = TABLE.iter().find(|(known, _)| *known == reason);
    found.map_or(StatusCode::INTERNAL_SERVER_ERROR, |(_, status)| *status)
}

/// The page that explains a reason.
pub(crate) fn docs_url(reason: Reason) -> String {
    format!("/docs/errors/{}", reason.code())
}

#[derive(Serialize)]
struct Envelope<'a> {
    error: Shape<'a>,
}

#[derive(Serialize)]
struct Shape<'a> {
    code: &'static str,
    message: &'a str,
    details: &'a [Detail],
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    metadata: &'a BTreeMap<String, String>,
    request_id: &'a str,
    docs_url: String,
}

impl<'a> Shape<'a> {
    fn of(problem: &'a Problem, context: &'a Context) -> Self {
        Self {
            code: problem.reason.code(),
            message: &problem.message,
            details: &problem.details,
            metadata: &problem.metadata,
            request_id: &context.request_id,
            docs_url: docs_url(problem.reason),
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
    fn of(problem: &'a Problem, status: StatusCode, context: &'a Context) -> Self {
        Self {
            r#type: docs_url(problem.reason),
            title: status.canonical_reason().unwrap_or_default(),
            status: status.as_u16(),
            detail: &problem.message,
            shape: Shape::of(problem, context),
        }
    }
}
