//! What is around every service, whether it is called over the network or in process.
//!
//! A call is admitted in this order: the RPC and its policy, the token, the idempotency key, then the
//! message under a budget of bytes, then a permit, then the handler. Nothing waits for a message while
//! it holds what others need, but for a client stream, which may not let us wait for long.

use std::convert::Infallible;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::task::{Context as TaskContext, Poll};
use std::time::{Duration, Instant};

use futures::FutureExt as _;
use futures::future::BoxFuture;
use http::{HeaderMap, HeaderName, HeaderValue, Request, Response};
use http_body_util::Full;
use souk_proto::souk::types::v1::Reason;
use tokio::time::timeout_at;
use tonic::Status;
use tonic::body::Body;
use tower::Service;
use tower::util::BoxCloneSyncService;
use tracing::{Instrument as _, Span};

use crate::admission::{Admitted, admit};
use crate::answer::{Pieces, whole};
use crate::auth::Verifier;
use crate::body::{self, Budget};
use crate::condition::IfMatch;
use crate::failure::Failure;
use crate::frame::{self, CheckedStream};
use crate::listener::{Peer, Shares};
use crate::permit::{Permit, Permits};
use crate::policy::{self, Rpc};
use crate::request::{Context, REQUEST_ID};

/// No call to a service runs longer than this, whatever its caller says. Of a stream of answers it is the
/// beginning.
pub const CALL_LIMIT: Duration = Duration::from_secs(15);
/// A client stream (an import) may take its time, but not for ever.
const STREAM_LIMIT: Duration = Duration::from_secs(15 * 60);
/// So may a stream of answers (an export, a download), which takes as long as its client does.
const ANSWERS_LIMIT: Duration = Duration::from_secs(60 * 60);
/// How long a client stream may pause while the service waits for its next message. It has a permit
/// meanwhile, of which there are few.
const STREAM_IDLE: Duration = Duration::from_secs(30);
/// How long the client of a stream of answers may let it wait for each 16 KiB that are there.
const ANSWERS_PATIENCE: Duration = Duration::from_secs(30);
/// How long a message may pause on its way.
const MESSAGE_IDLE: Duration = Duration::from_secs(10);
const GRPC_ENCODING: HeaderName = HeaderName::from_static("grpc-encoding");

/// How much a service does at once.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// Calls whose message has arrived; others are refused, not queued.
    pub calls: usize,
    /// Client streams.
    pub streams: usize,
    /// Streams of answers. They are no calls: however many there are, those find their permits.
    pub answers: usize,
    /// How long the client of one may let it wait, for each 16 KiB that are there.
    pub patience: Duration,
    /// Bytes of messages that are still arriving.
    pub message_bytes: usize,
}

impl Default for Limits {
    fn default() -> Self {
        // a gateway is one client, which has a quarter: as many as it has streams
        let (calls, answers) = (2048, 2048);
        let message_bytes = 64 * 1024 * 1024;
        Self { calls, streams: 64, answers, patience: ANSWERS_PATIENCE, message_bytes }
    }
}

/// The service that a contract has generated.
pub type Inner = BoxCloneSyncService<Request<Body>, Response<Body>, Infallible>;

/// A service with everything around it. Cheap to clone.
#[derive(Clone)]
pub struct Stack {
    inner: Inner,
    shared: Arc<Shared>,
}

struct Shared {
    verifier: Arc<Verifier>,
    calls: Permits,
    streams: Permits,
    answers: Permits,
    patience: Duration,
    messages: Budget,
}

impl Stack {
    /// Puts everything around a generated service.
    pub fn new<S>(service: S, verifier: Arc<Verifier>, limits: Limits) -> Self
    where
        S: Service<Request<Body>, Response = Response<Body>, Error = Infallible>
            + Clone
            + Send
            + Sync
            + 'static,
        S::Future: Send + 'static,
    {
        let shared = Shared {
            verifier,
            calls: Permits::new(limits.calls),
            streams: Permits::new(limits.streams),
            answers: Permits::new(limits.answers),
            patience: limits.patience,
            messages: Budget::new(limits.message_bytes),
        };
        Self { inner: Inner::new(service), shared: Arc::new(shared) }
    }
}

impl Service<Request<Body>> for Stack {
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = BoxFuture<'static, Result<Response<Body>, Infallible>>;

    fn poll_ready(&mut self, _: &mut TaskContext<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        let Self { inner, shared } = self.clone();
        Box::pin(async move { Ok(shared.answer(inner, request).await) })
    }
}

impl Shared {
    /// Answers a call, whatever happens, and no later than its deadline.
    async fn answer(&self, inner: Inner, request: Request<Body>) -> Response<Body> {
        let rpc = policy::rpc(request.uri().path());
        let (limit, begin_limit) = rpc.map_or((CALL_LIMIT, CALL_LIMIT), limits);
        let context = Context::from_grpc(request.headers(), limit);
        let request_id = HeaderValue::from_str(&context.request_id);
        // a span of this level is there whatever is logged: an error has its request id
        let span = tracing::error_span!(
            "call",
            rpc = request.uri().path(),
            request_id = &*context.request_id
        );
        let deadline = context.deadline.min(Instant::now() + begin_limit);
        let call = AssertUnwindSafe(self.carry_out(inner, request, rpc, context)).catch_unwind();
        let answer = timeout_at(deadline.into(), call).instrument(span).await;
        let mut response = match answer {
            Ok(Ok(Ok(response))) => response,
            Ok(Ok(Err(failure))) => refuse(failure),
            // the panic hook has told what and where
            Ok(Err(_)) => refuse(Failure::new(Reason::Internal, "internal error")),
            Err(_) => refuse(Failure::new(
                Reason::DeadlineExceeded,
                "the call took longer than its deadline",
            )),
        };
        if let Ok(request_id) = request_id {
            response.headers_mut().insert(REQUEST_ID, request_id);
        }
        response
    }

