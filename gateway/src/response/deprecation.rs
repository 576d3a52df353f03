//! What the callers of an RPC are told that will go away.

use std::borrow::Cow;

use anyhow::Context as _;
use http::{HeaderName, HeaderValue};
use percent_encoding::utf8_percent_encode;
use souk_proto::souk::policy::v1::Deprecation;
use time::format_description::well_known::{Iso8601, Rfc2822};
use time::{Date, UtcDateTime};

use super::location::RESERVED;
use crate::routing::PathVariable;

const DEPRECATION: HeaderName = HeaderName::from_static("deprecation");
const SUNSET: HeaderName = HeaderName::from_static("sunset");

/// `Deprecation` (RFC 9745) and `Sunset` (RFC 8594).
///
/// # Errors
///
/// A date is none.
pub(crate) fn headers(deprecation: &Deprecation) -> anyhow::Result<Vec<(HeaderName, HeaderValue)>> {
    let Deprecation { since, sunset, .. } = deprecation;
    let since = midnight(since)?.unix_timestamp();
    let mut headers = vec![(DEPRECATION, format!("@{since}").try_into()?)];
    if !sunset.is_empty() {
        headers.push((SUNSET, http_date(midnight(sunset)?)?));
    }
    Ok(headers)
}

/// Where what takes the place of a deprecated RPC is: a path whose variables are those of the path of a
/// request.
#[derive(Debug)]
pub(crate) struct Successor {
    parts: Vec<Part>,
}

#[derive(Debug)]
enum Part {
    Text(String),
    /// The variable of this place.
    Variable(usize),
}

impl Successor {
    /// Compiles a template like `/v2/things/{id}` for a path that has these variables.
    ///
    /// # Errors
    ///
    /// The path has not all of its variables.
    pub(crate) fn compile(template: &str, variables: &[PathVariable]) -> anyhow::Result<Self> {
        let mut parts = Vec::new();
        let mut rest = template;
        while let Some((text, after)) = rest.split_once('{') {
            let (name, after) = after
                .split_once('}')
                .with_context(|| format!("the successor `{template}` has an unclosed brace"))?;
            let place = variables.iter().position(|variable| variable.field == name);
            parts.push(Part::Text(text.to_owned()));
            parts.push(Part::Variable(place.with_context(|| {
                format!("the successor `{template}` has a variable that the path does not have")
            })?));
            rest = after;
        }
        parts.push(Part::Text(rest.to_owned()));
        Ok(Self { parts })
    }

    /// The `Link` of a request whose path has these variables (RFC 5829).
    pub(crate) fn link(&self, variables: &[Cow<'_, str>]) -> Option<HeaderValue> {
        let mut link = "<".to_owned();
        for part in &self.parts {
            match part {
                Part::Text(text) => link.push_str(text),
                Part::Variable(place) => {
                    link.extend(utf8_percent_encode(variables.get(*place)?, RESERVED));
                }
            }
        }
        link.push_str(">; rel=\"successor-version\"");
        HeaderValue::try_from(link).ok()
    }
}

fn midnight(date: &str) -> anyhow::Result<UtcDateTime> {
    let date = Date::parse(date, &Iso8601::DATE).with_context(|| format!("`{date}` is no date"))?;
    Ok(date.midnight().as_utc())
}

/// A time as HTTP writes it (RFC 9110, section 5.6.7).
fn http_date(time: UtcDateTime) -> anyhow::Result<HeaderValue> {
    let text = time.to_offset(time::UtcOffset::UTC).format(&Rfc2822)?;
    Ok(HeaderValue::try_from(text.replace("+0000", "GMT"))?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::template::Place;

    fn deprecation(since: &str, sunset: &str) -> Deprecation {
        let (since, sunset) = (since.to_owned(), sunset.to_owned());
        Deprecation { since, sunset, ..Deprecation::default() }
    }

    #[test]
    fn a_deprecation_has_its_dates() {
        let headers = headers(&deprecation("2026-11-30", "2027-01-05")).unwrap();
        let headers: http::HeaderMap = headers.into_iter().collect();
        assert_eq!(headers["deprecation"], "@1795996800");
        assert_eq!(headers["sunset"], "Tue, 05 Jan 2027 00:00:00 GMT");
    }

    #[test]
    fn a_successor_is_that_of_the_resource_that_was_asked_for() {
        let (start, end) = (Place::AfterStart(2), Place::AfterStart(3));
        let id = PathVariable { field: "id".into(), start, end, is_multi_segment: false };
        let successor = Successor::compile("/v2/things/{id}/parts", &[id]).unwrap();
        let link = successor.link(&["a b".into()]).unwrap();
        assert_eq!(link, "</v2/things/a%20b/parts>; rel=\"successor-version\"");
        assert!(Successor::compile("/v2/things/{id}", &[]).is_err());
    }

    #[test]
    fn what_is_no_date_is_refused() {
        assert!(headers(&deprecation("soon", "")).is_err());
        assert!(headers(&deprecation("2026-11-30", "2027-13-01")).is_err());
    }
}
