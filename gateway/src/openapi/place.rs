//! Where an operation is in REST.

use http::Method;

use super::path::Path;
use crate::api::{HttpRule, Operation};

/// An operation, and where it is.
pub(super) struct Place<'p> {
    pub operation: &'p Operation,
    pub id: String,
    pub tag: &'p str,
    pub rule: &'p HttpRule,
    pub method: Method,
    pub path: &'p Path,
    /// What the parameters of the path are called.
    pub names: Vec<&'p str>,
}

impl Place<'_> {
    /// Whether a request may name the version that it changes.
    pub(super) fn is_conditional(&self) -> bool {
        self.operation.rpc.policy.conditional
    }

    /// Whether a client can do without the content of the answer.
    pub(super) fn may_be_minimal(&self) -> bool {
        let rpc = &self.operation.method;
        !self.method.is_safe() && !rpc.is_server_streaming() && rpc.output().fields().len() > 0
    }

    /// Whether the gateway may answer with what it has kept of an earlier call.
    pub(super) fn is_kept(&self) -> bool {
        let rpc = &self.operation.rpc;
        self.method == Method::GET
            && !rpc.needs_token()
            && rpc.policy.cache_control.contains("public")
    }
}
