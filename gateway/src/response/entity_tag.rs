//! Entity tags, and what is asked under the condition of one (RFC 9110, section 13).
//!
//! A tag is strong: it is made of the version of the resource, of a hash of its representation (other
//! `fields` make another one, and so does what is no part of the version), and of the coding that it
//! is sent in. `If-Match` means the version alone, whichever representation its tag was taken from.

use std::hash::{DefaultHasher, Hasher as _};

use http::header::{ETAG, IF_MATCH, IF_NONE_MATCH};
use http::{HeaderMap, HeaderValue};

/// What stands between the parts of a tag.
const SEPARATOR: char = '.';
/// Any version, as long as there is one.
pub(crate) const ANY: &str = "*";

/// The tag of a representation; `None` where the version has characters that a tag cannot have. It may
/// have quotation marks around it (AIP-154).
pub(crate) fn of(version: &str, media: &HeaderValue, content: &[u8]) -> Option<HeaderValue> {
    let version = plain(version)?;
    // the same in every process of a release, which is all that a cache needs
    let mut hasher = DefaultHasher::new();
    hasher.write(media.as_bytes());
    hasher.write(content);
    HeaderValue::try_from(format!("\"{version}{SEPARATOR}{:016x}\"", hasher.finish())).ok()
}

/// The tag of bytes that are others in another version, and not looked at before they are sent.
pub(crate) fn of_bytes(version: &str) -> Option<HeaderValue> {
    HeaderValue::try_from(format!("\"{}\"", plain(version)?)).ok()
}

/// A version without quotation marks, where a tag can have it.
fn plain(version: &str) -> Option<&str> {
    let version =
        version.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')).unwrap_or(version);
    let is_plain = |byte: u8| byte.is_ascii_graphic() && byte != b'"' && byte != b',';
    Some(version).filter(|version| !version.is_empty() && version.bytes().all(is_plain))
}

/// The tag of a representation in another coding.
pub(crate) fn set_coding(headers: &mut HeaderMap, coding: &str) {
    let plain = headers.get(ETAG).and_then(|tag| tag.to_str().ok()?.strip_suffix('"'));
    if let Some(tag) = plain.and_then(|tag| HeaderValue::try_from(format!("{tag}-{coding}\"")).ok())
    {
        headers.insert(ETAG, tag);
    }
}

/// Whether a client has the representation already whose tag is in `response`.
pub(crate) fn is_known(request: &HeaderMap, response: &HeaderMap) -> bool {
    let Some(tag) = response.get(ETAG).and_then(|tag| tag.to_str().ok()) else { return false };
    // a cache compares weakly: what a proxy has made weak still says the same
    let opaque = tag.trim_start_matches("W/");
    tags(request, IF_NONE_MATCH)
        .any(|known| known == ANY || known.trim_start_matches("W/") == opaque)
}

/// What a request asks of the version of what it changes.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Condition {
    /// Nothing.
    None,
    /// It must be one of these, joined by commas, or [`ANY`]. They are none where only weak tags are
    /// named, which never match here.
    Versions(String),
    /// What is there is no condition.
    Malformed,
}

/// The `If-Match` of a request.
pub(crate) fn condition(request: &HeaderMap) -> Condition {
    let mut lines = request.get_all(IF_MATCH).iter().peekable();
    if lines.peek().is_none() {
        return Condition::None;
    }
    let mut all = Vec::new();
    for line in lines {
        let Some(tags) = line.to_str().ok().and_then(listed) else { return Condition::Malformed };
        all.extend(tags);
    }
    if all.is_empty() {
        return Condition::Malformed;
    }
    let mut versions: Vec<&str> = all.into_iter().filter_map(version).collect();
    versions.sort_unstable();
    versions.dedup();
    Condition::Versions(versions.join(","))
}

/// The tags of a list, or [`ANY`] alone; `None` when it is neither.
fn listed(text: &str) -> Option<Vec<&str>> {
    let mut tags = Vec::new();
    let mut rest = text.trim();
    if rest == ANY {
        return Some(vec![ANY]);
    }
    while !rest.is_empty() {
        let opaque = rest.strip_prefix("W/").unwrap_or(rest).strip_prefix('"')?;
        let (_, after) = opaque.split_once('"')?;
        let (tag, _) = rest.split_at(rest.len() - after.len());
        tags.push(tag);
        let after = after.trim_start();
        rest = if after.is_empty() { after } else { after.strip_prefix(',')?.trim_start() };
    }
    Some(tags)
}

