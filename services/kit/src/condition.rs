//! The condition under which a change is asked for (RFC 9110, section 13.1.1): who has read a version
//! changes that version, or nothing.

use http::HeaderMap;
use http::header::IF_MATCH;
use souk_proto::souk::types::v1::Reason;

use crate::failure::Failure;

/// A call that names more versions than this is refused: an editor has read one or a few.
const MAX_VERSIONS: usize = 32;

/// Which versions of a resource a call may change.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum IfMatch {
    /// Any, as long as the resource exists.
    #[default]
    Any,
    /// One of these; where there are none, none.
    Versions(Vec<i64>),
}

impl IfMatch {
    /// Reads the metadata `if-match`: versions joined by commas, with quotation marks or without, or `*`.
    /// Text that can be no version matches none.
    ///
    /// # Errors
    ///
    /// There are more than 32 versions.
    pub fn parse(headers: &HeaderMap) -> Result<Self, Failure> {
        if !headers.contains_key(IF_MATCH) {
            return Ok(Self::Any);
        }
        let values = headers.get_all(IF_MATCH).into_iter().filter_map(|value| value.to_str().ok());
        let texts: Vec<&str> = values.flat_map(|value| value.split(',')).map(str::trim).collect();
        if texts.contains(&"*") {
            return Ok(Self::Any);
        }
        let versions: Vec<i64> = texts.into_iter().filter_map(version).collect();
        if versions.len() > MAX_VERSIONS {
            let message = format!("if-match names more than {MAX_VERSIONS} versions");
            return Err(Failure::new(Reason::MalformedRequest, message));
        }
        Ok(Self::Versions(versions))
    }

    /// The versions, as a statement compares them; `None` is any.
    pub fn versions(&self) -> Option<&[i64]> {
        match self {
            Self::Any => None,
            Self::Versions(versions) => Some(versions),
        }
    }

    /// Whether the version with this tag may be changed, as it was told: `"7"`.
    pub fn admits(&self, etag: &str) -> bool {
        match self {
            Self::Any => true,
            Self::Versions(versions) => {
                version(etag).is_some_and(|version| versions.contains(&version))
            }
        }
    }
}

/// A version as it was told: other spellings of its number, and weak tags, are none.
fn version(text: &str) -> Option<i64> {
    let digits = text.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')).unwrap_or(text);
    digits.parse().ok().filter(|_| digits.starts_with(|first| matches!(first, '1'..='9')))
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    fn parse(values: &[&str]) -> Result<IfMatch, Failure> {
        let header = |value: &&str| (IF_MATCH, HeaderValue::from_bytes(value.as_bytes()).unwrap());
        let mut headers = HeaderMap::new();
        headers.extend(values.iter().map(header));
        IfMatch::parse(&headers)
    }

    fn versions(values: &[&str]) -> Vec<i64> {
        parse(values).unwrap().versions().expect("versions").to_vec()
    }

    #[test]
    fn who_names_no_version_means_any() {
        assert_eq!(parse(&[]).unwrap(), IfMatch::Any);
        assert_eq!(parse(&["*"]).unwrap(), IfMatch::Any);
        assert_eq!(parse(&["\"7\", *"]).unwrap(), IfMatch::Any);
    }

    #[test]
    fn the_tag_of_a_version_is_admitted_where_it_is_named_or_any_is() {
        assert!(parse(&["6, 7"]).unwrap().admits("\"7\""));
        assert!(parse(&["*"]).unwrap().admits("\"7\""));
        assert!(!parse(&["6"]).unwrap().admits("\"7\""));
        assert!(!parse(&["x"]).unwrap().admits("x"));
    }

    #[test]
    fn a_version_is_named_as_it_was_told_or_without_its_quotation_marks() {
        assert_eq!(versions(&["7"]), [7]);
        assert_eq!(versions(&["\"7\""]), [7]);
        assert_eq!(versions(&["6,\"7\"", " 8 "]), [6, 7, 8]);
        assert_eq!(versions(&["9223372036854775807"]), [i64::MAX]);
    }

    #[test]
    fn text_that_is_no_version_matches_none() {
        let broken = [
            "",
            "\"\"",
            ",",
            "\"7",
            "W/\"7\"",
            "+7",
            "-7",
            "07",
            "0",
            "7.0",
            "x",
            "é",
            "9223372036854775808",
        ];
        for text in broken {
            assert!(versions(&[text]).is_empty(), "{text}");
        }
        assert_eq!(versions(&["x, 7"]), [7]);
    }

    #[test]
    fn more_versions_than_anybody_has_read_are_refused() {
        let named = |count: usize| vec!["7"; count].join(",");
        assert_eq!(versions(&[&named(MAX_VERSIONS)]).len(), MAX_VERSIONS);
        assert!(parse(&[&named(MAX_VERSIONS + 1)]).is_err());
        assert!(parse(&[&named(MAX_VERSIONS), "8"]).is_err());
    }
}
