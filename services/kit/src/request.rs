//! What travels with a request from hop to hop: its id, its trace, its deadline, its idempotency key,
//! its condition, and who asks.

use std::sync::Arc;
use std::time::{Duration, Instant};

use http::{HeaderMap, HeaderName, HeaderValue};
use souk_proto::Validate;
use tonic::metadata::MetadataValue;
use uuid::Uuid;

use crate::auth::Principal;
use crate::condition::IfMatch;
use crate::failure::{Failure, validate};
use crate::id::{self, kind};
use crate::idempotency::Key;

/// Opens a request that has come through the stack of a service: its context, and its message when
/// that keeps the rules of the contract.
///
/// # Errors
///
/// The message breaks a rule.
pub fn open<T: Validate>(request: tonic::Request<T>) -> Result<(Context, T), Failure> {
    let (context, message) = take(request)?;
    validate(&message)?;
    Ok((context, message))
}

/// The same for a request that names a resource. Text that can be no id names nothing, so `id` is read
/// before the rules are looked at.
///
/// # Errors
///
/// That of `id`; or the message breaks a rule.
pub fn open_named<T: Validate, I, E: From<Failure>>(
    request: tonic::Request<T>,
    id: impl FnOnce(&T) -> Result<I, E>,
) -> Result<(Context, I, T), E> {
    let (context, message) = take(request)?;
    let id = id(&message)?;
    validate(&message)?;
    Ok((context, id, message))
}

fn take<T>(request: tonic::Request<T>) -> Result<(Context, T), Failure> {
    let (_, mut extensions, message) = request.into_parts();
    Ok((extensions.remove::<Context>().ok_or_else(no_context)?, message))
}

/// The header that carries the request id, in requests and in responses.
pub const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
/// The header of W3C Trace Context.
pub const TRACEPARENT: HeaderName = HeaderName::from_static("traceparent");
/// The header that carries the client's idempotency key.
pub const IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");
/// The header of an answer that an earlier call with the same idempotency key was given.
pub const IDEMPOTENT_REPLAYED: HeaderName = HeaderName::from_static("idempotent-replayed");
/// The metadata with the versions of a resource of which one must be there for the call to change it,
/// joined by commas; `*` is any.
pub const IF_MATCH: HeaderName = http::header::IF_MATCH;
/// The metadata with which a service chooses another HTTP status than the contract's: 202, for example.
pub const HTTP_STATUS: HeaderName = HeaderName::from_static("x-http-code");
/// The header, and the metadata, that name the last event of a stream that its client has seen.
pub const LAST_EVENT_ID: HeaderName = HeaderName::from_static("last-event-id");
/// The header of gRPC that carries what is left of the deadline.
pub const GRPC_TIMEOUT: HeaderName = HeaderName::from_static("grpc-timeout");

const MAX_REQUEST_ID: usize = 128;

/// The context of a call: in the extensions of each request that a service handles.
#[derive(Debug, Clone)]
pub struct Context {
    /// The id under which every hop logs: the client's, or a new `req_…`.
    pub request_id: Arc<str>,
    /// The W3C trace that the call belongs to: its caller's, or a new one.
    trace: Trace,
    /// When the caller stops waiting.
    pub deadline: Instant,
    /// Who asks; `None` where the policy is public.
    pub principal: Option<Arc<Principal>>,
    /// The key that makes the call safe to repeat; always there where the policy asks for it, and else
    /// only where it lets one be sent.
    pub idempotency_key: Option<Key>,
    /// Which versions of a resource the call may change; any, where the policy knows no condition.
    pub if_match: IfMatch,
}

/// What lasts of a `traceparent` from hop to hop (W3C Trace Context, version 00).
#[derive(Debug, Clone, PartialEq, Eq)]
struct Trace {
    id: [u8; 32],
    flags: [u8; 2],
}

impl Context {
    /// Reads what the hop before sent over gRPC, and fills in what it did not. No call waits longer
    /// than `limit`.
    pub fn from_grpc(headers: &HeaderMap, limit: Duration) -> Self {
        let left = headers.get(GRPC_TIMEOUT).and_then(parse_timeout).unwrap_or(limit);
        Self::from_http(headers, left.min(limit))
    }

    /// The same for what comes from outside, where nobody but us sets a deadline.
    pub fn from_http(headers: &HeaderMap, limit: Duration) -> Self {
        Self {
            request_id: request_id(headers),
            trace: (headers.get(TRACEPARENT))
                .and_then(|value| Trace::parse(value.to_str().ok()?))
                .unwrap_or_else(Trace::begin),
            deadline: Instant::now() + limit,
            principal: None,
            idempotency_key: None,
            if_match: IfMatch::Any,
        }
    }

    /// The context of work that no request asked for (a worker, a start-up task).
    pub fn background(limit: Duration) -> Self {
        Self::from_http(&HeaderMap::new(), limit)
    }

    /// The context of a late part of a request that has been answered.
    pub fn late(request_id: &str, limit: Duration) -> Self {
        Self {
            request_id: request_id.into(),
            trace: Trace::begin(),
            deadline: Instant::now() + limit,
            principal: None,
            idempotency_key: None,
            if_match: IfMatch::Any,
        }
    }

    /// The same for a call that ends at another time.
    pub fn until(&self, deadline: Instant) -> Self {
        Self { deadline, ..self.clone() }
    }

    /// The context of a request that has come through the stack of a service.
    ///
    /// # Errors
    ///
    /// The request did not come through it, which is a fault of ours.
    pub fn of<T>(request: &tonic::Request<T>) -> Result<&Self, Failure> {
        request.extensions().get::<Self>().ok_or_else(no_context)
    }

