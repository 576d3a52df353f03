//! The origins of pages.

use http::HeaderValue;
use url::Url;

/// Reads an origin, which must be as browsers write it (RFC 6454, section 6.2), since it is compared with
/// what they send. `*` is any.
pub(super) fn origin(text: &str) -> Result<HeaderValue, String> {
    if text == "*" {
        return Ok(HeaderValue::from_static("*"));
    }
    let url = Url::parse(text).ok();
    let parts = url.as_ref().and_then(|url| Some((url.scheme(), url.host_str()?, url.port())));
    let Some((scheme, host, port)) = parts else {
        return Err("must be like https://shop.example or http://localhost:3000, or `*`".to_owned());
    };
    if host.contains('*') {
        return Err("`*` is any origin, and no part of one".to_owned());
    }
    let port = port.map_or(String::new(), |port| format!(":{port}"));
    let origin = format!("{scheme}://{host}{port}");
    if !text.eq_ignore_ascii_case(&origin) {
        return Err(format!("must be as browsers write it: {origin}"));
    }
    HeaderValue::try_from(origin).map_err(|error| error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn origins_are_taken_as_browsers_write_them() {
        for text in [
            "https://shop.example",
            "http://localhost:3000",
            "http://[2001:db8::1]:8080",
            "https://xn--bcher-kva.example",
            "capacitor://localhost",
            "*",
        ] {
            assert_eq!(origin(text).unwrap(), text);
        }
        assert_eq!(origin("HTTPS://Shop.example").unwrap(), "https://shop.example");
    }

    #[test]
    fn what_no_browser_sends_is_refused_with_what_it_sends() {
        for (text, written) in [
            ("https://shop.example/", "https://shop.example"),
            ("https://shop.example/path?x", "https://shop.example"),
            ("https://shop.example:443", "https://shop.example"),
            ("https://jane@shop.example", "https://shop.example"),
            ("https://bücher.example", "https://xn--bcher-kva.example"),
        ] {
            let refused = origin(text).unwrap_err();
            assert!(refused.ends_with(&format!(": {written}")), "{text}: {refused}");
        }
    }

    #[test]
    fn what_is_no_origin_is_refused() {
        for text in
            ["nonsense", "null", "shop.example", "", "file:///tmp", "https://", "http://a:b"]
        {
            assert!(origin(text).unwrap_err().contains("must be like https://"), "{text}");
        }
        assert!(origin("https://*.shop.example").unwrap_err().contains("no part of one"));
    }
}
