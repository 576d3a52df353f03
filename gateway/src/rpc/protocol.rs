//! The protocols, and how messages are written in each.

use std::time::Duration;

use bytes::Bytes;
use http::header::CONTENT_TYPE;
use http::{HeaderMap, Response};
use souk_kit::frame::HEADER;
use souk_kit::request::{GRPC_TIMEOUT, parse_timeout};
use souk_proto::souk::types::v1::Reason;
use tonic::Status;

use super::{connect, grpc_web};
use crate::errors::problem::Problem;
use crate::request::media::{essence, is_encoded};
use crate::response::answer::Answer;

/// A protocol, and how it writes messages.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Protocol {
    ConnectJson,
    ConnectProto,
    GrpcWeb,
    /// The same as base64, for browsers that cannot read bytes as they come.
    GrpcWebText,
}

impl Protocol {
    /// What a client speaks.
    ///
    /// # Errors
    ///
    /// Something else.
    pub(crate) fn of(headers: &HeaderMap) -> Result<Self, Problem> {
        match headers.get(CONTENT_TYPE).map(essence).unwrap_or_default().as_str() {
            "application/json" => Ok(Self::ConnectJson),
            "application/proto" => Ok(Self::ConnectProto),
            "application/grpc-web" | "application/grpc-web+proto" => Ok(Self::GrpcWeb),
            "application/grpc-web-text" | "application/grpc-web-text+proto" => {
                Ok(Self::GrpcWebText)
            }
            _ => Err(Problem::new(
                Reason::UnsupportedMediaType,
                "the content type must be application/json or application/proto (connect), or \
                 application/grpc-web or application/grpc-web-text",
            )),
        }
    }

    /// As `Content-Type` has it.
    pub(super) fn media(self) -> &'static str {
        match self {
            Self::ConnectJson => "application/json",
            Self::ConnectProto => "application/proto",
            Self::GrpcWeb => "application/grpc-web+proto",
            Self::GrpcWebText => "application/grpc-web-text+proto",
        }
    }

    pub(super) fn is_json(self) -> bool {
        self == Self::ConnectJson
    }

    /// How large the body of a message of so many bytes can be.
    pub(super) fn most(self, message: usize) -> usize {
        let framed = message.saturating_add(HEADER);
        match self {
            Self::ConnectJson | Self::ConnectProto => message,
            Self::GrpcWeb => framed,
            Self::GrpcWebText => framed.div_ceil(3).saturating_mul(4),
        }
    }

    /// The message in a body.
    pub(super) fn message(self, body: Bytes, most: usize) -> Result<Bytes, Status> {
        match self {
            Self::ConnectJson | Self::ConnectProto => Ok(body),
            Self::GrpcWeb => grpc_web::message(body, most),
            Self::GrpcWebText => grpc_web::message(grpc_web::from_text(&body)?, most),
        }
    }

    /// How long the client waits.
    pub(super) fn limit(self, headers: &HeaderMap) -> Option<Duration> {
        match self {
            Self::ConnectJson | Self::ConnectProto => connect::limit(headers),
            Self::GrpcWeb | Self::GrpcWebText => parse_timeout(headers.get(GRPC_TIMEOUT)?),
        }
    }

    /// The response for what has become of a call.
    pub(crate) fn response(
        self,
        answer: Result<tonic::Response<Bytes>, Status>,
    ) -> Response<Answer> {
        match self {
            Self::ConnectJson | Self::ConnectProto => connect::response(self.media(), answer),
            Self::GrpcWeb => grpc_web::response(self.media(), false, answer),
            Self::GrpcWebText => grpc_web::response(self.media(), true, answer),
        }
    }
}

/// Both protocols say `unimplemented` of a coding that is not known.
pub(super) fn refuse_encoded(headers: &HeaderMap) -> Result<(), Status> {
    if is_encoded(headers) {
        return Err(Status::unimplemented("a compressed message is not supported"));
    }
    Ok(())
}
