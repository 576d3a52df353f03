//! Where every request comes in and every response goes out: the request id, the deadline, the
//! form of errors, and what no handler may forget.

pub(crate) mod browsers;
pub(crate) mod cors;
pub(crate) mod health;
pub(crate) mod pages;

use std::convert::Infallible;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use bytes::Bytes;
use futures::FutureExt as _;
use futures::future::BoxFuture;
use http::header::{
    ALLOW, AUTHORIZATION, CONNECTION, CONTENT_SECURITY_POLICY, EXPECT, HOST, LINK, REFERRER_POLICY,
    STRICT_TRANSPORT_SECURITY, X_CONTENT_TYPE_OPTIONS,
};
use http::request::Parts;
use http::{HeaderMap, HeaderValue, Method, Request, Response, StatusCode, Version};
use http_body::Body as _;
use http_body_util::BodyExt as _;
use hyper::body::Incoming;
use hyper::upgrade::OnUpgrade;
use souk_kit::id::{self, kind};
use souk_kit::request::{Context, REQUEST_ID};
use souk_proto::souk::types::v1::Reason;
use tokio::time::{timeout, timeout_at};
use tokio_util::sync::CancellationToken;
use tower::Service;
use tracing::Instrument as _;

use crate::admission::{Client, Gate};
use crate::call::{Asked, call};
use crate::errors::problem::{LATE, Problem};
use crate::limits::Standings;
use crate::options::Options;
use crate::response::accept::Accepted;
use crate::response::answer::Answer;
use crate::response::caller::Caller;
use crate::response::content;
use crate::routing::{Found, Route, Table};
use crate::rpc::{self, Rpc, Rpcs};
use crate::stream::{Streams, is_websocket};
use crate::transcode::Plans;
use crate::upstream::forwarding::Forwarding;
use cors::Preflights;
use pages::{Pages, no_such_method};

/// What is left of a body that nobody has read is taken up to this size and for this long, so that its
/// connection can go on. Where that does not do, the end of the connection is announced.
const DRAIN_BYTES: usize = 64 * 1024;
const DRAIN_LIMIT: Duration = Duration::from_millis(250);
/// How long a browser that has been here over TLS comes back by nothing else (RFC 6797). One that does
/// not trust the certificate, or knows us by an address only, pays no heed to it.
const ONE_YEAR: HeaderValue = HeaderValue::from_static("max-age=31536000");

/// The routes, and what is around them. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Edge {
    inner: Arc<Inner>,
}

struct Inner {
    table: Table,
    plans: Arc<Plans>,
    rpcs: Rpcs,
    gate: Gate,
    pages: Pages,
    limit: Duration,
    streams: Streams,
    /// Whether it is served over TLS.
    is_secure: bool,
    /// Where pages of other origins may call.
    preflights: Option<Preflights>,
}

impl Edge {
    pub(crate) fn new(
        table: Table,
        plans: Plans,
        rpcs: Rpcs,
        gate: Gate,
        pages: Pages,
        options: &Options,
        ending: CancellationToken,
    ) -> Self {
        let (plans, limit) = (Arc::new(plans), options.request_limit);
        let streams = Streams::new(plans.clone(), options, ending);
        let is_secure = options.tls.is_some();
        let preflights = Preflights::new(&options.origins);
        let inner =
            Inner { table, plans, rpcs, gate, pages, limit, streams, is_secure, preflights };
        Self { inner: Arc::new(inner) }
    }
}

impl Service<Request<Incoming>> for Edge {
    type Response = Response<Answer>;
    type Error = Infallible;
    type Future = BoxFuture<'static, Result<Response<Answer>, Infallible>>;

    fn poll_ready(&mut self, _: &mut std::task::Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<Incoming>) -> Self::Future {
        let inner = self.inner.clone();
        Box::pin(async move { Ok(inner.answer(request).await) })
    }
}