    async fn carry_out(
        &self,
        mut inner: Inner,
        request: Request<Body>,
        rpc: Option<&Rpc>,
        mut context: Context,
    ) -> Result<Response<Body>, Failure> {
        let rpc = rpc.ok_or_else(|| Failure::new(Reason::Unimplemented, "there is no such rpc"))?;
        let Admitted { principal, idempotency_key } =
            admit(rpc, Some(&self.verifier), request.headers()).await?;
        refuse_compression(request.headers())?;
        context.principal = principal;
        context.idempotency_key = idempotency_key;
        if rpc.policy.conditional {
            context.if_match = IfMatch::parse(request.headers())?;
        }
        let peer = request.extensions().get::<Peer>().cloned();
        let peer = peer.as_ref();
        let (mut request, permit) = if rpc.is_client_stream {
            let permit = permit(&self.streams, peer.map(|peer| &peer.streams))?;
            let limits = body::Limits { size: rpc.max_request_bytes, idle: STREAM_IDLE };
            let check = |body| Body::new(CheckedStream::new(body, limits));
            (request.map(check), permit)
        } else {
            let waiting = peer.map(Peer::waiting);
            let request = self.receive(rpc, request, peer).await?;
            drop(waiting);
            let permit = match rpc.is_server_stream {
                true => permit(&self.answers, peer.map(|peer| &peer.answers))?,
                false => permit(&self.calls, peer.map(|peer| &peer.calls))?,
            };
            (request, permit)
        };
        let until = context.deadline;
        request.extensions_mut().insert(context);
        let response = match inner.call(request).await {
            Ok(response) => response,
            Err(never) => match never {},
        };
        if rpc.is_server_stream {
            let pieces = |body| Body::new(Pieces::new(body, until, permit, Span::current()));
            let mut response = response.map(pieces);
            response.extensions_mut().insert(self.answers.pace(self.patience));
            return Ok(response);
        }
        // its client may take it as slowly as it likes: the call is over
        Ok(whole(response).await)
    }

    /// Waits for the message, which must be whole.
    async fn receive(
        &self,
        rpc: &Rpc,
        request: Request<Body>,
        peer: Option<&Peer>,
    ) -> Result<Request<Body>, Failure> {
        let most = rpc.max_request_bytes;
        let limits = body::Limits { size: most.saturating_add(frame::HEADER), idle: MESSAGE_IDLE };
        let (parts, body) = request.into_parts();
        let message = self.messages.read(body, limits, peer.map(|peer| &peer.bytes)).await?;
        frame::check_single(&message, most)?;
        Ok(Request::from_parts(parts, Body::new(Full::new(message))))
    }
}

/// How long a call may take, and how long until its answer begins.
fn limits(rpc: &Rpc) -> (Duration, Duration) {
    match (rpc.is_client_stream, rpc.is_server_stream) {
        (false, false) => (CALL_LIMIT, CALL_LIMIT),
        (false, true) => (ANSWERS_LIMIT, CALL_LIMIT),
        (true, false) => (STREAM_LIMIT, STREAM_LIMIT),
        // it may hear much before it says anything
        (true, true) => (ANSWERS_LIMIT, STREAM_LIMIT),
    }
}

/// A permit: where none is left, the call is refused, not queued.
fn permit(permits: &Permits, shares: Option<&Shares>) -> Result<Permit, Failure> {
    permits.take(shares).ok_or_else(|| Failure::overloaded("too many calls at once"))
}

/// Refuses a call whose messages are compressed: nothing here is (gRPC, compression).
fn refuse_compression(headers: &HeaderMap) -> Result<(), Failure> {
    match headers.get(&GRPC_ENCODING) {
        Some(encoding) if encoding != "identity" => {
            let message = "compressed messages are not supported";
            Err(Failure::new(Reason::Unimplemented, message))
        }
        _ => Ok(()),
    }
}

fn refuse(failure: Failure) -> Response<Body> {
    Status::from(failure).into_http()
}

#[cfg(test)]
mod tests {
    use souk_proto::souk::policy::v1::Policy;

    use super::*;

    fn rpc(is_client_stream: bool, is_server_stream: bool) -> Rpc {
        let policy = Policy::default();
        let (max_request_bytes, max_stream_bytes) = (0, 0);
        Rpc { policy, is_client_stream, is_server_stream, max_request_bytes, max_stream_bytes }
    }

    #[test]
    fn an_export_may_last_far_longer_than_it_may_take_to_begin() {
        assert_eq!(limits(&rpc(false, false)), (CALL_LIMIT, CALL_LIMIT));
        assert_eq!(limits(&rpc(false, true)), (ANSWERS_LIMIT, CALL_LIMIT));
        assert_eq!(limits(&rpc(true, false)), (STREAM_LIMIT, STREAM_LIMIT));
    }
}
