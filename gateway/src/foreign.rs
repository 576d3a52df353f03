//! Failures of services that are not of this build: all they promise is a gRPC status.

use std::error::Error as _;

use http::StatusCode;
use prost::Message as _;
use souk_kit::request::Context;
use souk_proto::souk::types::v1::Reason;
use tonic::{Code, Status};
use tonic_types::StatusExt as _;

use crate::problem::{Foreign, Problem};

/// Whether a status is what such a service has told the caller. What it calls its own fault is for the
/// log only.
pub(crate) fn is_told(status: &Status, context: &Context) -> bool {
    let is_fault = matches!(status.code(), Code::Unknown | Code::Internal | Code::DataLoss);
    // a status with a source is a connection that broke, not an answer
    !is_fault && status.source().is_none() && !context.remaining().is_zero()
}

/// The same without what only its developers should see: `google.rpc.DebugInfo`.
pub(crate) fn without_internals(status: Status) -> Status {
    let Ok(mut told) = tonic_types::Status::decode(status.details()) else {
        return Status::new(status.code(), status.message());
    };
    told.details.retain(|detail| !detail.type_url.ends_with("/google.rpc.DebugInfo"));
    Status::with_details(status.code(), status.message(), told.encode_to_vec().into())
}

/// A failed call of such a service.
pub(crate) fn problem(status: &Status, context: &Context) -> Problem {
    if !is_told(status, context) {
        return Problem::from_transport(status, context);
    }
    let mut problem = with_status(status.code(), status.message().to_owned());
    let details = status.get_error_details();
    if let Some(info) = details.error_info() {
        problem.foreign.iter_mut().for_each(|foreign| foreign.code.clone_from(&info.reason));
        problem.metadata = info.metadata.clone().into_iter().collect();
    }
    problem.take_details(&details);
    problem
}

/// A failure of which no more is known than its status.
pub(crate) fn with_status(code: Code, message: String) -> Problem {
    let (name, http, reason) = meaning(code);
    let mut problem = Problem::new(reason, message);
    problem.foreign = Some(Box::new(Foreign {
        code: name.to_owned(),
        grpc: name,
        status: StatusCode::from_u16(http).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR),
    }));
    problem
}

/// The name of a code.
pub(crate) fn name(code: Code) -> &'static str {
    meaning(code).0
}

/// The name of a code, its HTTP status (`google/rpc/code.proto`), and which of our reasons is nearest: it
/// decides about headers.
fn meaning(code: Code) -> (&'static str, u16, Reason) {
    match code {
        Code::Ok => ("OK", 500, Reason::Internal),
        Code::Cancelled => ("CANCELLED", 499, Reason::Unavailable),
        Code::Unknown => ("UNKNOWN", 500, Reason::Internal),
        Code::InvalidArgument => ("INVALID_ARGUMENT", 400, Reason::MalformedRequest),
        Code::DeadlineExceeded => ("DEADLINE_EXCEEDED", 504, Reason::DeadlineExceeded),
        Code::NotFound => ("NOT_FOUND", 404, Reason::NotFound),
        Code::AlreadyExists => ("ALREADY_EXISTS", 409, Reason::AlreadyExists),
        Code::PermissionDenied => ("PERMISSION_DENIED", 403, Reason::PermissionDenied),
        Code::ResourceExhausted => ("RESOURCE_EXHAUSTED", 429, Reason::Overloaded),
        Code::FailedPrecondition => ("FAILED_PRECONDITION", 400, Reason::MalformedRequest),
        Code::Aborted => ("ABORTED", 409, Reason::AlreadyExists),
        Code::OutOfRange => ("OUT_OF_RANGE", 400, Reason::MalformedRequest),
        Code::Unimplemented => ("UNIMPLEMENTED", 501, Reason::Unimplemented),
        Code::Internal => ("INTERNAL", 500, Reason::Internal),
        Code::Unavailable => ("UNAVAILABLE", 503, Reason::Unavailable),
        Code::DataLoss => ("DATA_LOSS", 500, Reason::Internal),
        Code::Unauthenticated => ("UNAUTHENTICATED", 401, Reason::Unauthenticated),
    }
}
