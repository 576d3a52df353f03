//! The RPCs of what is exposed under their own names, `POST /package.Service/Method`, for clients that
//! are generated from the contracts: Connect (unary) and gRPC-Web.

mod connect;
mod grpc_web;
mod protocol;

use std::collections::HashMap;
use std::sync::Arc;

use anyhow::Context as _;
use bytes::Bytes;
use http::Response;
use http_body::Body;
use prost_reflect::MessageDescriptor;
use souk_kit::request::IF_MATCH;
use souk_proto::souk::types::v1::Reason;
use tonic::Status;

use crate::admission::{Client, Gate, forward};
use crate::api::Api;
use crate::errors::problem::Problem;
use crate::response::answer::Answer;
use crate::transcode::{MessageId, Plans, Style};
use crate::upstream::target::{Target, Targets};
pub(crate) use protocol::Protocol;

/// The RPCs that can be called by their names.
pub(crate) struct Rpcs {
    /// By their paths.
    rpcs: HashMap<String, Rpc>,
    /// Those of canonical ProtoJSON, which generated clients speak.
    plans: Plans,
}

/// One of them.
pub(crate) struct Rpc {
    target: Arc<Target>,
    input: MessageId,
    output: MessageId,
}

impl Rpcs {
    /// Those of what is exposed. Only those that take one message and answer one are called here; of
    /// others their clients are told so.
    ///
    /// # Errors
    ///
    /// A message has no JSON protocol.
    pub(crate) fn compile(api: &Api, targets: &Targets) -> anyhow::Result<Self> {
        let methods = || api.operations.iter().map(|operation| &operation.method);
        let messages = methods().flat_map(|method| [method.input(), method.output()]);
        let plans = Plans::compile(messages, Style::Canonical)?;
        let mut rpcs = HashMap::new();
        for method in methods() {
            let plan_of = |message: MessageDescriptor| {
                plans.message(message.full_name()).context("a message has no plan")
            };
            let target = targets.of(method)?;
            let (input, output) = (plan_of(method.input())?, plan_of(method.output())?);
            rpcs.insert(target.path.to_string(), Rpc { target, input, output });
        }
        Ok(Self { rpcs, plans })
    }

    /// The RPC at a path.
    pub(crate) fn find(&self, path: &str) -> Option<&Rpc> {
        self.rpcs.get(path)
    }

    /// Answers a call.
    ///
    /// # Errors
    ///
    /// The client speaks none of the protocols. Any other failure is told in the one that it speaks.
    pub(crate) async fn call<B: Body<Data = Bytes> + Unpin>(
        &self,
        gate: &Gate,
        rpc: &Rpc,
        client: Client<'_>,
        body: &mut B,
    ) -> Result<Response<Answer>, Problem> {
        let protocol = Protocol::of(client.headers)?;
        let answer = self.carry_out(gate, rpc, protocol, client, body).await;
        Ok(protocol.response(answer))
    }

    /// The answer in the form of the client.
    async fn carry_out<B: Body<Data = Bytes> + Unpin>(
        &self,
        gate: &Gate,
        rpc: &Rpc,
        protocol: Protocol,
        client: Client<'_>,
        body: &mut B,
    ) -> Result<tonic::Response<Bytes>, Status> {
        let target = &rpc.target;
        if target.rpc.is_stream() {
            return Err(Status::unimplemented("streams are in REST, and over gRPC itself"));
        }
        protocol::refuse_encoded(client.headers)?;
        gate.admit(target, client).await?;
        let most = target.rpc.max_request_bytes;
        let body = gate.read(client, body, protocol.most(most)).await?;
        let _permit = gate.permit(client)?;
        let wire = protocol.message(body, most)?;
        let wire =
            if protocol.is_json() { self.to_wire(rpc, &wire)? } else { self.checked(rpc, wire)? };
        let mut outgoing = client.outgoing(target, wire);
        // of this protocol too it is metadata, of versions and not of entity tags
        forward(&IF_MATCH, client.headers, outgoing.metadata_mut());
        if let Some(limit) = protocol.limit(client.headers) {
            outgoing.set_timeout(limit.min(client.context.remaining()));
        }
        let answer = target.call(outgoing).await;
        client.forwarding.take(&answer);
        let mut answer = answer.map_err(|status| target.status(status, client.context))?;
        if protocol.is_json() {
            *answer.get_mut() = self.to_json(rpc, client, answer.get_ref())?;
        }
        Ok(answer)
    }

    fn checked(&self, rpc: &Rpc, wire: Bytes) -> Result<Bytes, Problem> {
        let refused =
            |issue| Problem::new(Reason::MalformedRequest, format!("the message {issue}"));
        self.plans.check(rpc.input, &wire).map_err(refused)?;
        Ok(wire)
    }

    fn to_wire(&self, rpc: &Rpc, json: &[u8]) -> Result<Bytes, Problem> {
        let mut wire = Vec::new();
        self.plans.json_to_wire(rpc.input, json, &mut wire)?;
        Ok(wire.into())
    }

    fn to_json(&self, rpc: &Rpc, client: Client<'_>, wire: &[u8]) -> Result<Bytes, Problem> {
        let mut json = Vec::new();
        let written = self.plans.wire_to_json(rpc.output, wire, &mut json);
        written.map_err(|error| {
            let path = &rpc.target.path;
            Problem::internal(client.context, &format!("{path}: {error}"))
        })?;
        Ok(json.into())
    }
}
