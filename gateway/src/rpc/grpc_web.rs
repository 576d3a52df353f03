//! gRPC-Web: the frames of gRPC in a body, with the trailers as the last of them, as they are or in
//! base64 (github.com/grpc/grpc, doc/PROTOCOL-WEB.md).

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::{BufMut as _, Bytes};
use http::header::CONTENT_TYPE;
use http::{HeaderMap, HeaderValue, Response};
use souk_kit::Failure;
use souk_kit::frame::{self, HEADER};
use souk_kit::request::IDEMPOTENT_REPLAYED;
use souk_proto::souk::types::v1::Reason;
use tonic::Status;

use crate::errors::problem::is_replayed;
use crate::response::answer::Answer;

/// What is in a frame.
const MESSAGE: u8 = 0;
const TRAILERS: u8 = 0x80;

/// The message in a body.
pub(super) fn message(body: Bytes, most: usize) -> Result<Bytes, Status> {
    frame::check_single(&body, most)?;
    Ok(body.slice(HEADER..))
}

/// The body that base64 stands for.
pub(super) fn from_text(body: &[u8]) -> Result<Bytes, Status> {
    let decoded = STANDARD.decode(body.trim_ascii());
    let malformed = |_| Failure::new(Reason::MalformedRequest, "the body is not base64");
    Ok(decoded.map_err(malformed)?.into())
}

/// The response for what has become of a call, of this media type.
pub(super) fn response(
    media: &'static str,
    is_text: bool,
    answer: Result<tonic::Response<Bytes>, Status>,
) -> Response<Answer> {
    let mut body = Vec::new();
    let (status, replayed) = match answer {
        Ok(answer) => {
            put_frame(&mut body, MESSAGE, answer.get_ref());
            (Status::ok(""), is_replayed(answer.metadata()))
        }
        Err(status) => {
            let replayed = is_replayed(status.metadata());
            (status, replayed)
        }
    };
    put_frame(&mut body, TRAILERS, &trailers(status.into_http::<()>().headers()));
    if is_text {
        body = STANDARD.encode(body).into_bytes();
    }
    let mut response = Response::new(body.into());
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(media));
    if replayed {
        headers.insert(IDEMPOTENT_REPLAYED, HeaderValue::from_static("true"));
    }
    response
}

/// The trailers as HTTP/1 writes headers.
fn trailers(headers: &HeaderMap) -> Vec<u8> {
    let mut text = Vec::new();
    for (name, value) in headers {
        if name.as_str().starts_with("grpc-") {
            text.extend_from_slice(name.as_str().as_bytes());
            text.extend_from_slice(b": ");
            text.extend_from_slice(value.as_bytes());
            text.extend_from_slice(b"\r\n");
        }
    }
    text
}

fn put_frame(body: &mut Vec<u8>, kind: u8, content: &[u8]) {
    body.put_u8(kind);
    body.put_u32(u32::try_from(content.len()).unwrap_or(u32::MAX));
    body.extend_from_slice(content);
}
