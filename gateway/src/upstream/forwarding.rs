//! Headers that mean nothing here, but something to the services: with a request they go on as metadata
//! of its call, and metadata of the answer with their names comes back as headers. Contracts name some for an RPC
//! (`forwarded_headers`), which only go on.

use std::str::FromStr;
use std::sync::OnceLock;

use anyhow::Context as _;
use http::header::VARY;
use http::{HeaderMap, HeaderName, HeaderValue};
use souk_proto::souk::policy::v1::Policy;
use tonic::metadata::MetadataMap;
use tonic::{Response, Status};

/// Names that gRPC uses, that are for one connection only (RFC 9110, section 7.6.1), or to which the
/// gateway gives a meaning: some of these it passes on by rules of their own.
const TAKEN: [&str; 26] = [
    "accept",
    "accept-encoding",
    "accept-ranges",
    "authorization",
    "connection",
    "date",
    "etag",
    "expect",
    "host",
    "idempotency-key",
    "idempotent-replayed",
    "keep-alive",
    "last-event-id",
    "origin",
    "prefer",
    "range",
    "strict-transport-security",
    "te",
    "traceparent",
    "trailer",
    "transfer-encoding",
    "upgrade",
    "user-agent",
    "vary",
    "x-http-code",
    "x-request-id",
];
/// How more of them begin.
const TAKEN_PREFIXES: [&str; 7] =
    ["access-control-", "connect-", "content-", "grpc-", "if-", "proxy-", "sec-websocket-"];

/// The name of a header that is passed on, in both directions.
#[derive(Debug, Clone)]
pub struct ForwardedHeader(HeaderName);

impl ForwardedHeader {
    pub(crate) fn name(&self) -> &HeaderName {
        &self.0
    }
}

/// Why a header is not passed on.
#[derive(Debug, thiserror::Error)]
pub enum NotForwarded {
    /// There can be no such header.
    #[error("must be the name of a header")]
    NoName,
    /// It has a meaning already.
    #[error("gRPC, or the gateway, gives this header its own meaning")]
    Taken,
    /// Its values are bytes for gRPC, and text for HTTP.
    #[error("binary metadata (-bin) is not passed on")]
    Binary,
}

impl FromStr for ForwardedHeader {
    type Err = NotForwarded;

    fn from_str(text: &str) -> Result<Self, NotForwarded> {
        let name: HeaderName = text.parse().map_err(|_| NotForwarded::NoName)?;
        let begins_with = |prefix: &&str| name.as_str().starts_with(prefix);
        if TAKEN.contains(&name.as_str()) || TAKEN_PREFIXES.iter().any(begins_with) {
            return Err(NotForwarded::Taken);
        }
        if name.as_str().ends_with("-bin") {
            return Err(NotForwarded::Binary);
        }
        Ok(Self(name))
    }
}

/// The headers that an RPC knows, as its policy names them.
///
/// # Errors
///
/// One of them is not passed on; or answers that may depend on them are to be kept.
pub(crate) fn known_to(policy: &Policy) -> anyhow::Result<Vec<HeaderName>> {
    let names = &policy.forwarded_headers;
    anyhow::ensure!(
        names.is_empty() || policy.cache_control.is_empty(),
        "an RPC with forwarded_headers has no cache_control"
    );
    let name = |text: &String| {
        let header = text.parse::<ForwardedHeader>();
        Ok(header.with_context(|| format!("forwarded_headers: {text:?}"))?.0)
    };
    names.iter().map(name).collect()
}

/// The headers that a gateway passes on.
#[derive(Debug)]
pub(crate) struct Forwarded {
    names: Vec<HeaderName>,
    /// All of them: answers may differ with each. `None` where there are none.
    vary: Option<HeaderValue>,
}

impl Forwarded {
    pub(crate) fn new(headers: &[ForwardedHeader]) -> Self {
        let mut names: Vec<HeaderName> = headers.iter().map(|header| header.0.clone()).collect();
        names.sort_by(|one, other| one.as_str().cmp(other.as_str()));
        names.dedup();
        let list = names.iter().map(HeaderName::as_str).collect::<Vec<_>>().join(", ");
        let vary = HeaderValue::try_from(list).ok().filter(|list| !list.is_empty());
        Self { names, vary }
    }

