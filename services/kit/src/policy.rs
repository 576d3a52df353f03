//! Who may call which RPC, as the contracts say it.

use std::collections::{BTreeSet, HashMap};
use std::sync::LazyLock;

use souk_proto::souk::policy::v1::Policy;
use souk_proto::{descriptors, policy_of};

/// The policy of an RPC by its gRPC path (`/souk.catalog.v1.CatalogService/GetProduct`). `None`
/// means that no contract knows the path: deny.
pub fn policy(path: &str) -> Option<&'static Policy> {
    static TABLE: LazyLock<HashMap<String, Policy>> = LazyLock::new(|| {
        descriptors()
            .services()
            .flat_map(|service| service.methods().collect::<Vec<_>>())
            .filter_map(|method| {
                let path = format!("/{}/{}", method.parent_service().full_name(), method.name());
                Some((path, policy_of(&method)?))
            })
            .collect()
    });
    TABLE.get(path)
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

/// Whether the RPC takes a stream of messages, which may take longer than one.
pub fn is_client_stream(path: &str) -> bool {
    static STREAMS: LazyLock<BTreeSet<String>> = LazyLock::new(|| {
        descriptors()
            .services()
            .flat_map(|service| service.methods().collect::<Vec<_>>())
            .filter(|method| method.is_client_streaming())
            .map(|method| format!("/{}/{}", method.parent_service().full_name(), method.name()))
            .collect()
    });
    STREAMS.contains(path)
}
