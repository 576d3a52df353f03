//! Failed calls: a reason of the contract and its `google.rpc` details, on their way to a gRPC
//! status. Each service maps its own error enum to this, exhaustively.

use std::collections::{BTreeMap, HashMap};
use std::error::Error;
use std::time::Duration;

use prost::Message;
use prost_types::Any;
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
    metadata: BTreeMap<String, String>,
    // boxed: failures travel in results, and most calls do not fail
    details: Box<ErrorDetails>,
}

impl Failure {
    /// A failure for a reason. The message is for people: lowercase, and without internals.
    pub fn new(reason: Reason, message: impl Into<String>) -> Self {
        Self { reason, message: message.into(), metadata: BTreeMap::new(), details: Box::default() }
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

    /// More than there is room for; worth another try.
    pub fn overloaded(message: impl Into<String>) -> Self {
        Self::new(Reason::Overloaded, message).retry_after(Duration::from_secs(1))
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
        let Failure { reason, message, metadata, details } = failure;
        let code = code_of(reason);
        let others = Self::with_error_details(code, message.as_str(), *details);
        let info =
            ErrorInfo { reason: reason.code().to_owned(), domain: DOMAIN.to_owned(), metadata };
        // encoded messages that follow each other are one
        let mut details = others.details().to_vec();
        details.extend(info.as_detail().encode_to_vec());
        Self::with_details(code, message, details.into())
    }
}

/// `google.rpc.ErrorInfo` with its metadata in the order of their names, which those of a hash map have
/// not: the same failure has the same bytes, first told or told again.
#[derive(Clone, PartialEq, Message)]
struct ErrorInfo {
    #[prost(string, tag = "1")]
    reason: String,
    #[prost(string, tag = "2")]
    domain: String,
    #[prost(btree_map = "string, string", tag = "3")]
    metadata: BTreeMap<String, String>,
}

impl ErrorInfo {
    fn as_detail(&self) -> tonic_types::Status {
        let type_url = tonic_types::ErrorInfo::TYPE_URL.to_owned();
        let details = vec![Any { type_url, value: self.encode_to_vec() }];
        tonic_types::Status { details, ..tonic_types::Status::default() }
    }
}

/// Why a call has failed, as a service of ours tells it: the reason, and facts for programs. `None` for what comes from
/// elsewhere, as from a connection that was lost.
pub fn told(status: &Status) -> Option<(String, HashMap<String, String>)> {
    let info = status.get_details_error_info().filter(|info| info.domain == DOMAIN)?;
    Some((info.reason, info.metadata))
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
    message.validate().map_err(violations)
}

/// The failure of a request that breaks rules.
pub fn violations(broken: Vec<Violation>) -> Failure {
    let message = match broken.as_slice() {
        [Violation { field, issue }] => format!("{field} {issue}"),
        many => format!("{} fields break a rule of the contract", many.len()),
    };
    broken.into_iter().fold(Failure::new(Reason::ValidationFailed, message), |failure, broken| {
        failure.violation(broken.field, broken.issue)
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
        | Reason::UnsupportedMediaType
        | Reason::NotAcceptable => Code::InvalidArgument,
        Reason::Unauthenticated | Reason::TokenExpired | Reason::InvalidCredentials => {
            Code::Unauthenticated
        }
        Reason::PermissionDenied => Code::PermissionDenied,
        Reason::NotFound => Code::NotFound,
        Reason::RouteNotFound | Reason::MethodNotAllowed | Reason::Unimplemented => {
            Code::Unimplemented
        }
        Reason::AlreadyExists => Code::AlreadyExists,
        Reason::OutOfStock
        | Reason::IllegalTransition
        | Reason::InsufficientStock
        | Reason::InUse
        | Reason::StockMismatch
        | Reason::RefundTooLarge
        | Reason::LimitReached => Code::FailedPrecondition,
        Reason::InFlight | Reason::EtagMismatch => Code::Aborted,
        Reason::RangeNotSatisfiable | Reason::EventsForgotten => Code::OutOfRange,
        Reason::PayloadTooLarge
        | Reason::HeadersTooLarge
        | Reason::Overloaded
        | Reason::RateLimited => Code::ResourceExhausted,
        Reason::Unavailable => Code::Unavailable,
        Reason::DeadlineExceeded => Code::DeadlineExceeded,
        Reason::Unspecified | Reason::Internal => Code::Internal,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failure_has_the_same_details_each_time_it_is_told() {
        let failure = || {
            ["order_id", "product_id", "requested", "available"].iter().fold(
                Failure::not_found("order", "ord_1").retry_after(Duration::from_secs(1)),
                |failure, name| failure.with(name, name.len()),
            )
        };
        let first = Status::from(failure());
        for _ in 0..20 {
            assert_eq!(Status::from(failure()).details(), first.details());
        }
        let info = first.get_details_error_info().unwrap();
        assert_eq!((info.reason.as_str(), info.domain.as_str()), ("NOT_FOUND", DOMAIN));
        assert_eq!(info.metadata["requested"], "9");
        assert_eq!(first.get_details_resource_info().unwrap().resource_name, "ord_1");
        assert!(first.get_details_retry_info().is_some());
        assert_eq!(told(&first).unwrap().0, "NOT_FOUND");
        assert_eq!(told(&Status::unavailable("the connection is lost")), None);
    }
}