    /// Whether a request has one of them: what it is answered is not for others.
    pub(crate) fn is_any_in(&self, headers: &HeaderMap) -> bool {
        self.names.iter().any(|name| headers.contains_key(name))
    }

    /// Adds those of a request to the metadata of its call, and those of `known`, which its RPC knows. What gRPC
    /// cannot carry is left out, as if it had not been sent.
    pub(crate) fn put(
        &self,
        known: &[HeaderName],
        headers: &HeaderMap,
        metadata: &mut MetadataMap,
    ) {
        let known = known.iter().filter(|name| !self.names.contains(name));
        for name in self.names.iter().chain(known) {
            for value in headers.get_all(name).iter().filter(|value| value.to_str().is_ok()) {
                metadata.as_mut().append(name, value.clone());
            }
        }
    }

    /// Those that an answer brings back.
    pub(crate) fn of(&self, metadata: &MetadataMap) -> HeaderMap {
        let mut found = HeaderMap::new();
        for name in &self.names {
            for value in metadata.as_ref().get_all(name) {
                found.append(name, value.clone());
            }
        }
        found
    }
}

/// What is passed on with one request, and what comes back.
#[derive(Debug)]
pub(crate) struct Forwarding<'f> {
    pub forwarded: &'f Forwarded,
    returned: OnceLock<HeaderMap>,
}

impl<'f> Forwarding<'f> {
    pub(crate) fn of(forwarded: &'f Forwarded) -> Self {
        Self { forwarded, returned: OnceLock::new() }
    }

    /// Takes what an answer, or a failure, brings back.
    pub(crate) fn take<T>(&self, answer: &Result<Response<T>, Status>) {
        let metadata = match answer {
            Ok(answer) => answer.metadata(),
            Err(status) => status.metadata(),
        };
        let _ = self.returned.set(self.forwarded.of(metadata));
    }

    /// Writes the headers of the response. What the gateway itself has said there stays.
    pub(crate) fn write(&self, headers: &mut HeaderMap) {
        if let Some(vary) = &self.forwarded.vary {
            headers.append(VARY, vary.clone());
        }
        let Some(returned) = self.returned.get() else { return };
        for name in returned.keys() {
            if headers.contains_key(name) {
                continue;
            }
            for value in returned.get_all(name) {
                headers.append(name, value.clone());
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_contract_names_headers_that_nobody_else_needs() {
        let policy = |names: &[&str], cache_control: &str| Policy {
            forwarded_headers: names.iter().map(|&name| name.to_owned()).collect(),
            cache_control: cache_control.to_owned(),
            ..Policy::default()
        };
        let known = known_to(&policy(&["X-Signature", "x-event"], "")).unwrap();
        assert_eq!(known, ["x-signature", "x-event"]);
        assert!(known_to(&policy(&[], "public")).unwrap().is_empty());
        for (names, cache_control) in
            [(&["authorization"], ""), (&["x signature"], ""), (&["x-signature"], "public")]
        {
            assert!(known_to(&policy(names, cache_control)).is_err(), "{names:?}");
        }
    }

    #[test]
    fn names_that_have_a_meaning_already_are_refused() {
        for name in ["X-Tenant", "accept-language", "cookie", "set-cookie", "tracestate"] {
            assert!(name.parse::<ForwardedHeader>().is_ok(), "{name}");
        }
        for name in TAKEN {
            assert!(matches!(name.parse::<ForwardedHeader>(), Err(NotForwarded::Taken)), "{name}");
        }
        for name in ["Grpc-Timeout", "content-type", "Authorization", "if-match", "grpc-tags-bin"] {
            assert!(matches!(name.parse::<ForwardedHeader>(), Err(NotForwarded::Taken)), "{name}");
        }
        let binary = "x-trace-bin".parse::<ForwardedHeader>();
        assert!(matches!(binary, Err(NotForwarded::Binary)));
        for name in ["", "x tenant", ":path", "x-tenant:"] {
            assert!(matches!(name.parse::<ForwardedHeader>(), Err(NotForwarded::NoName)), "{name}");
        }
    }
}
