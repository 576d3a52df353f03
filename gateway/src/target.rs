//! An RPC of a service behind the gateway, and how it is called: with wire bytes.

use bytes::Bytes;
use http::uri::PathAndQuery;
use prost_reflect::MethodDescriptor;
use souk_kit::Channel;
use souk_kit::policy::Rpc;
use souk_kit::request::Context;
use tonic::Status;
use tonic::client::Grpc;

use crate::codec::WireBytes;
use crate::foreign;
use crate::problem::Problem;

/// The largest answer of a service, in bytes. Services bound their pages well below.
const MAX_ANSWER: usize = 16 * 1024 * 1024;

/// An RPC of a service behind the gateway.
#[derive(Debug)]
pub(crate) struct Target {
    channel: Channel,
    /// Its path: `/package.v1.ThingService/GetThing`.
    pub path: PathAndQuery,
    /// What the contract says of it: who may call it, and how.
    pub rpc: Rpc,
    /// Whether the service is of this build: its failures have our reasons.
    is_ours: bool,
}

impl Target {
    /// # Errors
    ///
    /// Its name can be in no path.
    pub(crate) fn new(
        method: &MethodDescriptor,
        rpc: Rpc,
        channel: Channel,
    ) -> anyhow::Result<Self> {
        let service = method.parent_service();
        let path = format!("/{}/{}", service.full_name(), method.name());
        let is_ours = souk_proto::descriptors().get_service_by_name(service.full_name()).is_some();
        Ok(Self { channel, path: PathAndQuery::try_from(path)?, rpc, is_ours })
    }

    /// Calls it with one message.
    pub(crate) async fn call(
        &self,
        request: tonic::Request<Bytes>,
    ) -> Result<tonic::Response<Bytes>, Status> {
        let codec = WireBytes::for_request(request.get_ref());
        let mut client = Grpc::new(self.channel.clone()).max_decoding_message_size(MAX_ANSWER);
        client.ready().await.map_err(Status::from_error)?;
        client.unary(request, self.path.clone(), codec).await
    }

    /// Why a call of it has failed.
    pub(crate) fn problem(&self, status: &Status, context: &Context) -> Problem {
        if self.is_ours {
            Problem::from_status(status, context)
        } else {
            foreign::problem(status, context)
        }
    }
}
