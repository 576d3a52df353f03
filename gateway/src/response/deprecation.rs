//! What the callers of an RPC are told that will go away.

use anyhow::Context as _;
use http::header::LINK;
use http::{HeaderName, HeaderValue};
use souk_proto::souk::policy::v1::Deprecation;
use time::format_description::well_known::{Iso8601, Rfc2822};
use time::{Date, UtcDateTime};

const DEPRECATION: HeaderName = HeaderName::from_static("deprecation");
const SUNSET: HeaderName = HeaderName::from_static("sunset");

/// `Deprecation` (RFC 9745), `Sunset` (RFC 8594), and a `Link` to the successor (RFC 5829).
///
/// # Errors
///
/// A date is none.
pub(crate) fn headers(deprecation: &Deprecation) -> anyhow::Result<Vec<(HeaderName, HeaderValue)>> {
    let Deprecation { since, sunset, successor } = deprecation;
    let since = midnight(since)?.unix_timestamp();
    let mut headers = vec![(DEPRECATION, format!("@{since}").try_into()?)];
    if !sunset.is_empty() {
        headers.push((SUNSET, http_date(midnight(sunset)?)?));
    }
    if !successor.is_empty() {
        let link = format!("<{successor}>; rel=\"successor-version\"");
        headers.push((LINK, link.try_into()?));
    }
    Ok(headers)
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

    fn deprecation(since: &str, sunset: &str) -> Deprecation {
        let successor = "/v2/things".to_owned();
        Deprecation { since: since.to_owned(), sunset: sunset.to_owned(), successor }
    }

    #[test]
    fn a_deprecation_has_its_dates_and_its_successor() {
        let headers = headers(&deprecation("2026-11-30", "2027-01-05")).unwrap();
        let headers: http::HeaderMap = headers.into_iter().collect();
        assert_eq!(headers["deprecation"], "@1795996800");
        assert_eq!(headers["sunset"], "Tue, 05 Jan 2027 00:00:00 GMT");
        assert_eq!(headers["link"], "</v2/things>; rel=\"successor-version\"");
    }

    #[test]
    fn what_is_no_date_is_refused() {
        assert!(headers(&deprecation("soon", "")).is_err());
        assert!(headers(&deprecation("2026-11-30", "2027-13-01")).is_err());
    }
}
