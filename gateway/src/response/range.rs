//! A part of a content (RFC 9110, section 14).

use std::ops::RangeInclusive;

use http::header::{ACCEPT_RANGES, CONTENT_LENGTH, CONTENT_RANGE, ETAG, IF_RANGE, RANGE};
use http::request::Parts;
use http::{HeaderValue, Method, Response, StatusCode};
use souk_proto::souk::types::v1::Reason;

use super::answer::Answer;
use super::caller::Caller;
use crate::errors::problem::Problem;

/// What part a client asks for.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Part {
    /// From this byte to that one.
    Of(RangeInclusive<usize>),
    /// One that begins behind the end.
    Nothing,
}

/// The part of an answer that a client asks for, where the answer has parts; `None` is all of it. So are
/// several parts, and one that may be of another version (`If-Range` with anything but the strong tag of
/// this one): what we do not give in parts we give whole, as we may.
pub(crate) fn asked(request: &Parts, response: &Response<Answer>) -> Option<Part> {
    let has_parts = request.method == Method::GET
        && response.status() == StatusCode::OK
        && response.headers().contains_key(ACCEPT_RANGES);
    let range = request.headers.get(RANGE).filter(|_| has_parts)?;
    let is_same = |tag: &HeaderValue| {
        tag.as_bytes().starts_with(b"\"") && response.headers().get(ETAG) == Some(tag)
    };
    if !request.headers.get(IF_RANGE).is_none_or(is_same) {
        return None;
    }
    let length = usize::try_from(response.body().length()?).ok()?;
    parse(range.to_str().ok()?, length)
}

fn parse(range: &str, length: usize) -> Option<Part> {
    let (unit, range) = range.split_once('=')?;
    let (first, last) = range.trim().split_once('-')?;
    if !unit.trim().eq_ignore_ascii_case("bytes") {
        return None;
    }
    let (first, last) = match (number(first)?, number(last)?) {
        (Some(first), Some(last)) if first > last => return None,
        (Some(first), last) => (first, last.unwrap_or(usize::MAX)),
        (None, Some(0)) => return Some(Part::Nothing),
        (None, Some(count)) => (length.saturating_sub(count), usize::MAX),
        (None, None) => return None,
    };
    if first >= length {
        return Some(Part::Nothing);
    }
    Some(Part::Of(first..=last.min(length - 1)))
}

/// A number, or no text at all; `None` when it is neither. What is too large is as large as can be.
fn number(text: &str) -> Option<Option<usize>> {
    if !text.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    Some((!text.is_empty()).then(|| text.parse().unwrap_or(usize::MAX)))
}

/// Leaves of an answer what was asked for.
pub(crate) fn cut(response: &mut Response<Answer>, asked: Part, caller: &Caller<'_>) {
    let Some(content) = response.body_mut().whole() else { return };
    let length = content.len();
    let told = match asked {
        Part::Of(part) => {
            let told = format!("bytes {}-{}/{length}", part.start(), part.end());
            *response.status_mut() = StatusCode::PARTIAL_CONTENT;
            // a router has said it of the whole
            response.headers_mut().remove(CONTENT_LENGTH);
            *response.body_mut() = content.slice(part).into();
            told
        }
        Part::Nothing => {
            let message = "the range begins behind the end of the content";
            *response = caller.answer(&Problem::new(Reason::RangeNotSatisfiable, message));
            format!("bytes */{length}")
        }
    };
    if let Ok(told) = HeaderValue::try_from(told) {
        response.headers_mut().insert(CONTENT_RANGE, told);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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
