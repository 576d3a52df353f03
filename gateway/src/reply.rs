//! The answer to a call that has succeeded.

use bytes::Bytes;
use http::header::{CACHE_CONTROL, CONTENT_TYPE, LOCATION};
use http::{HeaderValue, Response, StatusCode};
use souk_kit::request::{HTTP_STATUS, IDEMPOTENT_REPLAYED};
use tonic::metadata::MetadataMap;

use crate::answer::Answer;
use crate::problem::is_replayed;
use crate::routing::Route;
use crate::transcode::{Plans, WireError};

/// One message as JSON.
///
/// # Errors
///
/// The message is not what its contract says.
pub(crate) fn unary(
    plans: &Plans,
    route: &Route,
    answer: &tonic::Response<Bytes>,
) -> Result<Response<Answer>, WireError> {
    let status = chosen_status(answer.metadata()).unwrap_or(route.success);
    let mut response = Response::new(Answer::empty());
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(CACHE_CONTROL, route.cache_control.clone());
    let location = route.location.as_ref();
    if let Some(location) = location.and_then(|location| location.render(answer.get_ref())) {
        headers.insert(LOCATION, location);
    }
    if is_replayed(answer.metadata()) {
        headers.insert(IDEMPOTENT_REPLAYED, HeaderValue::from_static("true"));
    }
    if status != StatusCode::NO_CONTENT {
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        let mut json = Vec::new();
        plans.wire_to_json(route.output, answer.get_ref(), &mut json)?;
        *response.body_mut() = json.into();
    }
    Ok(response)
}

/// The status that the service has chosen, if it means success.
fn chosen_status(metadata: &MetadataMap) -> Option<StatusCode> {
    let code = metadata.get(HTTP_STATUS.as_str())?;
    StatusCode::from_bytes(code.as_bytes()).ok().filter(StatusCode::is_success)
}
