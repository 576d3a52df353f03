//! Failed calls: a reason of the contract and its `google.rpc` details, on their way to a gRPC
//! status. Each service maps its own error enum to this, exhaustively.

use std::collections::HashMap;
use std::error::Error;
use std::time::Duration;

pub use souk_proto::ERROR_DOMAIN as DOMAIN;
use souk_proto::souk::types::v1::Reason;
use souk_proto::{Validate, Violation};
use tonic::{Code, Status};
use tonic_types::{ErrorDetails, StatusExt as _};

/// No more characters of what a caller has sent are repeated to them.
const MAX_REPEATED: usize = 64;

/// Why a call failed, as the caller may know it.
#[derive(Debug, Clone)]
pub struct Failure {
    reason: Reason,
    message: String,
    metadata: HashMap<String, String>,
    // boxed: failures travel in results, and most calls do not fail
    details: Box<ErrorDetails>,
}

impl Failure {
    /// A failure for a reason. The message is for people: lowercase, and without internals.
    pub fn new(reason: Reason, message: impl Into<String>) -> Self {
        Self { reason, message: message.into(), metadata: HashMap::new(), details: Box::default() }
    }

    /// Input that breaks one rule.
    pub fn invalid(field: impl Into<String>, issue: impl Into<String>) -> Self {
        Self::new(Reason::ValidationFailed, "the request breaks a rule of the contract")
            .violation(field, issue)
    }

    /// Something that does not exist, or is somebody else's.
    pub fn not_found(kind: &'static str, id: impl ToString) -> Self {
        let id = shortened(&id.to_string());
        let mut failure = Self::new(Reason::NotFound, format!("{kind} {id} not found"));
        failure.details.set_resource_info(kind, id, "", "does not exist");
        failure
    }

    /// A part of the system that cannot be reached; worth another try.
    pub fn unavailable(message: impl Into<String>) -> Self {
        Self::new(Reason::Unavailable, message).retry_after(Duration::from_secs(1))
    }

    /// A fault of ours. The chain of causes goes to the log, once; the caller learns nothing of it.
    pub fn internal(error: &(dyn Error + 'static)) -> Self {
        tracing::error!(error = chain(error), "internal error");
        Self::new(Reason::Internal, "internal error")
    }

    /// Adds a field and the rule it breaks.
    #[must_use]
    pub fn violation(mut self, field: impl Into<String>, issue: impl Into<String>) -> Self {
        self.details.add_bad_request_violation(field, issue);
        self
    }

    /// Adds a fact for programs.
    #[must_use]
    pub fn with(mut self, key: &str, value: impl ToString) -> Self {
        self.metadata.insert(key.to_owned(), value.to_string());
        self
    }

    /// Says when another try makes sense.
    #[must_use]
    pub fn retry_after(mut self, delay: Duration) -> Self {
        self.details.set_retry_info(Some(delay));
        self
    }

    /// Says which state forbids the call.
    #[must_use]
    pub fn precondition(mut self, kind: &str, subject: impl ToString, why: &str) -> Self {
        self.details.add_precondition_failure_violation(kind, subject.to_string(), why);
        self
    }
}

impl From<Failure> for Status {
    fn from(failure: Failure) -> Self {
        let Failure { reason, message, metadata, mut details } = failure;
        details.set_error_info(reason.code(), DOMAIN, metadata);
        Self::with_error_details(code_of(reason), message, *details)
    }
}

/// What somebody has sent, as far as it is repeated to them: it may be of any length.
pub fn shortened(text: &str) -> String {
    match text.char_indices().nth(MAX_REPEATED) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}

/// An error with all its causes, for the log.
pub fn chain(error: &(dyn Error + 'static)) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text.push_str(": ");
        text.push_str(&cause.to_string());
        source = cause.source();
    }
    text
}

/// Checks a message against the rules of its contract.
///
/// # Errors
///
/// A failure that names every field that breaks a rule.
pub fn validate(message: &impl Validate) -> Result<(), Failure> {
    message.validate().map_err(|violations| {
        let message = match violations.as_slice() {
            [Violation { field, issue }] => format!("{field} {issue}"),
            many => format!("{} fields break a rule of the contract", many.len()),
        };
        violations
            .into_iter()
            .fold(Failure::new(Reason::ValidationFailed, message), |failure, violation| {
                failure.violation(violation.field, violation.issue)
            })
    })
}

/// The gRPC code of a reason.
fn code_of(reason: Reason) -> Code {
    match reason {
        Reason::MalformedRequest
        | Reason::ValidationFailed
        | Reason::CursorInvalid
        | Reason::IdempotencyKeyMissing
        | Reason::IdempotencyKeyReused
        | Reason::UnsupportedMediaType => Code::InvalidArgument,
        Reason::Unauthenticated | Reason::TokenExpired | Reason::InvalidCredentials => {
            Code::Unauthenticated
        }
        Reason::PermissionDenied => Code::PermissionDenied,
        Reason::NotFound => Code::NotFound,
        Reason::RouteNotFound | Reason::MethodNotAllowed | Reason::Unimplemented => {
            Code::Unimplemented
        }
        Reason::AlreadyExists => Code::AlreadyExists,
        Reason::OutOfStock | Reason::IllegalTransition | Reason::InsufficientStock => {
            Code::FailedPrecondition
        }
        Reason::InFlight => Code::Aborted,
        Reason::PayloadTooLarge | Reason::HeadersTooLarge | Reason::Overloaded => {
            Code::ResourceExhausted
        }
        Reason::Unavailable => Code::Unavailable,
        Reason::DeadlineExceeded => Code::DeadlineExceeded,
        Reason::Unspecified | Reason::Internal => Code::Internal,
    }
}
