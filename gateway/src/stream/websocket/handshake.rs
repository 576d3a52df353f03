//! The change from HTTP/1.1 to WebSocket (RFC 6455, section 4.2).

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::header::{
    AUTHORIZATION, CONNECTION, CONTENT_LENGTH, HOST, ORIGIN, SEC_WEBSOCKET_ACCEPT,
    SEC_WEBSOCKET_KEY, SEC_WEBSOCKET_PROTOCOL, SEC_WEBSOCKET_VERSION, TRANSFER_ENCODING, UPGRADE,
};
use http::request::Parts;
use http::{HeaderMap, HeaderName, HeaderValue, Method, Response, StatusCode, Version};
use souk_proto::souk::types::v1::Reason;
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;

use crate::errors::problem::Problem;
use crate::response::answer::Answer;

/// The subprotocol whose name is followed by an access token, for browsers: their scripts cannot set
/// headers.
const BEARER: &str = "bearer";

/// What a client asks for that wants a WebSocket.
pub(super) struct Handshake {
    accept: String,
    /// The token that it has named as a subprotocol.
    token: Option<HeaderValue>,
}

/// Whether a request asks for a WebSocket.
pub(crate) fn is_asked(request: &Parts) -> bool {
    let has = |name: HeaderName, token: &str| {
        values(&request.headers, name).any(|value| value.eq_ignore_ascii_case(token))
    };
    request.version == Version::HTTP_11
        && request.method == Method::GET
        && has(UPGRADE, "websocket")
        && has(CONNECTION, "upgrade")
}

impl Handshake {
    /// Reads what a client asks for.
    ///
    /// # Errors
    ///
    /// It is no WebSocket that we know, has a body, or comes from a page of elsewhere that is not one of
    /// `origins`.
    pub(super) fn read(headers: &HeaderMap, origins: &[HeaderValue]) -> Result<Self, Problem> {
        let malformed = |message| Problem::new(Reason::MalformedRequest, message);
        if headers.get(SEC_WEBSOCKET_VERSION).is_none_or(|version| version != "13") {
            return Err(malformed("the version of WebSocket must be 13"));
        }
        let key = headers.get(SEC_WEBSOCKET_KEY).map(HeaderValue::as_bytes).unwrap_or_default();
        if STANDARD.decode(key).map_or(0, |key| key.len()) != 16 {
            return Err(malformed("Sec-WebSocket-Key must be 16 bytes in base64"));
        }
        if has_body(headers) {
            return Err(malformed("the request for a WebSocket must have no body"));
        }
        check_origin(headers, origins)?;
        let mut protocols = values(headers, SEC_WEBSOCKET_PROTOCOL);
        let token = protocols.next().filter(|first| *first == BEARER).and(protocols.next());
        let token = token.map(|token| HeaderValue::try_from(format!("Bearer {token}")));
        Ok(Self { accept: derive_accept_key(key), token: token.transpose().unwrap_or_default() })
    }

    /// The headers of the request, with the token where a header is for it.
    pub(super) fn headers(&self, headers: &HeaderMap) -> HeaderMap {
        let mut headers = headers.clone();
        if let Some(token) = &self.token {
            headers.entry(AUTHORIZATION).or_insert_with(|| token.clone());
        }
        headers
    }

    /// The last response of HTTP.
    pub(super) fn response(&self) -> Response<Answer> {
        let mut response = Response::new(Answer::empty());
        *response.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
        let headers = response.headers_mut();
        headers.insert(CONNECTION, HeaderValue::from_static("upgrade"));
        headers.insert(UPGRADE, HeaderValue::from_static("websocket"));
        if let Ok(accept) = HeaderValue::try_from(&self.accept) {
            headers.insert(SEC_WEBSOCKET_ACCEPT, accept);
        }
        if self.token.is_some() {
            headers.insert(SEC_WEBSOCKET_PROTOCOL, HeaderValue::from_static(BEARER));
        }
        response
    }
}

/// What follows the head is no longer HTTP: nobody could tell a body from frames.
fn has_body(headers: &HeaderMap) -> bool {
    headers.contains_key(TRANSFER_ENCODING)
        || headers.get(CONTENT_LENGTH).is_some_and(|length| length != "0")
}

