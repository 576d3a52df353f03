//! Which of the forms that an answer can have the client takes (RFC 9110, section 12.5.1).

use http::header::ACCEPT;
use http::{HeaderMap, HeaderValue};
use souk_proto::souk::types::v1::Reason;

use super::coding::quality;
use crate::errors::problem::Problem;
use crate::request::media::PROBLEM_JSON;

/// The media type with which a client may choose the version of a contract.
const VERSIONED: &str = "application/vnd.souk+json";

/// The form of an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Accepted {
    /// JSON.
    Json,
    /// JSON as this major version of the contracts has it.
    Version(u32),
}

impl Accepted {
    /// What the client takes.
    ///
    /// # Errors
    ///
    /// Nothing that there is.
    pub(crate) fn of(headers: &HeaderMap) -> Result<Self, Problem> {
        let (mut json, mut version, mut is_asked) = (None, None, false);
        for range in ranges(headers) {
            is_asked = true;
            if let Some(asked) = range.version {
                if range.quality > version.map_or(0.0, |(_, quality)| quality) {
                    version = Some((asked, range.quality));
                }
                continue;
            }
            let Some(precision) = range.precision_of_json() else { continue };
            // the most precise range counts, whatever the others say
            if json.is_none_or(|(known, _)| precision >= known) {
                json = Some((precision, range.quality));
            }
        }
        let plain = json.map_or(0.0, |(_, quality)| quality);
        if let Some((version, quality)) = version
            && quality >= plain
        {
            return Ok(Self::Version(version));
        }
        if plain > 0.0 || !is_asked {
            return Ok(Self::Json);
        }
        Err(Problem::new(
            Reason::NotAcceptable,
            "the answer is application/json, or application/vnd.souk+json with a version",
        ))
    }

    /// The `Content-Type` of an answer.
    pub(crate) fn content_type(self) -> HeaderValue {
        let versioned = |version| format!("{VERSIONED};version={version}");
        match self {
            Self::Json => None,
            Self::Version(version) => HeaderValue::try_from(versioned(version)).ok(),
        }
        .unwrap_or(HeaderValue::from_static("application/json"))
    }
}

/// Whether the client asks for this very media type. What only a wildcard covers is not asked for.
pub(crate) fn names(headers: &HeaderMap, media: &str) -> bool {
    ranges(headers).any(|range| range.is(media) && range.quality > 0.0)
}

/// How much the client likes a media type, and how precisely it has said so: of the ranges that match,
/// the most precise one counts. Who says nothing takes any.
pub(crate) fn weight(headers: &HeaderMap, media: &str) -> (f32, Precision) {
    let mut ranges = ranges(headers).peekable();
    let unsaid = if ranges.peek().is_none() { 1.0 } else { 0.0 };
    let matching = ranges.filter_map(|range| Some((range.quality, range.precision(media)?)));
    matching.max_by_key(|(_, precision)| *precision).unwrap_or((unsaid, Precision::Any))
}

/// The media ranges that a client takes.
fn ranges(headers: &HeaderMap) -> impl Iterator<Item = Range<'_>> {
    let values = headers.get_all(ACCEPT).into_iter().filter_map(|value| value.to_str().ok());
    let ranges = values.flat_map(|value| value.split(',')).map(Range::parse);
    ranges.filter(|range| !range.media.is_empty())
}

/// How precisely a media range names a media type.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Precision {
    /// It is any type.
    Any,
    /// It is any of its group, as `text/*`.
    Group,
    /// It is one that comes with it.
    Kin,
    Exact,
}

/// A part of `Accept`.
struct Range<'h> {
    media: &'h str,
    /// Where it is of the type that has versions.
    version: Option<u32>,
    quality: f32,
}

