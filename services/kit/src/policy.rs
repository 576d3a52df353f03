//! What the contracts say of each RPC besides its messages: who may call it, and how.

use std::collections::{BTreeSet, HashMap};
use std::sync::LazyLock;

use prost_reflect::MethodDescriptor;
use souk_proto::souk::policy::v1::policy::Access;
use souk_proto::souk::policy::v1::{Idempotency, Policy};
use souk_proto::{descriptors, policy_of};

/// The largest request message of an RPC whose policy does not say, in bytes.
const DEFAULT_REQUEST_BYTES: usize = 256 * 1024;
/// The largest stream of requests of an RPC whose policy does not say, in bytes.
const DEFAULT_STREAM_BYTES: u64 = 1024 * 1024 * 1024;

/// What a contract says of an RPC.
#[derive(Debug, Clone)]
pub struct Rpc {
    /// Its policy.
    pub policy: Policy,
    /// Whether it takes a stream of messages, which may take longer than one.
    pub is_client_stream: bool,
    /// Whether it answers with a stream of messages.
    pub is_server_stream: bool,
    /// The largest request message, in bytes.
    pub max_request_bytes: usize,
    /// The largest stream of requests over REST, all its messages together, in bytes.
    pub max_stream_bytes: u64,
}

/// The RPC with a gRPC path (`/souk.catalog.v1.CatalogService/GetProduct`). `None` means that no
/// contract knows the path: deny.
pub fn rpc(path: &str) -> Option<&'static Rpc> {
    static TABLE: LazyLock<HashMap<String, Rpc>> = LazyLock::new(|| {
        descriptors()
            .services()
            .flat_map(|service| service.methods().collect::<Vec<_>>())
            .filter_map(|method| {
                let path = format!("/{}/{}", method.parent_service().full_name(), method.name());
                Some((path, Rpc::of(&method)?))
            })
            .collect()
    });
    TABLE.get(path)
}

impl Rpc {
    /// What a contract says of this RPC; `None` when it has no policy.
    pub fn of(method: &MethodDescriptor) -> Option<Self> {
        Some(Self::with(policy_of(method)?, method))
    }

    /// An RPC with this policy.
    pub fn with(policy: Policy, method: &MethodDescriptor) -> Self {
        let max_request_bytes = match usize::try_from(policy.max_request_bytes) {
            Ok(0) | Err(_) => DEFAULT_REQUEST_BYTES,
            Ok(bytes) => bytes,
        };
        let max_stream_bytes = match u64::try_from(policy.max_stream_bytes) {
            Ok(0) | Err(_) => DEFAULT_STREAM_BYTES,
            Ok(bytes) => bytes,
        };
        Self {
            policy,
            is_client_stream: method.is_client_streaming(),
            is_server_stream: method.is_server_streaming(),
            max_request_bytes,
            max_stream_bytes,
        }
    }

    /// Whether messages come as a stream, in either direction: such a call may last.
    pub fn is_stream(&self) -> bool {
        self.is_client_stream || self.is_server_stream
    }

    /// Whether calls are kept under their idempotency keys, where they have one.
    pub fn takes_key(&self) -> bool {
        self.policy.idempotency() != Idempotency::Unspecified
    }

    /// Whether a token is asked for.
    pub fn needs_token(&self) -> bool {
        !matches!(self.policy.access, Some(Access::Public(true)))
    }
}

/// What an access token allows.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Scopes(BTreeSet<String>);

impl Scopes {
    /// Reads the `scope` claim: names separated by spaces (RFC 6749, section 3.3).
    pub fn parse(text: &str) -> Self {
        Self(text.split(' ').filter(|scope| !scope.is_empty()).map(str::to_owned).collect())
    }

    /// Whether the scope is among them.
    pub fn contains(&self, scope: &str) -> bool {
        self.0.contains(scope)
    }
}
