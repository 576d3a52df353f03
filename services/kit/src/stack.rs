//! The layers around every service, whether it is called over the network or in process.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::{Request, State};
use axum::middleware::{self, Next};
use axum::response::Response;
use futures::FutureExt as _;
use http::{HeaderMap, HeaderValue};
use souk_proto::souk::policy::v1::Idempotency;
use souk_proto::souk::policy::v1::policy::Access;
use souk_proto::souk::types::v1::Reason;
use tokio::sync::Semaphore;
use tonic::Status;
use tonic::service::Routes;
use tracing::Instrument as _;

use crate::auth::{Principal, Verifier};
use crate::failure::Failure;
use crate::policy;
use crate::request::{Context, IDEMPOTENCY_KEY, REQUEST_ID};

/// How many calls a service takes at once; others are refused, not queued.
const MAX_CALLS: usize = 2048;
/// No call to a service runs longer than this, whatever its caller says.
pub const CALL_LIMIT: Duration = Duration::from_secs(15);
/// A client stream (an import) may take its time, but not for ever.
const STREAM_LIMIT: Duration = Duration::from_secs(15 * 60);

/// Wraps the routes of a service. Read from the bottom up: a request meets the last layer first.
pub fn wrap(routes: Routes, verifier: Arc<Verifier>) -> Routes {
    let router = routes
        .into_axum_router()
        // deny by default: nothing behind this layer is reached without the policy's word
        .layer(middleware::from_fn_with_state(verifier, authorize))
        // gives up when the caller has
        .layer(middleware::from_fn(limit))
        // refuses at once what would only wait, and answers for a handler that panics
        .layer(middleware::from_fn_with_state(Arc::new(Semaphore::new(MAX_CALLS)), guard))
        // gives the request its id, its deadline, and a span under which every line is logged
        .layer(middleware::from_fn(enter));
    Routes::from(router)
}

async fn enter(mut request: Request, next: Next) -> Response {
    let limit =
        if policy::is_client_stream(request.uri().path()) { STREAM_LIMIT } else { CALL_LIMIT };
    let context = Context::from_headers(request.headers(), limit);
    let request_id = HeaderValue::from_str(&context.request_id);
    let span = tracing::error_span!(
        // a span of this level is there whatever is logged: an error has its request id
        "call",
        rpc = request.uri().path(),
        request_id = context.request_id.as_str()
    );
    request.extensions_mut().insert(context);
    let mut response = next.run(request).instrument(span).await;
    if let Ok(request_id) = request_id {
        response.headers_mut().insert(REQUEST_ID, request_id);
    }
    response
}

async fn guard(State(calls): State<Arc<Semaphore>>, request: Request, next: Next) -> Response {
    let Ok(_call) = calls.try_acquire() else {
        let delay = Duration::from_secs(1);
        let failure = Failure::new(Reason::Overloaded, "too many calls at once");
        return refuse(failure.retry_after(delay));
    };
    match AssertUnwindSafe(next.run(request)).catch_unwind().await {
        Ok(response) => response,
        // the panic hook has told what and where
        Err(_) => refuse(Failure::new(Reason::Internal, "internal error")),
    }
}

async fn limit(request: Request, next: Next) -> Response {
    let Some(context) = request.extensions().get::<Context>() else {
        return refuse(Failure::new(Reason::Internal, "internal error"));
    };
    match tokio::time::timeout(context.remaining(), next.run(request)).await {
        Ok(response) => response,
        Err(_) => {
            refuse(Failure::new(Reason::DeadlineExceeded, "the call took longer than its deadline"))
        }
    }
}

async fn authorize(
    State(verifier): State<Arc<Verifier>>,
    mut request: Request,
    next: Next,
) -> Response {
    let principal = match admit(&verifier, request.uri().path(), request.headers()).await {
        Ok(principal) => principal,
        Err(failure) => return refuse(failure),
    };
    if let Some(context) = request.extensions_mut().get_mut::<Context>() {
        context.principal = principal;
    }
    next.run(request).await
}

/// Who asks, when the policy lets them.
async fn admit(
    verifier: &Verifier,
    path: &str,
    headers: &HeaderMap,
) -> Result<Option<Principal>, Failure> {
    let unknown = || Failure::new(Reason::Unimplemented, "there is no such rpc");
    let policy = policy::policy(path).ok_or_else(unknown)?;
    let principal = match policy.access.as_ref().ok_or_else(unknown)? {
        Access::Public(true) => None,
        Access::SignedIn(true) => Some(verifier.authenticate(headers).await?),
        Access::Scope(scope) => {
            let principal = verifier.authenticate(headers).await?;
            if !principal.scopes.contains(scope) {
                let message = format!("the scope `{scope}` is missing");
                return Err(Failure::new(Reason::PermissionDenied, message).with("scope", scope));
            }
            Some(principal)
        }
        Access::Public(false) | Access::SignedIn(false) => {
            return Err(Failure::new(Reason::PermissionDenied, "nobody may call this rpc"));
        }
    };
    // after the question of who asks: strangers learn nothing of what a call needs
    if policy.idempotency() == Idempotency::Required && !headers.contains_key(IDEMPOTENCY_KEY) {
        return Err(Failure::new(
            Reason::IdempotencyKeyMissing,
            "the call needs an idempotency-key of 1–255 visible ascii characters",
        ));
    }
    Ok(principal)
}

fn refuse(failure: Failure) -> Response {
    Status::from(failure).into_http()
}