impl<'h> Range<'h> {
    fn parse(range: &'h str) -> Self {
        let mut parameters = range.split(';').map(str::trim);
        let media = parameters.next().unwrap_or_default();
        let mut versions = parameters.clone().filter_map(|parameter| parameter.split_once('='));
        let version = versions.find(|(name, _)| name.trim().eq_ignore_ascii_case("version"));
        let version = version.and_then(|(_, version)| version.trim().parse().ok());
        let version = version.filter(|_| media.eq_ignore_ascii_case(VERSIONED));
        Self { media, version, quality: quality(parameters) }
    }

    /// How precisely it names a media type; `None` where it does not.
    fn precision(&self, media: &str) -> Option<Precision> {
        let group = self.media.strip_suffix('*').filter(|group| group.ends_with('/'));
        match group {
            Some("*/") => Some(Precision::Any),
            Some(group) => {
                let start = media.get(..group.len()).unwrap_or_default();
                start.eq_ignore_ascii_case(group).then_some(Precision::Group)
            }
            None => self.is(media).then_some(Precision::Exact),
        }
    }

    /// The same for JSON.
    fn precision_of_json(&self) -> Option<Precision> {
        // who asks for errors in that form takes successes as they are, who refuses it does not refuse them
        if self.is(PROBLEM_JSON) || self.is(VERSIONED) {
            return (self.quality > 0.0).then_some(Precision::Kin);
        }
        self.precision("application/json")
    }

    fn is(&self, media: &str) -> bool {
        self.media.eq_ignore_ascii_case(media)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn accepted(accept: &'static str) -> Option<Accepted> {
        Accepted::of(&[(ACCEPT, HeaderValue::from_static(accept))].into_iter().collect()).ok()
    }

    #[test]
    fn json_is_for_all_who_do_not_refuse_it() {
        assert_eq!(Accepted::of(&HeaderMap::new()).ok(), Some(Accepted::Json));
        let json = [
            "application/json",
            "Application/JSON; charset=utf-8",
            "*/*",
            "text/html,application/xhtml+xml,*/*;q=0.8",
            "application/*;q=0.1",
            "application/problem+json",
            "text/html, application/json;q=0.1",
            "application/*;q=0, application/json",
            "*/*, application/problem+json;q=0",
            "application/vnd.souk+json;version=1;q=0, */*",
            "",
        ];
        for accept in json {
            assert_eq!(accepted(accept), Some(Accepted::Json), "{accept}");
        }
        let refused = ["text/html", "application/json;q=0", "application/json;q=0, */*", "x"];
        for accept in refused {
            assert_eq!(accepted(accept), None, "{accept}");
        }
    }

    #[test]
    fn a_version_can_be_asked_for() {
        assert_eq!(accepted("application/vnd.souk+json;version=2"), Some(Accepted::Version(2)));
        assert_eq!(
            accepted("application/vnd.souk+json; q=0.5; version=3"),
            Some(Accepted::Version(3))
        );
        assert_eq!(accepted("application/vnd.souk+json"), Some(Accepted::Json));
        assert_eq!(accepted("application/vnd.souk+json;version=2;q=0"), None);
        assert_eq!(accepted("application/vnd.souk+json;version=x, */*"), Some(Accepted::Json));
        let versions =
            "application/vnd.souk+json;version=1;q=0.1, application/vnd.souk+json;version=2";
        assert_eq!(accepted(versions), Some(Accepted::Version(2)));
        let last = "application/json, application/vnd.souk+json;version=2;q=0.1";
        assert_eq!(accepted(last), Some(Accepted::Json));
    }

    #[test]
    fn a_media_type_is_named_by_those_who_name_it_and_do_not_refuse_it() {
        let names = |accept: &'static str| {
            let headers = [(ACCEPT, HeaderValue::from_static(accept))].into_iter().collect();
            names(&headers, "application/problem+json")
        };
        assert!(names("application/problem+json"));
        assert!(names("application/json, application/problem+json;q=0.5"));
        assert!(!names("*/*"));
        assert!(!names("application/json, application/problem+json; q=0"));
    }
}
