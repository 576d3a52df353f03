//! One REST request's way to an RPC and back.

use std::borrow::Cow;

use bytes::{Bytes, BytesMut};
use futures::stream;
use http::header::IF_NONE_MATCH;
use http::{Method, Response, Uri, Version};
use http_body::Body;
use souk_kit::request::IF_MATCH;
use souk_proto::souk::types::v1::Reason;
use tonic::metadata::{MetadataMap, MetadataValue};

use crate::admission::{Client, Gate};
use crate::api::BodyRule;
use crate::cache::Kept;
use crate::errors::problem::Problem;
use crate::reply;
use crate::request::input;
use crate::request::input::{Given, Input};
use crate::request::media::{self, Media};
use crate::request::multipart::{Pair, Parts};
use crate::response::accept::Accepted;
use crate::response::answer::Answer;
use crate::response::entity_tag::Condition;
use crate::response::{entity_tag, prefer};
use crate::routing::Route;
use crate::transcode::{Plans, Selection};

/// A request, as far as a call is concerned.
pub(crate) struct Asked<'a> {
    pub method: &'a Method,
    pub uri: &'a Uri,
    pub version: Version,
    /// The variables of the path, decoded.
    pub variables: Vec<Cow<'a, str>>,
    pub client: Client<'a>,
}

/// Answers a request with an RPC.
pub(crate) async fn call<B: Body<Data = Bytes> + Unpin>(
    gate: &Gate,
    plans: &Plans,
    route: &Route,
    asked: Asked<'_>,
    body: &mut B,
) -> Result<Response<Answer>, Problem> {
    let Asked { method, client, .. } = asked;
    let (target, headers) = (&route.target, client.headers);
    let accepted = route.accepted(headers)?;
    gate.admit(target, client).await?;
    let body = read(gate, route, client, body).await?;
    // given back when the answer is whole
    let _permit = gate.permit(client)?;
    let (wire, selection) = message(plans, route, &asked, &body)?;
    let mut outgoing = client.outgoing(target, wire);
    set_condition(route, &asked, outgoing.metadata_mut())?;
    let cache = gate.cache.as_ref().filter(|_| route.is_kept);
    let oldest = cache.and_then(|cache| cache.oldest_for(method, headers));
    let answer = match cache.zip(oldest) {
        Some((cache, oldest)) => {
            cache.call(target, outgoing, oldest).await.map(Kept::into_response)
        }
        None => target.call(outgoing).await,
    };
    client.forwarding.take(&answer);
    let answer = answer.map_err(|status| target.problem(&status, client.context))?;
    reply(plans, route, &asked, accepted, selection.as_ref(), &answer)
}

/// The body of a request.
pub(crate) enum Content<'c> {
    Body(Media<'c>, Bytes),
    /// The parts of a form.
    Form {
        fields: Vec<Pair>,
        file_name: Option<String>,
        media_type: String,
        file: Bytes,
    },
}

impl Content<'_> {
    /// Without a body.
    pub(crate) const EMPTY: Self = Self::Body(Media::Json, Bytes::new());
}

/// The body, where the route takes one.
pub(crate) async fn read<'c, B: Body<Data = Bytes> + Unpin>(
    gate: &Gate,
    route: &Route,
    client: Client<'c>,
    body: &mut B,
) -> Result<Content<'c>, Problem> {
    let most = route.target.rpc.max_request_bytes;
    if route.takes_bytes {
        let boundary = media::boundary(client.headers)?;
        let media_type = media::bytes(client.headers)?;
        let bytes = gate.read(client, body, most).await?;
        return match boundary {
            Some(boundary) => form(bytes, boundary).await,
            None => Ok(Content::Body(Media::Bytes(media_type), bytes)),
        };
    }
    if route.body == BodyRule::Ignored || body.is_end_stream() {
        return Ok(Content::EMPTY);
    }
    let media = media::media(client.headers)?;
    if media == Media::Form && route.body != BodyRule::Whole {
        let message = "the body must be application/json";
        return Err(Problem::new(Reason::UnsupportedMediaType, message));
    }
    Ok(Content::Body(media, gate.read(client, body, most).await?))
}

