//! Everything that goes wrong, until it is known in which form the client wants to hear it.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::error::Error as _;
use std::sync::LazyLock;
use std::time::Duration;

use axum::response::{IntoResponse, Response};
use http::StatusCode;
use serde::Serialize;
use souk_kit::failure::{DOMAIN, chain};
use souk_kit::request::{Context, IDEMPOTENT_REPLAYED};
use souk_kit::{Failure, body};
use souk_proto::souk::types::v1::Reason;
use tonic::metadata::MetadataMap;
use tonic::{Code, Status};
use tonic_types::{ErrorDetails, ErrorInfo, StatusExt as _};

use crate::transcode::InputError;

/// Why a request gets no answer.
#[derive(Debug, Clone)]
pub(crate) struct Problem {
    pub reason: Reason,
    /// How a service of others calls it, where one has said so.
    pub foreign: Option<Box<Foreign>>,
    pub message: Cow<'static, str>,
    pub details: Vec<Detail>,
    pub metadata: BTreeMap<String, String>,
    pub retry_after: Option<Duration>,
    /// Whether the service had said so to an earlier call with the same idempotency key.
    pub replayed: bool,
}

/// A failure that has a code of its own.
#[derive(Debug, Clone)]
pub(crate) struct Foreign {
    pub code: String,
    /// The name of its gRPC status, which has a page.
    pub grpc: &'static str,
    pub status: StatusCode,
}

/// A field and what is wrong with it.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Detail {
    pub field: String,
    pub issue: String,
}

impl Problem {
    /// A problem for a reason. The message is for people.
    pub(crate) fn new(reason: Reason, message: impl Into<Cow<'static, str>>) -> Self {
        Self {
            reason,
            foreign: None,
            message: message.into(),
            details: Vec::new(),
            metadata: BTreeMap::new(),
            retry_after: None,
            replayed: false,
        }
    }

    /// A fault of ours. What it is goes to the log, under the request id.
    pub(crate) fn internal(context: &Context, error: &str) -> Self {
        tracing::error!(request_id = &*context.request_id, error, "internal error");
        Self::new(Reason::Internal, "internal error")
    }

    /// A refusal of our own, as a service would have made it.
    pub(crate) fn from_failure(failure: Failure, context: &Context) -> Self {
        Self::from_status(&Status::from(failure), context)
    }

    /// A failed call.
    pub(crate) fn from_status(status: &Status, context: &Context) -> Self {
        let details = status.get_error_details();
        let Some((reason, info)) = told(&details) else {
            return Self::from_transport(status, context);
        };
        let mut problem = Self::new(reason, status.message().to_owned());
        problem.metadata = info.metadata.clone().into_iter().collect();
        problem.replayed = is_replayed(status.metadata());
        problem.take_details(&details);
        problem
    }

    /// Takes what is told of a failure besides its reason.
    pub(crate) fn take_details(&mut self, details: &ErrorDetails) {
        self.retry_after = details.retry_info().and_then(|info| info.retry_delay);
        let violations = details.bad_request().map(|bad| bad.field_violations.as_slice());
        self.details.extend(violations.unwrap_or_default().iter().map(|violation| Detail {
            field: violation.field.clone(),
            issue: violation.description.clone(),
        }));
    }

    /// How the client knows it.
    pub(crate) fn code(&self) -> &str {
        self.foreign.as_ref().map_or(self.reason.code(), |foreign| &foreign.code)
    }

    /// The status of the response.
    pub(crate) fn status(&self) -> StatusCode {
        self.foreign.as_ref().map_or_else(|| status_of(self.reason), |foreign| foreign.status)
    }

    /// The page that explains it.
    pub(crate) fn docs_url(&self) -> String {
        docs_url(self.foreign.as_ref().map_or(self.reason.code(), |foreign| foreign.grpc))
    }

    /// A status that no service has made: the transport's. Its message is for the log only.
    pub(crate) fn from_transport(status: &Status, context: &Context) -> Self {
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
            request_id = &*context.request_id,
            code = ?status.code(),
            error = chain(status),
            "a call failed in the transport"
        );
        Self::new(reason, message)
    }
}

/// The reason that a service of ours has given.
pub(crate) fn told(details: &ErrorDetails) -> Option<(Reason, &ErrorInfo)> {
    let info = details.error_info().filter(|info| info.domain == DOMAIN)?;
    Some((Reason::from_code(&info.reason)?, info))
}

/// As a service would have told it.
impl From<Problem> for Status {
    fn from(problem: Problem) -> Self {
        let Problem { reason, message, details, metadata, retry_after, .. } = problem;
        let mut failure = Failure::new(reason, message);
        for Detail { field, issue } in details {
            failure = failure.violation(field, issue);
        }
        for (key, value) in metadata {
            failure = failure.with(&key, value);
        }
        if let Some(delay) = retry_after {
            failure = failure.retry_after(delay);
        }
        failure.into()
    }
}

/// What is said of every call that took too long, whoever stopped it.
pub(crate) const LATE: &str = "the call took longer than its deadline";
const UNREACHABLE: &str = "a part of the system cannot be reached";

/// Whether the answer is that of an earlier call with the same idempotency key.
pub(crate) fn is_replayed(metadata: &MetadataMap) -> bool {
    metadata.get(IDEMPOTENT_REPLAYED.as_str()).is_some_and(|replayed| replayed == "true")
}

impl From<body::Error> for Problem {
    fn from(error: body::Error) -> Self {
        let reason = match error {
            body::Error::TooLarge(_) => Reason::PayloadTooLarge,
            body::Error::Broken | body::Error::Stalled => Reason::MalformedRequest,
            body::Error::NoRoom => Reason::Overloaded,
        };
        Self::new(reason, error.to_string())
    }
}

impl From<InputError> for Problem {
    fn from(error: InputError) -> Self {
        let mut problem = Self::new(Reason::MalformedRequest, error.to_string());
        if !error.field.is_empty() {
            problem.details.push(Detail { field: error.field, issue: error.issue.into_owned() });
        }
        problem
    }
}

/// On its way through axum a problem is an extension of an empty response: only the edge knows
/// the form it must take.
impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let mut response = self.status().into_response();
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

/// The page that explains a reason, or a gRPC status.
pub(crate) fn docs_url(code: &str) -> String {
    format!("/docs/errors/{code}")
}
