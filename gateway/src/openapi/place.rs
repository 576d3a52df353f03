//! Where an operation is in REST.

use http::{Method, StatusCode};
use souk_kit::policy::Rpc;

use super::path::Path;
use crate::api::{HttpRule, Operation};
use crate::response::links::Paging;
use crate::routing::success;

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

    /// Whether what is answered says which version of the resource it is.
    pub(super) fn has_tag(&self) -> bool {
        let Rpc { policy, is_server_stream, .. } = &self.operation.rpc;
        !policy.version_field.is_empty() && (!is_server_stream || policy.download.is_some())
    }

    /// Whether what is answered says how it is called, or is to be saved.
    pub(super) fn names_file(&self) -> bool {
        let download = self.operation.rpc.policy.download.as_ref();
        download.is_some_and(|it| it.attachment || !it.file_name_field.is_empty())
    }

    /// How the pages around what is answered are found, where that is a page.
    pub(super) fn paging(&self) -> Option<Paging> {
        Paging::of(self.rule, &self.operation.method)
    }

    /// The status of a success, where the service does not choose another.
    pub(super) fn success(&self) -> StatusCode {
        let rpc = &self.operation.rpc;
        let output = self.operation.method.output();
        let usual = success(&rpc.policy, &output).ok().filter(|_| !rpc.is_server_stream);
        usual.unwrap_or(StatusCode::OK)
    }

    /// Whether a client can do without the content of the answer.
    pub(super) fn may_be_minimal(&self) -> bool {
        let is_stream = self.operation.rpc.is_server_stream;
        !self.method.is_safe() && !is_stream && self.success() != StatusCode::NO_CONTENT
    }

    /// Whether the gateway may answer with what it has kept of an earlier call.
    pub(super) fn is_kept(&self) -> bool {
        let rpc = &self.operation.rpc;
        self.method == Method::GET
            && !rpc.needs_token()
            && !rpc.is_server_stream
            && rpc.policy.cache_control.contains("public")
    }
}
