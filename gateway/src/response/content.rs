//! How the content of an answer is sent: not at all to a client that has it, or asks for its head only;
//! a part of it to one that asks for no more; compressed to one that takes that.

use std::io;

use http::header::{CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE, ETAG, TRANSFER_ENCODING};
use http::request::Parts;
use http::{HeaderValue, Method, Response, StatusCode};

use super::answer::Answer;
use super::caller::Caller;
use super::coding::Coding;
use super::{entity_tag, range};

/// Decides it. The content stays as it is when there is an error.
pub(crate) async fn settle(
    request: &Parts,
    caller: &Caller<'_>,
    response: &mut Response<Answer>,
) -> io::Result<()> {
    let part = range::asked(request, response);
    let is_read = matches!(request.method, Method::GET | Method::HEAD);
    let (status, length) = (response.status(), response.body().length());
    let chosen = length.filter(|_| part.is_none()).and_then(|length| {
        let length = usize::try_from(length).unwrap_or(usize::MAX);
        let coding = Coding::choose(&request.headers, status, response.headers_mut(), length)?;
        Some((coding, Coding::room(length)?))
    });
    let coding = chosen.as_ref().map(|(coding, _)| *coding);
    if let Some(coding) = coding {
        entity_tag::set_coding(response.headers_mut(), coding.name());
    }
    if is_read
        && status == StatusCode::OK
        && response.headers().contains_key(ETAG)
        && entity_tag::is_known(&request.headers, response.headers())
    {
        not_modified(response);
        return Ok(());
    }
    if let Some(part) = part {
        range::cut(response, &part, caller);
        return Ok(());
    }
    if request.method == Method::HEAD {
        head(response, coding);
        return Ok(());
    }
    let Some((coding, room)) = chosen else { return Ok(()) };
    let Some(content) = response.body_mut().whole() else { return Ok(()) };
    let encoded = coding.encode(content.clone(), room).await;
    if encoded.is_ok() {
        let headers = response.headers_mut();
        headers.insert(CONTENT_ENCODING, HeaderValue::from_static(coding.name()));
        // a router has said it of the content as it was
        headers.remove(CONTENT_LENGTH);
    }
    *response.body_mut() = encoded.as_ref().unwrap_or(&content).clone().into();
    encoded.map(drop)
}

/// The client has it already (RFC 9110, section 15.4.5).
fn not_modified(response: &mut Response<Answer>) {
    *response.status_mut() = StatusCode::NOT_MODIFIED;
    *response.body_mut() = Answer::empty();
    for name in [CONTENT_TYPE, CONTENT_LENGTH, CONTENT_ENCODING, TRANSFER_ENCODING] {
        response.headers_mut().remove(name);
    }
}

/// The answer to `HEAD` says how long the content would be (RFC 9110, section 9.3.2), where that is
/// known without compressing it.
fn head(response: &mut Response<Answer>, coding: Option<Coding>) {
    let length = response.body().length();
    *response.body_mut() = Answer::empty();
    let headers = response.headers_mut();
    match (coding, length) {
        (Some(coding), _) => {
            headers.insert(CONTENT_ENCODING, HeaderValue::from_static(coding.name()));
            headers.remove(CONTENT_LENGTH);
        }
        (None, Some(length)) if !headers.contains_key(CONTENT_LENGTH) => {
            headers.insert(CONTENT_LENGTH, length.into());
        }
        (None, _) => {}
    }
}