/// The version that a tag is of; `None` when it is weak, or can be of none. A version as it stands in
/// the body, between quotation marks, will do.
fn version(tag: &str) -> Option<&str> {
    if tag == ANY {
        return Some(tag);
    }
    let opaque = tag.strip_prefix('"')?.strip_suffix('"').filter(|tag| !tag.contains(','))?;
    match opaque.rsplit_once(SEPARATOR) {
        Some((version, hash)) if is_hash(hash) => Some(version),
        _ => Some(opaque),
    }
}

/// Whether this is what a tag has after its version: a hash, and perhaps a coding.
fn is_hash(text: &str) -> bool {
    let hash = text.split('-').next().unwrap_or_default();
    hash.len() == 16 && hash.bytes().all(|byte| byte.is_ascii_hexdigit())
}

/// The tags in a header. None of ours has a comma.
fn tags(headers: &HeaderMap, name: http::HeaderName) -> impl Iterator<Item = &str> {
    let values = headers.get_all(name).into_iter().filter_map(|value| value.to_str().ok());
    values.flat_map(|value| value.split(',')).map(str::trim).filter(|tag| !tag.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(name: http::HeaderName, value: &str) -> HeaderMap {
        [(name, HeaderValue::try_from(value).unwrap())].into_iter().collect()
    }

    #[test]
    fn a_tag_differs_with_the_version_the_representation_and_the_coding() {
        let (json, other) =
            (&HeaderValue::from_static("a/json"), &HeaderValue::from_static("b/json"));
        let tags =
            [of("1", json, b"a"), of("2", json, b"a"), of("1", json, b"b"), of("1", other, b"a")];
        let different: std::collections::HashSet<_> = tags.iter().flatten().collect();
        assert_eq!(different.len(), 4);
        let mut response: HeaderMap = [(ETAG, of("1", json, b"a").unwrap())].into_iter().collect();
        set_coding(&mut response, "br");
        assert!(response[ETAG].to_str().unwrap().ends_with("-br\""));
        assert_eq!(of("1", json, b"a"), of("\"1\"", json, b"a"));
    }

    #[test]
    fn a_version_that_no_tag_can_have_makes_none() {
        for version in ["", "a\"b", "a b", "a,b", "é"] {
            let media = HeaderValue::from_static("a/json");
            assert_eq!(of(version, &media, b""), None, "{version}");
        }
    }

    #[test]
    fn a_representation_is_known_by_its_whole_tag() {
        let tag = of("7", &HeaderValue::from_static("a/json"), b"x").unwrap();
        let tag_text = tag.to_str().unwrap().to_owned();
        let response: HeaderMap = [(ETAG, tag)].into_iter().collect();
        let knows = |text: &str| is_known(&headers(IF_NONE_MATCH, text), &response);
        assert!(knows(&tag_text) && knows(&format!("W/{tag_text}")) && knows("*"));
        assert!(knows(&format!("\"other\", {tag_text}")));
        assert!(!knows("\"7\"") && !knows("\"7.0000000000000000\"") && !knows(""));
    }

    #[test]
    fn if_match_means_the_version_of_any_of_its_tags() {
        let asked = |text: &str| condition(&headers(IF_MATCH, text));
        let versions = |text: &str| Condition::Versions(text.to_owned());
        assert_eq!(condition(&HeaderMap::new()), Condition::None);
        let tag = |version: &str| format!("\"{version}.00ff00ff00ff00ff\"");
        assert_eq!(asked(&tag("7")), versions("7"));
        assert_eq!(asked("\"7.00ff00ff00ff00ff-br\""), versions("7"));
        assert_eq!(asked(&[tag("7"), tag("6"), tag("7")].join(", ")), versions("6,7"));
        assert_eq!(asked(&tag("1.2")), versions("1.2"));
        assert_eq!(asked("\"1.2\""), versions("1.2"));
        assert_eq!(asked("\"7\""), versions("7"));
        assert_eq!(asked("*"), versions("*"));
        assert_eq!(asked("\"7\" , \"a,8\",W/\"9\""), versions("7"));
        for none in ["W/\"7.00\"", "\"1,2\""] {
            assert_eq!(asked(none), versions(""), "{none}");
        }
        for malformed in ["", "7", "\"7", "\"7\" \"8\"", "*, \"7\"", "w/\"7\"", ",", "é"] {
            assert_eq!(asked(malformed), Condition::Malformed, "{malformed}");
        }
    }
}
