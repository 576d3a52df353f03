//! What travels with a request from hop to hop: its id, its trace, its deadline, and who asks.

use std::time::{Duration, Instant};

use http::{HeaderMap, HeaderName, HeaderValue};
use souk_proto::Validate;
use tonic::metadata::MetadataValue;
use uuid::Uuid;

use crate::auth::Principal;
use crate::failure::{Failure, validate};
use crate::id::{self, kind};

/// Opens a request that has come through the stack of a service: its context, and its message when
/// that keeps the rules of the contract.
///
/// # Errors
///
/// The message breaks a rule.
pub fn open<T: Validate>(request: tonic::Request<T>) -> Result<(Context, T), Failure> {
    let context = Context::of(&request)?.clone();
    let message = request.into_inner();
    validate(&message)?;
    Ok((context, message))
}

/// The header that carries the request id, in requests and in responses.
pub const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
/// The header of W3C Trace Context.
pub const TRACEPARENT: HeaderName = HeaderName::from_static("traceparent");
/// The header that carries the client's idempotency key.
pub const IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");
/// The header of gRPC that carries what is left of the deadline.
pub const GRPC_TIMEOUT: HeaderName = HeaderName::from_static("grpc-timeout");

const MAX_REQUEST_ID: usize = 128;

/// The context of a call: in the extensions of each request that a service handles.
#[derive(Debug, Clone)]
pub struct Context {
    /// The id under which every hop logs: the client's, or a new `req_…`.
    pub request_id: String,
    /// The W3C trace that the call belongs to.
    pub traceparent: String,
    /// When the caller stops waiting.
    pub deadline: Instant,
    /// Who asks; `None` where the policy is public.
    pub principal: Option<Principal>,
}

impl Context {
    /// Reads what the hop before sent, and fills in what it did not. No call waits longer than
    /// `limit`.
    pub fn from_headers(headers: &HeaderMap, limit: Duration) -> Self {
        let left = headers.get(GRPC_TIMEOUT).and_then(parse_timeout).unwrap_or(limit);
        Self {
            request_id: request_id(headers),
            traceparent: traceparent(headers),
            deadline: Instant::now() + left.min(limit),
            principal: None,
        }
    }

    /// The context of work that no request asked for (a worker, a start-up task).
    pub fn background(limit: Duration) -> Self {
        Self::from_headers(&HeaderMap::new(), limit)
    }

    /// The same, as a late part of a request that has been answered.
    #[must_use]
    pub fn for_request(self, request_id: &str) -> Self {
        Self { request_id: request_id.to_owned(), ..self }
    }

    /// The context of a request that has come through the stack of a service.
    ///
    /// # Errors
    ///
    /// The request did not come through it, which is a fault of ours.
    pub fn of<T>(request: &tonic::Request<T>) -> Result<&Self, Failure> {
        request
            .extensions()
            .get::<Self>()
            .ok_or_else(|| Failure::internal(&std::io::Error::other("a request has no context")))
    }

    /// Who asks.
    ///
    /// # Errors
    ///
    /// The policy of the RPC is public, so that nobody has looked; a fault of ours.
    pub fn principal(&self) -> Result<&Principal, Failure> {
        self.principal.as_ref().ok_or_else(|| {
            Failure::internal(&std::io::Error::other("a public rpc asks for the principal"))
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
        if let Ok(value) = MetadataValue::try_from(&self.request_id) {
            metadata.insert("x-request-id", value);
        }
        if let Ok(value) = MetadataValue::try_from(&self.traceparent) {
            metadata.insert("traceparent", value);
        }
        request
    }
}

fn request_id(headers: &HeaderMap) -> String {
    let given = headers.get(REQUEST_ID).and_then(|value| value.to_str().ok());
    let fits = |id: &&str| {
        (1..=MAX_REQUEST_ID).contains(&id.len())
            && id.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_.:".contains(&byte))
    };
    given.filter(fits).map_or_else(|| id::new::<kind::Request>().to_string(), str::to_owned)
}

/// The caller's trace with a new parent, or a new trace (W3C Trace Context, version 00).
fn traceparent(headers: &HeaderMap) -> String {
    let given = headers.get(TRACEPARENT).and_then(|value| value.to_str().ok());
    let span = &Uuid::new_v4().simple().to_string()[..16];
    match given.and_then(trace_and_flags) {
        Some((trace, flags)) => format!("00-{trace}-{span}-{flags}"),
        None => format!("00-{}-{span}-00", Uuid::new_v4().simple()),
    }
}

fn trace_and_flags(value: &str) -> Option<(&str, &str)> {
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
    valid.then_some((trace, flags))
}

/// `grpc-timeout`: up to 8 digits and a unit (gRPC over HTTP/2).
fn parse_timeout(value: &HeaderValue) -> Option<Duration> {
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
        let kept = Context::from_headers(&headers(&[("x-request-id", "abc-123")]), limit);
        assert_eq!(kept.request_id, "abc-123");
        let replaced = Context::from_headers(&headers(&[("x-request-id", "a b")]), limit);
        assert!(replaced.request_id.starts_with("req_"));
    }

    #[test]
    fn a_deadline_is_what_the_caller_left_and_never_more_than_the_limit() {
        let limit = Duration::from_secs(10);
        let short = Context::from_headers(&headers(&[("grpc-timeout", "250m")]), limit);
        assert!(short.remaining() <= Duration::from_millis(250));
        let long = Context::from_headers(&headers(&[("grpc-timeout", "99H")]), limit);
        assert!(long.remaining() <= limit);
    }

    #[test]
    fn a_trace_goes_on_with_a_new_parent() {
        let given = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
        let context =
            Context::from_headers(&headers(&[("traceparent", given)]), Duration::from_secs(1));
        assert!(context.traceparent.starts_with("00-4bf92f3577b34da6a3ce929d0e0e4736-"));
        assert_ne!(context.traceparent, given);
    }
}
