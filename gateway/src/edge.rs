//! Where every request comes in and every response goes out: the request id, the deadline, the
//! form of errors, and what no handler may forget.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::Request;
use axum::response::{IntoResponse as _, Response};
use futures::FutureExt as _;
use http::header::{ACCEPT, ALLOW, AUTHORIZATION, CONTENT_LENGTH, X_CONTENT_TYPE_OPTIONS};
use http::{HeaderMap, HeaderValue, Method};
use http_body::Body as _;
use souk_kit::request::{Context, REQUEST_ID};
use souk_proto::souk::types::v1::Reason;
use tokio::time::timeout_at;
use tower::ServiceExt as _;

use crate::errors::{PROBLEM_JSON, Problem};

/// The router, and what is around it.
pub(crate) struct Front {
    router: Router,
    limit: Duration,
}

/// What an error response depends on, besides the error.
pub(crate) struct Caller {
    /// Whether `Accept` has `application/problem+json`.
    pub wants_problem_json: bool,
    /// Whether there was an `Authorization` header.
    pub sent_token: bool,
    is_head: bool,
}

impl Front {
    /// No request takes longer than `limit`.
    pub(crate) fn new(router: Router, limit: Duration) -> Self {
        Self { router, limit }
    }

    /// Answers a request, whatever happens.
    pub(crate) async fn answer(&self, mut request: Request) -> Response {
        let caller = Caller::of(&request);
        let context = Arc::new(Context::from_headers(request.headers(), self.limit));
        request.extensions_mut().insert(context.clone());

        let answer = AssertUnwindSafe(self.router.clone().oneshot(request)).catch_unwind();
        let mut response = match timeout_at(context.deadline.into(), answer).await {
            Ok(Ok(Ok(response))) => response,
            Ok(Ok(Err(never))) => match never {},
            Ok(Err(_)) => Problem::internal(&context, "a handler has panicked").into_response(),
            Err(_) => {
                Problem::new(Reason::DeadlineExceeded, "the request took longer than its deadline")
                    .into_response()
            }
        };
        if let Some(problem) = response.extensions_mut().remove::<Problem>() {
            response = caller.receive(&problem, &context, response.headers());
        }
        let headers = response.headers_mut();
        if let Ok(request_id) = HeaderValue::from_str(&context.request_id) {
            headers.insert(REQUEST_ID, request_id);
        }
        headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
        response
    }
}

impl Caller {
    fn of(request: &Request) -> Self {
        let headers = request.headers();
        Self {
            wants_problem_json: wants_problem_json(headers),
            sent_token: headers.contains_key(AUTHORIZATION),
            is_head: request.method() == Method::HEAD,
        }
    }

    /// An error in the form that the client wants, with what axum has found out (`Allow`).
    fn receive(&self, problem: &Problem, context: &Context, found: &HeaderMap) -> Response {
        let mut response = problem.render(self, context);
        if let Some(allow) = found.get(ALLOW) {
            response.headers_mut().insert(ALLOW, allow.clone());
        }
        if self.is_head {
            let length = response.body().size_hint().exact().unwrap_or_default();
            response.headers_mut().insert(CONTENT_LENGTH, length.into());
            *response.body_mut() = Body::empty();
        }
        response
    }
}

fn wants_problem_json(headers: &HeaderMap) -> bool {
    let ranges = headers.get_all(ACCEPT).into_iter().filter_map(|value| value.to_str().ok());
    ranges.flat_map(|value| value.split(',')).any(|range| {
        let mut parts = range.split(';').map(str::trim);
        let is_named = parts.next().is_some_and(|media| media.eq_ignore_ascii_case(PROBLEM_JSON));
        // a quality of zero means: anything but this
        let is_refused = parts
            .filter_map(|parameter| parameter.strip_prefix("q="))
            .any(|quality| quality.parse::<f32>().is_ok_and(|quality| quality <= 0.0));
        is_named && !is_refused
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn problem_json_is_for_those_who_name_it() {
        let wants = |accept: &'static str| {
            let headers = [(ACCEPT, HeaderValue::from_static(accept))].into_iter().collect();
            wants_problem_json(&headers)
        };
        assert!(wants("application/problem+json"));
        assert!(wants("application/json, application/problem+json;q=0.5"));
        assert!(!wants("*/*"));
        assert!(!wants("application/json, application/problem+json; q=0"));
    }
}