impl Inner {
    /// Answers a request, whatever happens, and no later than its deadline.
    async fn answer(&self, request: Request<Incoming>) -> Response<Answer> {
        let (parts, mut body) = request.into_parts();
        let versioned = versioned(parts.uri.path(), &parts.headers);
        let path = versioned.as_deref().unwrap_or(parts.uri.path());
        let destination = self.destination(&parts, path);
        let is_rpc = matches!(destination, Destination::Rpc(_));
        let context = Context::from_http(&parts.headers, self.limit(&destination));
        let span = tracing::error_span!("request", request_id = &*context.request_id);
        let standings = Standings::default();
        let forwarding = Forwarding::of(&self.gate.forwarded);
        let peer = parts.extensions.get();
        let client = Client {
            headers: &parts.headers,
            context: &context,
            peer,
            standings: &standings,
            forwarding: &forwarding,
        };
        let respond = self.respond(destination, &parts, client, &mut body);
        let respond = AssertUnwindSafe(respond).catch_unwind();
        let answer = timeout_at(context.deadline.into(), respond).instrument(span.clone()).await;
        let answer = match answer {
            Ok(Ok(answer)) => answer,
            // the panic hook has told what and where
            Ok(Err(_)) => Err(Problem::new(Reason::Internal, "internal error")),
            Err(_) => Err(Problem::new(Reason::DeadlineExceeded, LATE)),
        };
        let caller = caller(&parts, &context);
        let mut response = answer.unwrap_or_else(|problem| {
            match rpc::Protocol::of(&parts.headers).ok().filter(|_| is_rpc) {
                Some(protocol) => protocol.response(Err(problem.into())),
                None => caller.answer(&problem),
            }
        });
        if let Err(error) = content::settle(&parts, &caller, &mut response).await {
            tracing::warn!(%error, "an answer is sent as it is");
        }
        // what HTTP/2 has not read of one request keeps no other back
        if parts.version < Version::HTTP_2 && !is_over(&parts, &mut body).await {
            response.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
        }
        standings.write(response.headers_mut());
        forwarding.write(response.headers_mut());
        protect(&context, response.headers_mut());
        if self.is_secure {
            response.headers_mut().insert(STRICT_TRANSPORT_SECURITY, ONE_YEAR);
        }
        response.body_mut().span = Some(span);
        response
    }

    /// What answers a request. What is here besides the contracts goes before templates that begin with
    /// a wildcard, and after what the contracts say literally.
    fn destination<'e, 'p>(&'e self, parts: &Parts, path: &'p str) -> Destination<'e, 'p> {
        if let Some(preflights) = self.preflights.as_ref().filter(|_| cors::is_preflight(parts)) {
            return Destination::Preflight(preflights);
        }
        let socket = is_websocket(parts).then(|| self.table.find_websocket(path)).flatten();
        let found = socket.unwrap_or_else(|| self.table.find(&parts.method, path));
        if matches!(&found, Found::Route(route, _) if !route.begins_with_wildcard) {
            return Destination::Contract(found);
        }
        let rpc = || self.rpcs.find(parts.uri.path());
        if parts.method == Method::POST
            && let Some(rpc) = rpc()
        {
            return Destination::Rpc(rpc);
        }
        if matches!(found, Found::Nothing) || self.pages.has(parts.uri.path()) {
            return Destination::Page;
        }
        Destination::Contract(found)
    }

    /// How long a request may take.
    fn limit(&self, destination: &Destination<'_, '_>) -> Duration {
        match destination {
            Destination::Contract(Found::Route(route, _)) if route.target.rpc.is_client_stream => {
                self.streams.request_limit()
            }
            _ => self.limit,
        }
    }

    async fn respond(
        &self,
        destination: Destination<'_, '_>,
        parts: &Parts,
        client: Client<'_>,
        body: &mut Incoming,
    ) -> Result<Response<Answer>, Problem> {
        let is_call =
            matches!(destination, Destination::Contract(Found::Route(..)) | Destination::Rpc(_));
        let is_health = matches!(destination, Destination::Page) && health::is_at(parts.uri.path());
        // a call with a token is counted for whom that names, once this is known
        let is_counted_later = is_call && parts.headers.contains_key(AUTHORIZATION);
        if !is_counted_later && !is_health {
            self.gate.count(client).await?;
        }
        let answer = self.carry_out(destination, parts, client, body).await;
        if is_counted_later && client.standings.is_empty() {
            // it was refused before anybody asked who asks
            self.gate.count(client).await?;
        }
        answer
    }

    async fn carry_out(
        &self,
        destination: Destination<'_, '_>,
        parts: &Parts,
        client: Client<'_>,
        body: &mut Incoming,
    ) -> Result<Response<Answer>, Problem> {
        refuse_ambiguous(parts)?;
        match destination {
            Destination::Preflight(preflights) => Ok(preflights.answer(parts).await),
            Destination::Contract(Found::Route(route, variables)) => {
                let successor = route.successor.as_ref().and_then(|it| it.link(&variables));
                let (method, uri, version) = (&parts.method, &parts.uri, parts.version);
                let asked = Asked { method, uri, version, variables, client };
                let mut answer = self.call(route, asked, parts, body).await?;
                if let Some(link) = successor {
                    // beside those to other pages
                    answer.headers_mut().append(LINK, link);
                }
                Ok(answer)
            }
            Destination::Contract(Found::OtherMethods(allow)) => {
                Ok(other_methods(&parts.method, allow, &caller(parts, client.context)))
            }
            Destination::Contract(Found::NotUtf8) => {
                Err(Problem::new(Reason::MalformedRequest, "the path is not UTF-8"))
            }
            Destination::Rpc(rpc) => self.rpcs.call(&self.gate, rpc, client, body).await,
            Destination::Contract(Found::Nothing) | Destination::Page => {
                Ok(self.pages.answer(parts, &client.context.request_id).await)
            }
        }
    }

