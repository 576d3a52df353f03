//! Failures of services that are not of this build: all they promise is a gRPC status.

use std::error::Error as _;

use prost::Message as _;
use souk_kit::request::Context;
use souk_proto::souk::types::v1::Reason;
use tonic::{Code, Status};
use tonic_types::StatusExt as _;

use super::problem::{Foreign, Problem};
use super::status;

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
    let name = status::name(code);
    let mut problem = Problem::new(nearest(code), message);
    let foreign = Foreign { code: name.to_owned(), grpc: name, status: status::of(code) };
    problem.foreign = Some(Box::new(foreign));
    problem
}

/// Which of our reasons is nearest to a code: it decides about headers.
fn nearest(code: Code) -> Reason {
    match code {
        Code::Ok | Code::Unknown | Code::Internal | Code::DataLoss => Reason::Internal,
        Code::Cancelled | Code::Unavailable => Reason::Unavailable,
        Code::InvalidArgument | Code::FailedPrecondition | Code::OutOfRange => {
            Reason::MalformedRequest
        }
        Code::DeadlineExceeded => Reason::DeadlineExceeded,
        Code::NotFound => Reason::NotFound,
        Code::AlreadyExists | Code::Aborted => Reason::AlreadyExists,
        Code::PermissionDenied => Reason::PermissionDenied,
        Code::ResourceExhausted => Reason::Overloaded,
        Code::Unimplemented => Reason::Unimplemented,
        Code::Unauthenticated => Reason::Unauthenticated,
    }
}
