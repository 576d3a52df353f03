//! The answer to a call that has succeeded.

use bytes::Bytes;
use http::header::{ACCEPT_RANGES, AGE, CONTENT_TYPE, ETAG, LINK, LOCATION};
use http::{HeaderMap, HeaderValue, Response, StatusCode, Uri};
use souk_kit::request::{HTTP_STATUS, IDEMPOTENT_REPLAYED};
use tonic::metadata::MetadataMap;

use crate::cache::Age;
use crate::errors::problem::is_replayed;
use crate::request::media;
use crate::response::accept::Accepted;
use crate::response::answer::Answer;
use crate::response::{entity_tag, prefer};
use crate::routing::Route;
use crate::transcode::{HttpBody, Plans, Selection, WireError};

/// What of a request shapes its answer.
pub(crate) struct Wishes<'a> {
    pub uri: &'a Uri,
    pub accepted: Accepted,
    /// The fields that are wanted; `None` is all of them.
    pub selection: Option<&'a Selection>,
    /// Whether the content can be left out.
    pub minimal: bool,
}

/// One message as JSON, or as the bytes that it has.
///
/// # Errors
///
/// The message is not what its contract says.
pub(crate) fn unary(
    plans: &Plans,
    route: &Route,
    wishes: &Wishes<'_>,
    answer: &tonic::Response<Bytes>,
) -> Result<Response<Answer>, WireError> {
    let wire = answer.get_ref();
    let mut response = Response::new(Answer::empty());
    *response.status_mut() = chosen_status(answer.metadata()).unwrap_or(route.success);
    let headers = response.headers_mut();
    headers.extend(route.headers.iter().cloned());
    if let Some(location) = route.location.as_ref().and_then(|location| location.render(wire)) {
        headers.insert(LOCATION, location);
    }
    if let Some(Age(age)) = answer.extensions().get() {
        headers.insert(AGE, age.as_secs().into());
    }
    if is_replayed(answer.metadata()) {
        headers.insert(IDEMPOTENT_REPLAYED, HeaderValue::from_static("true"));
    }
    if response.status() == StatusCode::NO_CONTENT {
        return Ok(response);
    }
    let headers = response.headers_mut();
    let (media, content) = if route.gives_bytes {
        let body = bytes(plans, route, wire)?;
        headers.insert(ACCEPT_RANGES, HeaderValue::from_static("bytes"));
        (media_type(&body), body.data)
    } else {
        (wishes.accepted.content_type(), content(plans, route, wishes, wire, headers)?.into())
    };
    let version = route.version.as_ref().and_then(|version| version.text(wire));
    if let Some(tag) = version.and_then(|version| entity_tag::of(version, &media, &content)) {
        headers.insert(ETAG, tag);
    }
    headers.insert(CONTENT_TYPE, media);
    *response.body_mut() = content.into();
    if wishes.minimal {
        prefer::apply(&mut response);
    }
    Ok(response)
}

/// The JSON of a message, and what the headers say of it.
fn content(
    plans: &Plans,
    route: &Route,
    wishes: &Wishes<'_>,
    wire: &[u8],
    headers: &mut HeaderMap,
) -> Result<Vec<u8>, WireError> {
    let mut json = json(plans, route, wishes.selection, wire)?;
    if let Some(paging) = &route.paging {
        let links = paging.links(wishes.uri, wire);
        if let Some(links) = links.header() {
            // beside that to a successor
            headers.append(LINK, links);
        }
        if paging.is_in_body() {
            links.append(&mut json);
        }
    }
    Ok(json)
}

/// The bytes that a message has, or the field of it that the route names.
///
/// # Errors
///
/// The message is not what its contract says.
pub(crate) fn bytes(plans: &Plans, route: &Route, wire: &Bytes) -> Result<HttpBody, WireError> {
    match &route.response_body {
        None => HttpBody::from_wire(wire),
        Some(field) => plans.http_body_of_field(route.output, field, wire),
    }
}

/// What the service says that its bytes are.
pub(crate) fn media_type(body: &HttpBody) -> HeaderValue {
    let told = Some(body.content_type.clone()).filter(|told| !told.is_empty());
    let told = told.and_then(|told| HeaderValue::from_maybe_shared(told).ok());
    told.unwrap_or(HeaderValue::from_static(media::UNKNOWN))
}

/// The JSON of a message, or of the field of it that the route names.
///
/// # Errors
///
/// The message is not what its contract says.
pub(crate) fn json(
    plans: &Plans,
    route: &Route,
    selection: Option<&Selection>,
    wire: &[u8],
) -> Result<Vec<u8>, WireError> {
    let mut json = Vec::new();
    match (&route.response_body, selection) {
        (None, None) => plans.wire_to_json(route.output, wire, &mut json)?,
        (None, Some(selection)) => plans.wire_to_json_selected(selection, wire, &mut json)?,
        (Some(field), None) => plans.field_to_json(route.output, field, wire, &mut json)?,
        (Some(field), Some(selection)) => {
            plans.field_to_json_selected(selection, field, wire, &mut json)?;
        }
    }
    Ok(json)
}

/// The status that the service has chosen, if it means success.
fn chosen_status(metadata: &MetadataMap) -> Option<StatusCode> {
    let code = metadata.get(HTTP_STATUS.as_str())?;
    StatusCode::from_bytes(code.as_bytes()).ok().filter(StatusCode::is_success)
}
