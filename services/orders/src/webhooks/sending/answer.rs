//! What a receiver says.

use std::time::Duration;

use http::header::RETRY_AFTER;
use http::{HeaderMap, Response, StatusCode};
use http_body_util::BodyExt as _;
use hyper::body::Incoming;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc2822;
use tokio::time::{Instant, timeout_at};

use super::Kind;

/// So much of a body is kept.
pub(super) const KEPT: usize = 1024;

pub(super) struct Answer {
    pub status: u16,
    pub kind: Kind,
    pub retry_after: Option<Duration>,
    pub excerpt: String,
}

/// Reads the body for as long as there is one, and time.
pub(super) async fn read(response: Response<Incoming>, end: Instant) -> Answer {
    let (head, body) = response.into_parts();
    Answer {
        status: head.status.as_u16(),
        kind: meaning(head.status),
        retry_after: retry_after(&head.headers),
        excerpt: excerpt(&beginning(body, end).await),
    }
}

fn meaning(status: StatusCode) -> Kind {
    match status {
        StatusCode::GONE => Kind::Gone,
        _ if status.is_success() => Kind::Delivered,
        _ if status.is_redirection() => Kind::Redirected,
        _ => Kind::Rejected(status.as_u16()),
    }
}

/// The first bytes of a body, all of which is read.
async fn beginning(mut body: Incoming, end: Instant) -> Vec<u8> {
    let mut kept = Vec::new();
    while let Ok(Some(Ok(frame))) = timeout_at(end, body.frame()).await {
        let piece = frame.into_data().unwrap_or_default();
        let room = KEPT - kept.len();
        kept.extend_from_slice(&piece[..piece.len().min(room)]);
    }
    kept
}

/// Text for people, on one line.
pub(super) fn excerpt(bytes: &[u8]) -> String {
    let fit = |character: char| match character {
        '\n' | '\r' | '\t' => ' ',
        _ if character.is_control() => char::REPLACEMENT_CHARACTER,
        _ => character,
    };
    String::from_utf8_lossy(bytes).chars().map(fit).collect()
}

/// In seconds or as a date (RFC 9110, 10.2.3).
fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let text = headers.get(RETRY_AFTER)?.to_str().ok()?.trim();
    match text.parse() {
        Ok(seconds) => Some(Duration::from_secs(seconds)),
        Err(_) => until(OffsetDateTime::parse(text, &Rfc2822).ok()?),
    }
}

/// `None` for a time that has passed.
fn until(time: OffsetDateTime) -> Option<Duration> {
    (time - OffsetDateTime::now_utc()).try_into().ok()
}
