//! An RPC of a service behind the gateway, and how it is called: with wire bytes.

use std::collections::HashMap;
use std::error::Error as _;
use std::iter::successors;
use std::sync::Arc;

use anyhow::Context as _;
use bytes::Bytes;
use futures::Stream;
use http::HeaderName;
use http::uri::PathAndQuery;
use prost_reflect::MethodDescriptor;
use souk_kit::Channel;
use souk_kit::policy::Rpc;
use souk_kit::request::Context;
use tonic::client::Grpc;
use tonic::{Status, Streaming};
use tonic_types::StatusExt as _;

use super::Upstream;
use super::codec::{WireBytes, WireStream};
use super::forwarding::known_to;
use super::pipe::BrokenOff;
use crate::api::{Api, Operation};
use crate::errors::foreign;
use crate::errors::problem::{Problem, told};
use crate::limits::{Bucket, Limits};

/// The largest answer of a service, in bytes. Services bound their pages well below.
const MAX_ANSWER: usize = 16 * 1024 * 1024;
/// The largest message of a stream of them, in bytes: many clients may each leave one unread.
const MAX_MESSAGE: usize = 4 * 1024 * 1024;

/// An RPC of a service behind the gateway.
#[derive(Debug)]
pub(crate) struct Target {
    channel: Channel,
    /// Its path: `/package.v1.ThingService/GetThing`.
    pub path: PathAndQuery,
    /// What the contract says of it: who may call it, and how.
    pub rpc: Rpc,
    /// Headers that it knows, besides its message.
    pub known_headers: Vec<HeaderName>,
    /// What one client may call of it, where that is less than of others.
    pub limit: Option<Bucket>,
    /// Whether the service is of this build: its failures have our reasons.
    is_ours: bool,
}

/// The RPCs of what is exposed.
pub(crate) struct Targets {
    /// By their full names.
    targets: HashMap<String, Arc<Target>>,
}

impl Targets {
    /// # Errors
    ///
    /// A service has no upstream.
    pub(crate) fn new(api: &Api, upstreams: &[Upstream], limits: &Limits) -> anyhow::Result<Self> {
        let channels: HashMap<&str, Channels> = upstreams
            .iter()
            .map(|upstream| (upstream.name.as_str(), Channels::of(&upstream.channel)))
            .collect();
        let mut targets = HashMap::new();
        for operation in &api.operations {
            let Operation { method, rpc, .. } = operation;
            let service = method.parent_service();
            let channels = channels.get(service.full_name());
            let channels =
                channels.with_context(|| format!("{} has no upstream", service.full_name()))?;
            let limit = limits.of_rpc(method.full_name(), rpc.policy.address_calls_per_minute);
            let target = Target::new(operation, channels.choose(rpc).clone(), limit)?;
            targets.insert(method.full_name().to_owned(), Arc::new(target));
        }
        Ok(Self { targets })
    }

    /// That of a method.
    ///
    /// # Errors
    ///
    /// It is not exposed.
    pub(crate) fn of(&self, method: &MethodDescriptor) -> anyhow::Result<Arc<Target>> {
        let target = self.targets.get(method.full_name()).cloned();
        target.with_context(|| format!("{} is not exposed", method.full_name()))
    }
}

/// How to reach a service.
struct Channels {
    calls: Channel,
    streams: Channel,
}

impl Channels {
    fn of(channel: &Channel) -> Self {
        Self { calls: channel.clone(), streams: channel.for_streams() }
    }

    fn choose(&self, rpc: &Rpc) -> &Channel {
        if rpc.is_stream() { &self.streams } else { &self.calls }
    }
}

impl Target {
    /// # Errors
    ///
    /// Its name can be in no path, or its policy names headers that are not passed on.
    fn new(operation: &Operation, channel: Channel, limit: Option<Bucket>) -> anyhow::Result<Self> {
        let (method, rpc) = (&operation.method, operation.rpc.clone());
        let service = method.parent_service();
        let path = format!("/{}/{}", service.full_name(), method.name());
        let is_ours = operation.is_ours();
        let known_headers = known_to(&rpc.policy).with_context(|| path.clone())?;
        let path = PathAndQuery::try_from(path)?;
        Ok(Self { channel, path, rpc, known_headers, limit, is_ours })
    }

