//! The address of a client, which may be behind proxies.

use std::net::{IpAddr, SocketAddr};

use http::header::{FORWARDED, GetAll};
use http::{HeaderMap, HeaderName, HeaderValue};
use souk_kit::listener::Networks;

const X_FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");

/// The address that a request is counted under. Headers count only when a trusted proxy has sent them:
/// read from the right, where each proxy adds whom it got the request from, the first address that is
/// not a trusted proxy's is the client's. Where they name none, or contradict each other, it is the
/// address of the connection.
pub(crate) fn of_client(connection: IpAddr, headers: &HeaderMap, proxies: &Networks) -> IpAddr {
    if !proxies.contain(connection) {
        return connection;
    }
    let forwarded = named(headers.get_all(FORWARDED), forwarded_for, proxies);
    let x_forwarded = named(headers.get_all(X_FORWARDED_FOR), node, proxies);
    let named = match (forwarded, x_forwarded) {
        (Named::Nobody, client) | (client, Named::Nobody) => client,
        (one, other) if one == other => one,
        // a proxy writes one of them, and passes the other on as the client has sent it
        _ => Named::Unknown,
    };
    match named {
        Named::Client(address) => address,
        Named::Nobody | Named::Unknown => connection,
    }
}

/// Whom a header names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Named {
    /// The header is not there.
    Nobody,
    /// It cannot be read, as far as it counts.
    Unknown,
    Client(IpAddr),
}

fn named(
    lines: GetAll<'_, HeaderValue>,
    read: fn(&str) -> Option<IpAddr>,
    proxies: &Networks,
) -> Named {
    let mut named = Named::Nobody;
    for line in lines.iter().rev() {
        let Ok(line) = line.to_str() else { return Named::Unknown };
        for element in line.rsplit(',') {
            let Some(address) = read(element.trim()) else { return Named::Unknown };
            named = Named::Client(address);
            if !proxies.contain(address) {
                return named;
            }
        }
    }
    named
}

/// The `for` of an element of `Forwarded` (RFC 7239, section 4).
fn forwarded_for(element: &str) -> Option<IpAddr> {
    let mut values = element.split(';').filter_map(|pair| {
        let (name, value) = pair.split_once('=')?;
        name.trim().eq_ignore_ascii_case("for").then(|| value.trim())
    });
    let value = values.next().filter(|_| values.next().is_none())?;
    node(value.strip_prefix('"').and_then(|value| value.strip_suffix('"')).unwrap_or(value))
}

/// An address, perhaps with a port (RFC 7239, section 6). Names that stand for one are nobody's.
fn node(text: &str) -> Option<IpAddr> {
    let bare = text.strip_prefix('[').and_then(|text| text.strip_suffix(']')).unwrap_or(text);
    let address = bare.parse().ok();
    let with_port = || text.parse().ok().map(|socket: SocketAddr| socket.ip());
    address.or_else(with_port).map(|address: IpAddr| address.to_canonical())
}

#[cfg(test)]
mod tests {
    use super::*;

    const PROXY: &str = "10.0.0.1";

    /// The client of a request with these headers that came from an address.
    fn client(connection: &str, headers: &[(&'static str, &str)]) -> String {
        let proxies = ["10.0.0.0/8", "2001:db8::/32"].map(|text| text.parse().unwrap());
        let mut map = HeaderMap::new();
        for (name, value) in headers {
            map.append(*name, HeaderValue::try_from(*value).unwrap());
        }
        of_client(connection.parse().unwrap(), &map, &proxies.into_iter().collect()).to_string()
    }

    #[test]
    fn what_a_stranger_says_does_not_count() {
        let forged = [("x-forwarded-for", "192.0.2.1"), ("forwarded", "for=192.0.2.1")];
        assert_eq!(client("203.0.113.9", &forged), "203.0.113.9");
        assert_eq!(client("203.0.113.9", &[("x-forwarded-for", PROXY)]), "203.0.113.9");
    }

    #[test]
    fn what_a_client_has_added_before_its_proxy_does_not_count() {
        for forged in ["192.0.2.1", "10.0.0.7", "garbage", "192.0.2.1, 10.0.0.7", "\"", ","] {
            let list = format!("{forged}, 203.0.113.9");
            assert_eq!(client(PROXY, &[("x-forwarded-for", &list)]), "203.0.113.9", "{forged}");
            let lines = [("x-forwarded-for", forged), ("x-forwarded-for", "203.0.113.9")];
            assert_eq!(client(PROXY, &lines), "203.0.113.9", "{forged}");
            let list = format!("for=\"{forged}\", for=203.0.113.9;proto=https");
            assert_eq!(client(PROXY, &[("forwarded", &list)]), "203.0.113.9", "{forged}");
        }
    }

    #[test]
    fn trusted_proxies_are_skipped_from_the_right() {
        for list in ["203.0.113.9, 10.0.0.3", "192.0.2.1,203.0.113.9,2001:db8::5 , 10.0.0.3"] {
            assert_eq!(client(PROXY, &[("x-forwarded-for", list)]), "203.0.113.9");
        }
        let lines = [("x-forwarded-for", "203.0.113.9"), ("x-forwarded-for", "10.0.0.3, 10.0.0.4")];
        assert_eq!(client(PROXY, &lines), "203.0.113.9");
        // somebody inside
        assert_eq!(client(PROXY, &[("x-forwarded-for", "10.0.0.9, 10.0.0.3")]), "10.0.0.9");
    }

    #[test]
    fn addresses_are_read_in_all_their_forms() {
        for (text, address) in [
            ("203.0.113.9:4711", "203.0.113.9"),
            ("2001:4860::1", "2001:4860::1"),
            ("[2001:4860::1]", "2001:4860::1"),
            ("[2001:4860::1]:4711", "2001:4860::1"),
            ("::ffff:203.0.113.9", "203.0.113.9"),
        ] {
            assert_eq!(client(PROXY, &[("x-forwarded-for", text)]), address, "{text}");
            let element = format!("proto=https; For=\"{text}\";by=_here");
            assert_eq!(client(PROXY, &[("forwarded", &element)]), address, "{text}");
        }
    }

    #[test]
    fn what_names_nobody_leaves_the_address_of_the_connection() {
        for text in ["", "unknown", "_hidden", "proxy.internal", "203.0.113.9, ", "for=", "1.2.3"] {
            assert_eq!(client(PROXY, &[("x-forwarded-for", text)]), PROXY, "{text:?}");
            assert_eq!(client(PROXY, &[("forwarded", text)]), PROXY, "{text:?}");
        }
        let twice = "for=192.0.2.1;for=203.0.113.9";
        assert_eq!(client(PROXY, &[("forwarded", twice)]), PROXY);
        assert_eq!(client(PROXY, &[]), PROXY);
    }

    #[test]
    fn headers_that_contradict_each_other_name_nobody() {
        let headers = |forwarded| [("x-forwarded-for", "203.0.113.9"), ("forwarded", forwarded)];
        assert_eq!(client(PROXY, &headers("for=192.0.2.1")), PROXY);
        assert_eq!(client(PROXY, &headers("garbage")), PROXY);
        assert_eq!(client(PROXY, &headers("for=203.0.113.9")), "203.0.113.9");
    }
}