/// The parts of a form that has come as a whole.
async fn form(bytes: Bytes, boundary: String) -> Result<Content<'static>, Problem> {
    let (most, pieces) = (bytes.len(), stream::iter([Ok(bytes)]));
    let mut parts = Parts::new(pieces, boundary, most, None);
    let (fields, mut part) = parts.file().await?;
    let file_name = part.name().map(str::to_owned);
    let (media_type, mut file) = (part.media_type(), BytesMut::new());
    while let Some(bytes) = part.next().await? {
        file.extend_from_slice(&bytes);
    }
    drop(part);
    parts.end().await?;
    Ok(Content::Form { fields, file_name, media_type, file: file.freeze() })
}

/// What the path, the query and the body say: the message for the service, and the fields of the answer
/// that are wanted.
pub(crate) fn message(
    plans: &Plans,
    route: &Route,
    asked: &Asked<'_>,
    content: &Content<'_>,
) -> Result<(Bytes, Option<Selection>), Problem> {
    let path: Vec<&str> = asked.variables.iter().map(|value| &**value).collect();
    let query = asked.uri.query().unwrap_or_default();
    let given = match content {
        Content::Body(media, body) => {
            Given { path: &path, query, media: *media, body, fields: &[], file_name: None }
        }
        Content::Form { fields, file_name, media_type, file } => {
            let (media, file_name) = (Media::Bytes(media_type), file_name.as_deref());
            Given { path: &path, query, media, body: file, fields, file_name }
        }
    };
    let Input { wire, fields } = input::read(plans, route, &given)?;
    let selection = fields.map(|names| route.select(plans, &names)).transpose()?;
    Ok((wire.into(), selection))
}

/// The answer to a request, of that of the service.
pub(crate) fn reply(
    plans: &Plans,
    route: &Route,
    asked: &Asked<'_>,
    accepted: Accepted,
    selection: Option<&Selection>,
    answer: &tonic::Response<Bytes>,
) -> Result<Response<Answer>, Problem> {
    let Asked { method, uri, client: Client { headers, context, .. }, .. } = *asked;
    let minimal = prefer::minimal(method, headers);
    let wishes = reply::Wishes { uri, accepted, selection, minimal };
    let reply = reply::unary(plans, route, &wishes, answer);
    reply.map_err(|error| Problem::internal(context, &format!("{}: {error}", route.target.path)))
}

/// Passes the versions on that a change is for, where the service compares them in the statement that
/// makes the change. A condition that nobody looks at is refused: who makes one counts on it.
fn set_condition(
    route: &Route,
    asked: &Asked<'_>,
    metadata: &mut MetadataMap,
) -> Result<(), Problem> {
    let headers = asked.client.headers;
    if asked.method.is_safe() {
        return Ok(());
    }
    let refused = |message| Err(Problem::new(Reason::EtagMismatch, message));
    if headers.contains_key(IF_NONE_MATCH) {
        return refused("if-none-match is not looked at where something changes");
    }
    match entity_tag::condition(headers) {
        Condition::None => {}
        Condition::Versions(versions) if route.target.rpc.policy.conditional => {
            if let Ok(versions) = MetadataValue::try_from(versions) {
                metadata.insert(IF_MATCH.as_str(), versions);
            }
        }
        Condition::Versions(versions) if versions == entity_tag::ANY => {}
        Condition::Versions(_) => return refused("versions are not compared here"),
        Condition::Malformed => {
            let message = "if-match must be * or entity tags: \"…\", \"…\"";
            return Err(Problem::new(Reason::MalformedRequest, message));
        }
    }
    Ok(())
}
