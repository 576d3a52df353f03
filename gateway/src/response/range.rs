//! A part of a content (RFC 9110, section 14).

use std::ops::RangeInclusive;

use http::header::{ACCEPT_RANGES, CONTENT_LENGTH, CONTENT_RANGE, ETAG, IF_RANGE, RANGE};
use http::request::Parts;
use http::{HeaderMap, HeaderValue, Method, Response, StatusCode};
use souk_proto::souk::types::v1::Reason;

use super::answer::Answer;
use super::caller::Caller;
use crate::errors::problem::Problem;

/// What a client asks for, however long the content is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Range {
    /// From this byte on, to that one if it names one.
    From(u64, Option<u64>),
    /// So many of the last.
    Last(u64),
}

/// What part of a content that is.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Part {
    /// From this byte to that one.
    Of(RangeInclusive<u64>),
    /// One that begins behind the end.
    Nothing,
}

/// The part of an answer that a client asks for, where the answer has parts; `None` is all of it. So is
/// one that may be of another version: what we do not give in parts we give whole, as we may.
pub(crate) fn asked(request: &Parts, response: &Response<Answer>) -> Option<Part> {
    let has_parts = response.status() == StatusCode::OK
        && response.headers().contains_key(ACCEPT_RANGES)
        && is_current(&request.headers, response.headers());
    let range = Range::of(&request.method, &request.headers).filter(|_| has_parts)?;
    Some(range.within(response.body().length()?))
}

/// Whether a client wants parts of the version that is there: of any, or of that with a strong tag
/// (`If-Range`).
pub(crate) fn is_current(request: &HeaderMap, response: &HeaderMap) -> bool {
    let is_same =
        |tag: &HeaderValue| tag.as_bytes().starts_with(b"\"") && response.get(ETAG) == Some(tag);
    request.get(IF_RANGE).is_none_or(is_same)
}

impl Range {
    /// That of a request; `None` is all. So are several, which we may give whole.
    pub(crate) fn of(method: &Method, request: &HeaderMap) -> Option<Self> {
        let range = request.get(RANGE).filter(|_| method == Method::GET)?;
        Self::parse(range.to_str().ok()?)
    }

    fn parse(range: &str) -> Option<Self> {
        let (unit, range) = range.split_once('=')?;
        let (first, last) = range.trim().split_once('-')?;
        if !unit.trim().eq_ignore_ascii_case("bytes") {
            return None;
        }
        match (number(first)?, number(last)?) {
            (Some(first), Some(last)) if first > last => None,
            (Some(first), last) => Some(Self::From(first, last)),
            (None, last) => last.map(Self::Last),
        }
    }

    /// The part that it is of so many bytes.
    pub(crate) fn within(self, length: u64) -> Part {
        let (first, last) = match self {
            Self::From(first, last) => (first, last.unwrap_or(u64::MAX)),
            Self::Last(0) => return Part::Nothing,
            Self::Last(count) => (length.saturating_sub(count), u64::MAX),
        };
        if first >= length { Part::Nothing } else { Part::Of(first..=last.min(length - 1)) }
    }
}

impl Part {
    /// What of so many bytes it is, for `Content-Range`.
    pub(crate) fn told(&self, length: u64) -> Option<HeaderValue> {
        let told = match self {
            Self::Of(part) => format!("bytes {}-{}/{length}", part.start(), part.end()),
            Self::Nothing => format!("bytes */{length}"),
        };
        HeaderValue::try_from(told).ok()
    }
}

/// A number, or no text at all; `None` when it is neither. What is too large is as large as can be.
fn number(text: &str) -> Option<Option<u64>> {
    if !text.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    Some((!text.is_empty()).then(|| text.parse().unwrap_or(u64::MAX)))
}

/// The answer to who asks for a part that there is not of so many bytes.
pub(crate) fn beyond(length: u64, caller: &Caller<'_>) -> Response<Answer> {
    let message = "the range begins behind the end of the content";
    let mut response = caller.answer(&Problem::new(Reason::RangeNotSatisfiable, message));
    let told = Part::Nothing.told(length);
    response.headers_mut().extend(told.map(|told| (CONTENT_RANGE, told)));
    response
}

/// Leaves of an answer what was asked for.
pub(crate) fn cut(response: &mut Response<Answer>, asked: &Part, caller: &Caller<'_>) {
    let Some(content) = response.body_mut().whole() else { return };
    let length = content.len() as u64;
    let Part::Of(part) = asked else {
        *response = beyond(length, caller);
        return;
    };
    let index = |byte: &u64| usize::try_from(*byte).unwrap_or(usize::MAX);
    *response.body_mut() = content.slice(index(part.start())..=index(part.end())).into();
    *response.status_mut() = StatusCode::PARTIAL_CONTENT;
    let headers = response.headers_mut();
    // a router has said it of the whole
    headers.remove(CONTENT_LENGTH);
    headers.extend(asked.told(length).map(|told| (CONTENT_RANGE, told)));
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(range: &str, length: u64) -> Option<Part> {
        Some(Range::parse(range)?.within(length))
    }

    #[test]
    fn a_range_is_cut_at_the_end_of_the_content() {
        let part = |range, length| match parse(range, length) {
            Some(Part::Of(part)) => Some(part.into_inner()),
            _ => None,
        };
        assert_eq!(part("bytes=0-0", 10), Some((0, 0)));
        assert_eq!(part("bytes=2-5", 10), Some((2, 5)));
        assert_eq!(part("Bytes = 2-99", 10), Some((2, 9)));
        assert_eq!(part("bytes=2-", 10), Some((2, 9)));
        assert_eq!(part("bytes=-3", 10), Some((7, 9)));
        assert_eq!(part("bytes=-99", 10), Some((0, 9)));
        assert_eq!(part("bytes=1-99999999999999999999999", 10), Some((1, 9)));
    }

    #[test]
    fn a_range_may_have_nothing_in_it_and_what_is_none_is_not_looked_at() {
        for range in ["bytes=10-", "bytes=10-12", "bytes=-0", "bytes=99999999999999999999999-"] {
            assert_eq!(parse(range, 10), Some(Part::Nothing), "{range}");
        }
        assert_eq!(parse("bytes=0-", 0), Some(Part::Nothing));
        let none = ["bytes=5-2", "bytes=-", "bytes=", "lines=1-2", "bytes=a-b", "bytes=+1-2"];
        for range in none.into_iter().chain(["bytes=0-1,4-5", "bytes", ""]) {
            assert_eq!(parse(range, 10), None, "{range}");
        }
    }
}
