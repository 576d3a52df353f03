//! One request's way to an RPC and back.

use std::borrow::Cow;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::header::AUTHORIZATION;
use http::{HeaderMap, HeaderName, HeaderValue, Method, Response, Uri};
use http_body::Body;
use souk_kit::admission::admit;
use souk_kit::auth::Verifier;
use souk_kit::body::{self, Budget};
use souk_kit::listener::Peer;
use souk_kit::permit::Permits;
use souk_kit::request::{Context, IDEMPOTENCY_KEY, IF_MATCH};
use souk_proto::souk::types::v1::Reason;
use tonic::metadata::{MetadataMap, MetadataValue};

use crate::answer::Answer;
use crate::api::BodyRule;
use crate::entity_tag::Condition;
use crate::input::{Given, Media, to_wire};
use crate::media::media;
use crate::options::Options;
use crate::problem::Problem;
use crate::routing::Route;
use crate::transcode::Plans;
use crate::{entity_tag, invoke, prefer, reply};

/// What all routes share.
pub(crate) struct Calls {
    plans: Plans,
    verifier: Option<Arc<Verifier>>,
    permits: Permits,
    bodies: Budget,
    max_body: usize,
    body_idle: Duration,
}

/// A request, as far as a call is concerned.
pub(crate) struct Asked<'a> {
    pub method: &'a Method,
    pub uri: &'a Uri,
    pub headers: &'a HeaderMap,
    /// The variables of the path, decoded.
    pub variables: Vec<Cow<'a, str>>,
    pub context: &'a Context,
    /// The connection that it came over.
    pub peer: Option<&'a Peer>,
}

impl Calls {
    pub(crate) fn new(plans: Plans, verifier: Option<Arc<Verifier>>, options: &Options) -> Self {
        Self {
            plans,
            verifier,
            permits: Permits::new(options.max_calls),
            bodies: Budget::new(options.body_bytes),
            max_body: options.max_body,
            body_idle: options.body_idle,
        }
    }

    /// Answers a request with an RPC: who asks comes first, then the body, then a permit. Nothing waits
    /// for a body while it holds what others need.
    pub(crate) async fn call<B: Body<Data = Bytes> + Unpin>(
        &self,
        route: &Route,
        asked: Asked<'_>,
        body: &mut B,
    ) -> Result<Response<Answer>, Problem> {
        let Asked { method, uri, headers, variables, context, peer } = asked;
        let accepted = route.accepted(headers)?;
        admit(&route.rpc, self.verifier.as_deref(), headers)
            .await
            .map_err(|failure| Problem::from_failure(failure, context))?;
        let waiting = peer.map(Peer::waiting);
        let (media, body) = self.read(route, headers, body, peer).await?;
        drop(waiting);
        // given back when the answer is whole
        let Some(_permit) = self.permits.take(peer.map(|peer| &peer.calls)) else {
            return Err(Problem::new(Reason::Overloaded, "too many calls at once"));
        };
        let path: Vec<&str> = variables.iter().map(|value| &**value).collect();
        let query = uri.query().unwrap_or_default();
        let given = Given { path: &path, query, media, body: &body };
        let wire = to_wire(&self.plans, route, &given)?;

        let mut outgoing = context.outgoing(Bytes::from(wire));
        forward(&AUTHORIZATION, headers, outgoing.metadata_mut());
        forward(&IDEMPOTENCY_KEY, headers, outgoing.metadata_mut());
        set_condition(route, headers, outgoing.metadata_mut())?;
        let answer = invoke::unary(route, outgoing).await;
        let answer = answer.map_err(|status| route.problem(&status, context))?;
        let asked = reply::Asked { uri, accepted, minimal: prefer::minimal(method, headers) };
        let reply = reply::unary(&self.plans, route, &asked, &answer);
        reply.map_err(|error| Problem::internal(context, &format!("{}: {error}", route.path)))
    }

    /// The body, where the route takes one.
    async fn read<B: Body<Data = Bytes> + Unpin>(
        &self,
        route: &Route,
        headers: &HeaderMap,
        body: &mut B,
        peer: Option<&Peer>,
    ) -> Result<(Media, Bytes), Problem> {
        if route.body == BodyRule::Ignored || body.is_end_stream() {
            return Ok((Media::Json, Bytes::new()));
        }
        let media = media(headers)?;
        if media == Media::Form && route.body != BodyRule::Whole {
            let message = "the body must be application/json";
            return Err(Problem::new(Reason::UnsupportedMediaType, message));
        }
        let size = self.max_body.min(route.rpc.max_request_bytes);
        let limits = body::Limits { size, idle: self.body_idle };
        let shares = peer.map(|peer| &peer.bytes);
        Ok((media, self.bodies.read(body, limits, shares).await?))
    }
}

/// Passes a header on. One that gRPC cannot carry is left out, as if it had not been sent.
fn forward(name: &HeaderName, headers: &HeaderMap, metadata: &mut MetadataMap) {
    let value = headers.get(name).map(HeaderValue::as_bytes);
    if let Some(value) = value.and_then(|value| MetadataValue::try_from(value).ok())
        && let Ok(name) = tonic::metadata::AsciiMetadataKey::from_bytes(name.as_str().as_bytes())
    {
        metadata.insert(name, value);
    }
}

/// Passes the version on that a change is for, where the resource has versions: the service compares it
/// in the statement that makes the change.
fn set_condition(
    route: &Route,
    headers: &HeaderMap,
    metadata: &mut MetadataMap,
) -> Result<(), Problem> {
    if route.version.is_none() {
        return Ok(());
    }
    match entity_tag::condition(headers) {
        Condition::None => {}
        Condition::Versions(versions) => {
            if let Ok(versions) = MetadataValue::try_from(versions) {
                metadata.insert(IF_MATCH.as_str(), versions);
            }
        }
        Condition::Impossible => {
            let message = "no strong entity tag is in if-match";
            return Err(Problem::new(Reason::EtagMismatch, message));
        }
    }
    Ok(())
}
