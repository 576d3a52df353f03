//! `Prefer: return=minimal` (RFC 7240): a success without its content.

use http::{HeaderMap, HeaderName, HeaderValue, Method, Response, StatusCode};

use super::answer::Answer;

const PREFER: HeaderName = HeaderName::from_static("prefer");
const PREFERENCE_APPLIED: HeaderName = HeaderName::from_static("preference-applied");

/// Whether the client does not want to be told what it has just made or changed.
pub(crate) fn minimal(method: &Method, headers: &HeaderMap) -> bool {
    if method.is_safe() || !headers.contains_key(PREFER) {
        return false;
    }
    let values = headers.get_all(PREFER).into_iter().filter_map(|value| value.to_str().ok());
    let mut preferences = values.flat_map(|value| value.split(',')).filter_map(|preference| {
        let (name, value) = preference.split(';').next()?.split_once('=')?;
        Some((name.trim(), value.trim().trim_matches('"')))
    });
    // of a preference that is given twice, the first counts
    let first = preferences.find(|(name, _)| name.eq_ignore_ascii_case("return"));
    first.is_some_and(|(_, value)| value.eq_ignore_ascii_case("minimal"))
}

/// Leaves the content out: where the status does not say more, it says that there is none.
pub(crate) fn apply(response: &mut Response<Answer>) {
    *response.body_mut() = Answer::empty();
    if response.status() == StatusCode::OK {
        *response.status_mut() = StatusCode::NO_CONTENT;
    }
    let headers = response.headers_mut();
    headers.remove(http::header::CONTENT_TYPE);
    headers.insert(PREFERENCE_APPLIED, HeaderValue::from_static("return=minimal"));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_preference_is_found_among_others_and_means_nothing_to_what_is_read() {
        let asked = |method: Method, text: &'static str| {
            minimal(&method, &[(PREFER, HeaderValue::from_static(text))].into_iter().collect())
        };
        for text in ["return=minimal", "wait=5, Return=Minimal; x=y", "return=\"minimal\""] {
            assert!(asked(Method::POST, text), "{text}");
            assert!(!asked(Method::GET, text), "{text}");
        }
        for text in
            ["return=representation", "return", "minimal", "return=representation, return=minimal"]
        {
            assert!(!asked(Method::POST, text), "{text}");
        }
    }
}
