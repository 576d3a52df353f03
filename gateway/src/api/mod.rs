//! The one model of what is exposed: the RPCs of some contracts, with what these say of each. Routes
//! and documents are made of it.

pub(crate) mod comments;
mod contracts;
mod descriptors;
mod http_rule;
pub(crate) mod reasons;
pub(crate) mod statuses;

use anyhow::Context as _;
use prost_reflect::{DescriptorPool, MethodDescriptor};
use souk_kit::policy::Rpc;

pub(crate) use crate::template::{Segment, Template};
pub use contracts::{Access, Contracts, Unsaid};
pub(crate) use http_rule::{BodyRule, HttpRule};

/// What some contracts expose.
#[derive(Debug)]
pub(crate) struct Api {
    /// The contracts.
    pub pool: DescriptorPool,
    /// The RPCs that have an HTTP rule, in the order of the contracts.
    pub operations: Vec<Operation>,
}

/// An RPC that is exposed.
#[derive(Debug)]
pub(crate) struct Operation {
    /// Its contract.
    pub method: MethodDescriptor,
    /// What the contract says of it besides its messages: who may call it, and how.
    pub rpc: Rpc,
    /// Where it is in REST: once at least.
    pub rules: Vec<HttpRule>,
}

impl Operation {
    /// Whether its service is of this build: its failures have our reasons.
    pub(crate) fn is_ours(&self) -> bool {
        let service = self.method.parent_service();
        souk_proto::descriptors().get_service_by_name(service.full_name()).is_some()
    }

    /// Whether its messages can go in a request and its response. In both directions at once they cannot.
    pub(crate) fn has_http(&self) -> bool {
        !(self.rpc.is_client_stream && self.rpc.is_server_stream)
    }

    /// Whether its messages can go over a WebSocket where it has this rule.
    pub(crate) fn has_websocket(&self, rule: &HttpRule) -> bool {
        let is_json =
            !rule.takes_bytes(&self.method.input()) && !rule.gives_bytes(&self.method.output());
        self.rpc.is_stream() && is_json
    }
}

impl Api {
    /// What these services expose.
    ///
    /// # Errors
    ///
    /// No contract has such a service, or an RPC has a rule that cannot be read, or no policy where
    /// the contracts must have one.
    pub(crate) fn of<'n>(
        contracts: &Contracts,
        services: impl IntoIterator<Item = &'n str>,
    ) -> anyhow::Result<Self> {
        let mut operations = Vec::new();
        for name in services {
            let service = contracts.pool().get_service_by_name(name);
            let service = service.with_context(|| format!("no contract has the service {name}"))?;
            for method in service.methods() {
                let rules = http_rule::rules_of(&method)?;
                if !rules.is_empty() {
                    let rpc = contracts.rpc(&method)?;
                    operations.push(Operation { method, rpc, rules });
                }
            }
        }
        Ok(Self { pool: contracts.pool().clone(), operations })
    }
}
