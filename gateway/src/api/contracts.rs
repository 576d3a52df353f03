//! The contracts that a gateway serves: those of this build, or any others.

use prost_reflect::{DescriptorPool, MethodDescriptor};
use souk_kit::policy::Rpc;
use souk_proto::souk::policy::v1::{Policy, policy};

use super::descriptors;
use super::http_rule::rules_of;
use crate::transcode::Style;

/// Contracts, how their JSON looks, and what holds where they say nothing.
#[derive(Debug, Clone)]
pub struct Contracts {
    pool: DescriptorPool,
    without_policy: Option<Access>,
    style: Style,
}

/// Who may call an RPC that has no policy.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Access {
    /// Anyone.
    Public,
    /// Anyone with a valid access token.
    SignedIn,
}

/// What contracts leave to whoever serves them, and has not been said.
#[derive(Debug, thiserror::Error)]
pub enum Unsaid {
    /// Who may call this RPC.
    #[error("{0} has no policy, and nothing else says who may call it")]
    Access(String),
    /// What verifies the tokens of those who call this RPC.
    #[error("{0} asks for a token, and there is nothing to verify one with")]
    Verifier(String),
}

impl Contracts {
    /// Those of this build. Each of their RPCs has a policy.
    pub fn of_this_build() -> Self {
        Self { pool: souk_proto::descriptors().clone(), without_policy: None, style: Style::Plain }
    }

    /// Those of an encoded `google.protobuf.FileDescriptorSet`. Where it is not said who may call an RPC
    /// that has no policy, each must have one.
    ///
    /// # Errors
    ///
    /// The bytes are none, files that they import are not among them, or one of the files is not in proto2
    /// or proto3.
    pub fn read(
        bytes: &[u8],
        without_policy: Option<Access>,
        style: Style,
    ) -> anyhow::Result<Self> {
        Ok(Self { pool: descriptors::read(bytes)?, without_policy, style })
    }

    /// The full names of the services that have an RPC with an HTTP rule.
    ///
    /// # Errors
    ///
    /// A rule that cannot be read.
    pub fn exposed(&self) -> anyhow::Result<Vec<String>> {
        let mut names = Vec::new();
        for service in self.pool.services() {
            for method in service.methods() {
                if !rules_of(&method)?.is_empty() {
                    names.push(service.full_name().to_owned());
                    break;
                }
            }
        }
        Ok(names)
    }

    /// How their JSON looks over REST.
    pub(crate) fn style(&self) -> Style {
        self.style
    }

    pub(crate) fn pool(&self) -> &DescriptorPool {
        &self.pool
    }

    /// What the contract says of an RPC.
    ///
    /// # Errors
    ///
    /// It has no policy where these contracts must have one.
    pub(super) fn rpc(&self, method: &MethodDescriptor) -> anyhow::Result<Rpc> {
        if let Some(rpc) = Rpc::of(method) {
            return Ok(rpc);
        }
        let unsaid = || Unsaid::Access(method.full_name().to_owned());
        let access = self.without_policy.ok_or_else(unsaid)?;
        let access = match access {
            Access::Public => policy::Access::Public(true),
            Access::SignedIn => policy::Access::SignedIn(true),
        };
        Ok(Rpc::with(Policy { access: Some(access), ..Policy::default() }, method))
    }
}