    /// Who asks.
    ///
    /// # Errors
    ///
    /// The policy of the RPC is public, so that nobody has looked; a fault of ours.
    pub fn principal(&self) -> Result<&Principal, Failure> {
        self.principal.as_deref().ok_or_else(|| {
            Failure::internal(&std::io::Error::other("a public rpc asks for the principal"))
        })
    }

    /// The idempotency key of the call.
    ///
    /// # Errors
    ///
    /// The policy of the RPC does not ask for one; a fault of ours.
    pub fn idempotency_key(&self) -> Result<&Key, Failure> {
        self.idempotency_key.as_ref().ok_or_else(|| {
            Failure::internal(&std::io::Error::other("an rpc without keys asks for one"))
        })
    }

    /// What is left of the deadline.
    pub fn remaining(&self) -> Duration {
        self.deadline.saturating_duration_since(Instant::now())
    }

    /// A request to another service, as part of this one.
    pub fn outgoing<T>(&self, message: T) -> tonic::Request<T> {
        let mut request = tonic::Request::new(message);
        request.set_timeout(self.remaining());
        let metadata = request.metadata_mut();
        if let Ok(value) = MetadataValue::try_from(&*self.request_id) {
            metadata.insert("x-request-id", value);
        }
        if let Ok(value) = MetadataValue::try_from(self.trace.next()) {
            metadata.insert("traceparent", value);
        }
        request
    }
}

fn no_context() -> Failure {
    Failure::internal(&std::io::Error::other("a request has no context"))
}

fn request_id(headers: &HeaderMap) -> Arc<str> {
    let given = headers.get(REQUEST_ID).and_then(|value| value.to_str().ok());
    let fits = |id: &&str| {
        (1..=MAX_REQUEST_ID).contains(&id.len())
            && id.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_.:".contains(&byte))
    };
    given.filter(fits).map_or_else(|| id::new::<kind::Request>().to_string().into(), Arc::from)
}

impl Trace {
    fn parse(value: &str) -> Option<Self> {
        let mut parts = value.split('-');
        let (version, trace, parent, flags) =
            (parts.next()?, parts.next()?, parts.next()?, parts.next()?);
        let hex = |part: &str, len| {
            part.len() == len && part.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
        };
        let valid = hex(version, 2)
            && version != "ff"
            && hex(trace, 32)
            && trace.bytes().any(|byte| byte != b'0')
            && hex(parent, 16)
            && hex(flags, 2);
        let id = trace.as_bytes().try_into().ok()?;
        let flags = flags.as_bytes().try_into().ok()?;
        valid.then_some(Self { id, flags })
    }

    fn begin() -> Self {
        let mut id = [0; 32];
        Uuid::new_v4().simple().encode_lower(&mut id);
        Self { id, flags: *b"00" }
    }

    /// The same trace with a new parent.
    fn next(&self) -> Vec<u8> {
        let mut span = [0; 32];
        Uuid::new_v4().simple().encode_lower(&mut span);
        [b"00-", &self.id[..], b"-", &span[..16], b"-", &self.flags].concat()
    }
}

/// `grpc-timeout`: up to 8 digits and a unit (gRPC over HTTP/2).
pub fn parse_timeout(value: &HeaderValue) -> Option<Duration> {
    let text = value.to_str().ok()?;
    let (digits, unit) = text.split_at_checked(text.len().checked_sub(1)?)?;
    if digits.is_empty() || digits.len() > 8 || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let amount: u64 = digits.parse().ok()?;
    match unit {
        "H" => Some(Duration::from_secs(amount * 3600)),
        "M" => Some(Duration::from_secs(amount * 60)),
        "S" => Some(Duration::from_secs(amount)),
        "m" => Some(Duration::from_millis(amount)),
        "u" => Some(Duration::from_micros(amount)),
        "n" => Some(Duration::from_nanos(amount)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(pairs: &[(&'static str, &'static str)]) -> HeaderMap {
        pairs
            .iter()
            .map(|(name, value)| (HeaderName::from_static(name), HeaderValue::from_static(value)))
            .collect()
    }

    #[test]
    fn a_callers_request_id_is_kept_and_a_bad_one_replaced() {
        let limit = Duration::from_secs(1);
        let kept = Context::from_http(&headers(&[("x-request-id", "abc-123")]), limit);
        assert_eq!(&*kept.request_id, "abc-123");
        let replaced = Context::from_http(&headers(&[("x-request-id", "a b")]), limit);
        assert!(replaced.request_id.starts_with("req_"));
    }

    #[test]
    fn a_deadline_is_what_the_caller_left_and_never_more_than_the_limit() {
        let limit = Duration::from_secs(10);
        let short = Context::from_grpc(&headers(&[("grpc-timeout", "250m")]), limit);
        assert!(short.remaining() <= Duration::from_millis(250));
        let long = Context::from_grpc(&headers(&[("grpc-timeout", "99H")]), limit);
        assert!(long.remaining() <= limit);
    }

    #[test]
    fn a_client_of_the_gateway_does_not_set_its_deadline() {
        let limit = Duration::from_secs(10);
        let outside = Context::from_http(&headers(&[("grpc-timeout", "1m")]), limit);
        assert!(outside.remaining() > Duration::from_secs(9));
    }

    #[test]
    fn a_trace_goes_on_with_a_new_parent() {
        let given = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
        let limit = Duration::from_secs(1);
        let context = Context::from_http(&headers(&[("traceparent", given)]), limit);
        let sent = context.outgoing(()).metadata().get("traceparent").unwrap().clone();
        let sent = sent.to_str().unwrap();
        assert!(sent.starts_with("00-4bf92f3577b34da6a3ce929d0e0e4736-"));
        assert!(sent.ends_with("-01"));
        assert_ne!(sent, given);
    }
}