/// Browsers let any page connect to anywhere, and say only from where.
fn check_origin(headers: &HeaderMap, origins: &[HeaderValue]) -> Result<(), Problem> {
    let mut all = headers.get_all(ORIGIN).iter();
    let Some(origin) = all.next() else { return Ok(()) };
    if all.next().is_some() {
        let message = "the request has more than one Origin header";
        return Err(Problem::new(Reason::MalformedRequest, message));
    }
    let host = headers.get(HOST).map(HeaderValue::as_bytes);
    let is_here = origin.to_str().is_ok_and(|origin| {
        let authority = origin.split_once("://").map(|(_, authority)| authority.as_bytes());
        authority.zip(host).is_some_and(|(origin, host)| origin.eq_ignore_ascii_case(host))
    });
    if is_here || origins.iter().any(|allowed| allowed == origin || allowed == "*") {
        return Ok(());
    }
    let message = "pages of this origin may not connect";
    Err(Problem::new(Reason::PermissionDenied, message))
}

/// The items of a header that is a list.
fn values(headers: &HeaderMap, name: HeaderName) -> impl Iterator<Item = &str> {
    let lines = headers.get_all(name).into_iter().filter_map(|line| line.to_str().ok());
    lines.flat_map(|line| line.split(',')).map(str::trim)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(more: &[(HeaderName, &'static str)]) -> HeaderMap {
        let asked = [
            (HOST, "souk.example:8080"),
            (SEC_WEBSOCKET_VERSION, "13"),
            (SEC_WEBSOCKET_KEY, "dGhlIHNhbXBsZSBub25jZQ=="),
        ];
        let all = asked.iter().chain(more).cloned();
        let mut headers = HeaderMap::new();
        for (name, value) in all {
            headers.insert(name, HeaderValue::from_static(value));
        }
        headers
    }

    #[test]
    fn the_answer_proves_that_the_request_was_understood() {
        let handshake = Handshake::read(&headers(&[]), &[]).ok().unwrap();
        // RFC 6455, section 1.3
        assert_eq!(
            handshake.response().headers()[SEC_WEBSOCKET_ACCEPT],
            "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="
        );
        for wrong in [(SEC_WEBSOCKET_VERSION, "8"), (SEC_WEBSOCKET_KEY, "c2hvcnQ=")] {
            assert!(Handshake::read(&headers(&[wrong]), &[]).is_err());
        }
    }

    #[test]
    fn a_token_may_be_named_as_a_subprotocol() {
        let with = |more: &[(HeaderName, &'static str)]| {
            let headers = headers(more);
            let handshake = Handshake::read(&headers, &[]).ok().unwrap();
            let told = handshake.headers(&headers).get(AUTHORIZATION).cloned();
            let chosen = handshake.response().headers().contains_key(SEC_WEBSOCKET_PROTOCOL);
            (told.map(|told| told.to_str().unwrap().to_owned()), chosen)
        };
        assert_eq!(with(&[]), (None, false));
        assert_eq!(with(&[(SEC_WEBSOCKET_PROTOCOL, "chat, x.y")]), (None, false));
        let token = (SEC_WEBSOCKET_PROTOCOL, "bearer, x.y");
        let header = (AUTHORIZATION, "Bearer z");
        assert_eq!(with(&[token.clone(), header]), (Some("Bearer z".to_owned()), true));
        assert_eq!(with(&[token]), (Some("Bearer x.y".to_owned()), true));
    }

    #[test]
    fn pages_of_other_hosts_must_be_allowed() {
        let allowed = [HeaderValue::from_static("https://shop.example")];
        let is_allowed = |origin, allowed: &[HeaderValue]| {
            Handshake::read(&headers(&[(ORIGIN, origin)]), allowed).is_ok()
        };
        assert!(is_allowed("http://souk.example:8080", &[]));
        assert!(is_allowed("https://Souk.example:8080", &[]));
        assert!(is_allowed("https://shop.example", &allowed));
        assert!(is_allowed("https://else.example", &[HeaderValue::from_static("*")]));
        let others = ["https://else.example", "null", "http://souk.example", "souk.example:8080"];
        for origin in others {
            assert!(!is_allowed(origin, &allowed), "{origin}");
        }
    }
}