    async fn call(
        &self,
        route: &Arc<Route>,
        asked: Asked<'_>,
        parts: &Parts,
        body: &mut Incoming,
    ) -> Result<Response<Answer>, Problem> {
        if !route.target.rpc.is_stream() {
            return call(&self.gate, &self.plans, route, asked, body).await;
        }
        match parts.extensions.get::<OnUpgrade>().filter(|_| is_websocket(parts)) {
            Some(upgrade) if route.has_websocket => {
                self.streams.websocket(&self.gate, route, asked, upgrade.clone()).await
            }
            _ => self.streams.call(&self.gate, route, asked, body).await,
        }
    }
}

/// What a request is for.
enum Destination<'e, 'p> {
    /// Whether a page of another origin may call: browsers ask.
    Preflight(&'e Preflights),
    /// What the contracts say of its method and path.
    Contract(Found<'e, 'p>),
    /// An RPC, by its own name.
    Rpc(&'e Rpc),
    /// A page, or nothing.
    Page,
}

fn caller<'a>(parts: &'a Parts, context: &'a Context) -> Caller<'a> {
    Caller { headers: &parts.headers, request_id: &context.request_id }
}

/// Refuses what could mean one thing here and another elsewhere: a request of HTTP/1.1 without a host
/// or with several (RFC 9112, section 3.2), and one with several tokens.
fn refuse_ambiguous(parts: &Parts) -> Result<(), Problem> {
    let count = |name| parts.headers.get_all(name).iter().count();
    if parts.version == Version::HTTP_11 && count(HOST) != 1 {
        let message = "the request must have one Host header";
        return Err(Problem::new(Reason::MalformedRequest, message));
    }
    if count(AUTHORIZATION) > 1 {
        let message = "the request has more than one Authorization header";
        return Err(Problem::new(Reason::MalformedRequest, message));
    }
    Ok(())
}

fn other_methods(method: &Method, allow: HeaderValue, caller: &Caller<'_>) -> Response<Answer> {
    let mut response = if method == Method::OPTIONS {
        let mut response = Response::new(Answer::empty());
        *response.status_mut() = StatusCode::NO_CONTENT;
        response
    } else {
        caller.answer(&no_such_method(method))
    };
    response.headers_mut().insert(ALLOW, allow);
    response
}

/// The path with the version that the client asks for, where the path has none.
fn versioned(path: &str, headers: &HeaderMap) -> Option<String> {
    let first = path.strip_prefix('/')?.split('/').next()?;
    if first.strip_prefix('v').is_some_and(|version| version.parse::<u32>().is_ok()) {
        return None;
    }
    match Accepted::of(headers) {
        Ok(Accepted::Version(version)) => Some(format!("/v{version}{path}")),
        Ok(Accepted::Json) | Err(_) => None,
    }
}

/// The headers that every response has: its id, and what keeps a browser from making more of it than
/// it is.
fn protect(context: &Context, headers: &mut HeaderMap) {
    if let Ok(request_id) = HeaderValue::from_str(&context.request_id) {
        headers.insert(REQUEST_ID, request_id);
    }
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.insert(REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
    let policy = HeaderValue::from_static("default-src 'none'; frame-ancestors 'none'");
    headers.entry(CONTENT_SECURITY_POLICY).or_insert(policy);
}

/// Whether nothing of a request's body is left on its way. One that waits for our leave does not get
/// it by this (RFC 9110, section 10.1.1).
async fn is_over(parts: &Parts, body: &mut Incoming) -> bool {
    body.is_end_stream() || (!parts.headers.contains_key(EXPECT) && drain(body).await)
}

/// Takes the rest of a body; whether it has come to its end.
async fn drain(body: &mut Incoming) -> bool {
    if body.size_hint().lower() > DRAIN_BYTES as u64 {
        return false;
    }
    let rest = async {
        let mut taken = 0;
        while let Some(frame) = body.frame().await {
            let Ok(frame) = frame else { return false };
            taken += frame.data_ref().map_or(0, Bytes::len);
            if taken > DRAIN_BYTES {
                return false;
            }
        }
        true
    };
    timeout(DRAIN_LIMIT, rest).await.unwrap_or(false)
}

/// The whole response to a request whose head cannot be read.
pub(crate) fn rejection(status: u16) -> Option<Bytes> {
    let (reason, message) = match status {
        400 => (Reason::MalformedRequest, "the head of the request cannot be read"),
        414 => (Reason::HeadersTooLarge, "the target of the request is too long"),
        431 => (Reason::HeadersTooLarge, "the head of the request is too large"),
        _ => return None,
    };
    let request_id = id::new::<kind::Request>().to_string();
    let body = Caller::unknown(&Problem::new(reason, message), &request_id);
    let title = StatusCode::from_u16(status).ok()?.canonical_reason()?;
    let mut response = format!(
        "HTTP/1.1 {status} {title}\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\
         cache-control: no-store\r\nx-content-type-options: nosniff\r\nx-request-id: {request_id}\r\n\
         connection: close\r\n\r\n",
        body.len()
    )
    .into_bytes();
    response.extend_from_slice(&body);
    Some(response.into())
}