    /// Calls it with one message. A service that closes its connection at this moment has not looked at the call:
    /// it is made again, over another one. (A call with a stream is not: what was read of it is gone.)
    pub(crate) async fn call(
        &self,
        request: tonic::Request<Bytes>,
    ) -> Result<tonic::Response<Bytes>, Status> {
        let again = self.channel.is_remote().then(|| copy_of(&request));
        match (self.call_once(request).await, again) {
            (Err(status), Some(again)) if was_not_looked_at(&status) => self.call_once(again).await,
            (answer, _) => answer,
        }
    }

    async fn call_once(
        &self,
        request: tonic::Request<Bytes>,
    ) -> Result<tonic::Response<Bytes>, Status> {
        let codec = WireBytes::for_request(request.get_ref());
        let mut client = Grpc::new(self.channel.clone()).max_decoding_message_size(MAX_ANSWER);
        client.ready().await.map_err(Status::from_error)?;
        client.unary(request, self.path.clone(), codec).await
    }

    /// Calls it with a stream of messages.
    pub(crate) async fn call_with_stream(
        &self,
        request: tonic::Request<impl Stream<Item = Result<Bytes, BrokenOff>> + Send + 'static>,
    ) -> Result<tonic::Response<Bytes>, Status> {
        let mut client = Grpc::new(self.channel.clone()).max_decoding_message_size(MAX_ANSWER);
        client.ready().await.map_err(Status::from_error)?;
        client.client_streaming(request, self.path.clone(), WireStream).await
    }

    /// Calls it with one message, where it answers with a stream.
    pub(crate) async fn call_for_stream(
        &self,
        request: tonic::Request<Bytes>,
    ) -> Result<tonic::Response<Streaming<Bytes>>, Status> {
        let codec = WireBytes::for_request(request.get_ref());
        let mut client = Grpc::new(self.channel.clone()).max_decoding_message_size(MAX_MESSAGE);
        client.ready().await.map_err(Status::from_error)?;
        client.server_streaming(request, self.path.clone(), codec).await
    }

    /// Calls it with a stream of messages, where it answers with one; it may hear some before it begins.
    pub(crate) async fn call_with_streams(
        &self,
        request: tonic::Request<impl Stream<Item = Result<Bytes, BrokenOff>> + Send + 'static>,
    ) -> Result<Streaming<Bytes>, Status> {
        let mut client = Grpc::new(self.channel.clone()).max_decoding_message_size(MAX_MESSAGE);
        client.ready().await.map_err(Status::from_error)?;
        Ok(client.streaming(request, self.path.clone(), WireStream).await?.into_inner())
    }

    /// Why a call of it has failed.
    pub(crate) fn problem(&self, status: &Status, context: &Context) -> Problem {
        if self.is_ours {
            Problem::from_status(status, context)
        } else {
            foreign::problem(status, context)
        }
    }

    /// The same as a status: what the service has told, or what is told in place of the rest.
    pub(crate) fn status(&self, status: Status, context: &Context) -> Status {
        let is_told = if self.is_ours {
            told(&status.get_error_details()).is_some()
        } else {
            foreign::is_told(&status, context)
        };
        if !is_told {
            return self.problem(&status, context).into();
        }
        if self.is_ours { status } else { foreign::without_internals(status) }
    }
}

fn copy_of(request: &tonic::Request<Bytes>) -> tonic::Request<Bytes> {
    let (metadata, extensions) = (request.metadata().clone(), request.extensions().clone());
    tonic::Request::from_parts(metadata, extensions, request.get_ref().clone())
}

/// Whether the service says that it has not begun with a call, so that it is safe to make it again: the connection
/// goes away before it (RFC 9113, section 6.8), or it is refused (section 8.7).
fn was_not_looked_at(status: &Status) -> bool {
    let causes = successors(status.source(), |cause| (*cause).source());
    let is_untouched = |error: &h2::Error| {
        let goes_away = error.is_go_away() && error.reason() == Some(h2::Reason::NO_ERROR);
        let refused = error.is_reset() && error.reason() == Some(h2::Reason::REFUSED_STREAM);
        error.is_remote() && (goes_away || refused)
    };
    causes.filter_map(|cause| cause.downcast_ref()).any(is_untouched)
}
