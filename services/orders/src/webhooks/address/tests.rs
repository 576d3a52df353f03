use super::*;

const STRICT: Policy = Policy { allow_private: false, allow_http: false };
const HTTP_TOO: Policy = Policy { allow_private: false, allow_http: true };
const LOCAL: Policy = Policy { allow_private: true, allow_http: true };

/// Says this of every name.
struct Always(Vec<IpAddr>);

impl Resolver for Always {
    async fn lookup(&self, _: &str) -> io::Result<Vec<IpAddr>> {
        Ok(self.0.clone())
    }
}

/// Knows no name.
struct Never;

impl Resolver for Never {
    async fn lookup(&self, _: &str) -> io::Result<Vec<IpAddr>> {
        Err(io::ErrorKind::NotFound.into())
    }
}

fn always(addresses: &[&str]) -> Always {
    Always(addresses.iter().map(|address| address.parse().unwrap()).collect())
}

/// What both readings of an address say of it, which is the same: as a literal, and as what a name has.
async fn refused(address: &str) -> bool {
    let ip: IpAddr = address.parse().unwrap();
    let host = if ip.is_ipv6() { format!("[{address}]") } else { address.to_owned() };
    let literal = parse(&format!("https://{host}/"), STRICT);
    let name = parse("https://shop.example/", STRICT).unwrap();
    let resolved = resolve(&name, STRICT, &Always(vec![ip])).await;
    assert_eq!(literal.as_ref().err(), resolved.as_ref().err(), "{address}");
    assert!(matches!(resolved, Ok(_) | Err(Refused::Private)), "{address}");
    resolved.is_err()
}

#[tokio::test]
async fn each_special_range_is_refused_from_its_first_address_to_its_last() {
    for (first, last) in [
        ("0.0.0.0", "0.255.255.255"),
        ("10.0.0.0", "10.255.255.255"),
        ("100.64.0.0", "100.127.255.255"),
        ("127.0.0.0", "127.255.255.255"),
        ("169.254.0.0", "169.254.255.255"),
        ("172.16.0.0", "172.31.255.255"),
        ("192.0.0.0", "192.0.0.255"),
        ("192.0.2.0", "192.0.2.255"),
        ("192.88.99.0", "192.88.99.255"),
        ("192.168.0.0", "192.168.255.255"),
        ("198.18.0.0", "198.19.255.255"),
        ("198.51.100.0", "198.51.100.255"),
        ("203.0.113.0", "203.0.113.255"),
        ("224.0.0.0", "239.255.255.255"),
        ("240.0.0.0", "255.255.255.255"),
        ("::", "::1"),
        ("64:ff9b:1::", "64:ff9b:1:ffff:ffff:ffff:ffff:ffff"),
        ("100::", "100::ffff:ffff:ffff:ffff"),
        ("2001::", "2001:1ff:ffff:ffff:ffff:ffff:ffff:ffff"),
        ("2001:db8::", "2001:db8:ffff:ffff:ffff:ffff:ffff:ffff"),
        ("3fff::", "3fff:fff:ffff:ffff:ffff:ffff:ffff:ffff"),
        ("4000::", "fbff:ffff:ffff:ffff:ffff:ffff:ffff:ffff"),
        ("fc00::", "fdff:ffff:ffff:ffff:ffff:ffff:ffff:ffff"),
        ("fe80::", "febf:ffff:ffff:ffff:ffff:ffff:ffff:ffff"),
        ("fec0::", "feff:ffff:ffff:ffff:ffff:ffff:ffff:ffff"),
        ("ff00::", "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff"),
    ] {
        assert!(refused(first).await, "{first}");
        assert!(refused(last).await, "{last}");
    }
}

#[tokio::test]
async fn their_neighbours_are_public() {
    for address in [
        "1.0.0.0",
        "9.255.255.255",
        "11.0.0.0",
        "100.63.255.255",
        "100.128.0.0",
        "126.255.255.255",
        "128.0.0.0",
        "169.253.255.255",
        "169.255.0.0",
        "172.15.255.255",
        "172.32.0.0",
        "191.255.255.255",
        "192.0.1.0",
        "192.0.1.255",
        "192.0.3.0",
        "192.88.98.255",
        "192.88.100.0",
        "192.167.255.255",
        "192.169.0.0",
        "198.17.255.255",
        "198.20.0.0",
        "198.51.99.255",
        "198.51.101.0",
        "203.0.112.255",
        "203.0.114.0",
        "223.255.255.255",
        "2000::",
        "2000:ffff:ffff:ffff:ffff:ffff:ffff:ffff",
        "2001:200::",
        "2001:db7:ffff:ffff:ffff:ffff:ffff:ffff",
        "2001:db9::",
        "2001:ffff:ffff:ffff:ffff:ffff:ffff:ffff",
        "2003::",
        "3ffe:ffff:ffff:ffff:ffff:ffff:ffff:ffff",
        "3fff:1000::",
    ] {
        assert!(!refused(address).await, "{address}");
    }
}

#[tokio::test]
async fn an_address_within_an_address_is_judged_by_itself() {
    for (inner, private) in [
        ("127.0.0.1", true),
        ("169.254.169.254", true),
        ("10.0.0.0", true),
        ("10.255.255.255", true),
        ("9.255.255.255", false),
        ("11.0.0.0", false),
        ("93.184.215.14", false),
    ] {
        let v4: Ipv4Addr = inner.parse().unwrap();
        let [a, b, c, d] = v4.octets();
        for outer in [
            format!("::ffff:{inner}"),
            format!("::{inner}"),
            format!("::ffff:0:{inner}"),
            format!("64:ff9b::{inner}"),
            format!("2002:{a:02x}{b:02x}:{c:02x}{d:02x}::1"),
        ] {
            assert_eq!(refused(&outer).await, private, "{outer}");
        }
    }
    // just beside those ranges, nothing is given out
    assert!(refused("::1:93.184.215.14").await);
    assert!(refused("64:ff9b::1:93.184.215.14").await);
}

#[test]
fn every_notation_of_an_address_is_understood() {
    for host in [
        "127.1",
        "127.0.1",
        "2130706433",
        "0x7f000001",
        "0x7f.1",
        "017700000001",
        "0177.0.0.01",
        "127.0.0.1.",
        "%31%32%37.0.0.1",
        "127。0。0。1",
        "①②⑦.0.0.1",
        "0",
        "0xa9fea9fe",
        "[::ffff:7f00:1]",
        "[0:0:0:0:0:ffff:127.0.0.1]",
    ] {
        assert_eq!(parse(&format!("https://{host}/"), STRICT), Err(Refused::Private), "{host}");
    }
}

#[test]
fn only_what_a_webhook_can_be_sent_to_is_a_destination() {
    for (url, refused) in [
        ("", Refused::NotAUrl),
        ("shop.example/hook", Refused::NotAUrl),
        ("/hook", Refused::NotAUrl),
        ("https://", Refused::NotAUrl),
        ("https://:443/", Refused::NotAUrl),
        ("https://[::1%25eth0]/", Refused::NotAUrl),
        ("https://256.0.0.1/", Refused::NotAUrl),
        ("https://shop.example:65536/", Refused::NotAUrl),
        ("http://shop.example/", Refused::Scheme),
        ("ftp://shop.example/", Refused::Scheme),
        ("file:///etc/passwd", Refused::Scheme),
        ("data:text/plain,x", Refused::Scheme),
        ("https://user@shop.example/", Refused::UserInfo),
        ("https://user:password@shop.example/", Refused::UserInfo),
        ("https://:password@shop.example/", Refused::UserInfo),
        ("https://shop.example/#", Refused::Fragment),
        ("https://shop.example/#part", Refused::Fragment),
    ] {
        assert_eq!(parse(url, STRICT), Err(refused), "{url}");
    }
    for url in ["https://shop.example", "https://shop.example:8443/a?b=c", "https://93.184.215.14/"]
    {
        assert!(parse(url, STRICT).is_ok(), "{url}");
    }
}

#[test]
fn plain_http_takes_a_word_and_opens_nothing_else() {
    assert!(parse("http://shop.example/", HTTP_TOO).is_ok());
    assert_eq!(parse("http://127.0.0.1/", HTTP_TOO), Err(Refused::Private));
    assert_eq!(parse("ftp://shop.example/", HTTP_TOO), Err(Refused::Scheme));
    assert!(parse("http://127.0.0.1:8080/", LOCAL).is_ok());
}

#[tokio::test]
async fn one_private_address_among_public_ones_is_too_many() {
    let destination = parse("https://shop.example/", STRICT).unwrap();
    let mixed = always(&["93.184.215.14", "2606:2800::1", "192.168.0.1"]);
    assert_eq!(resolve(&destination, STRICT, &mixed).await, Err(Refused::Private));
    assert!(resolve(&destination, LOCAL, &mixed).await.is_ok());
}

#[tokio::test]
async fn all_public_addresses_are_given_with_the_port() {
    let addresses = always(&["93.184.215.14", "2606:2800::1"]);
    for (url, port) in [("https://shop.example/", 443), ("https://shop.example:8443/", 8443)] {
        let destination = parse(url, STRICT).unwrap();
        let resolved = resolve(&destination, STRICT, &addresses).await.unwrap();
        let expected: Vec<SocketAddr> =
            addresses.0.iter().map(|address| (*address, port).into()).collect();
        assert_eq!(resolved, expected);
    }
}

#[tokio::test]
async fn a_name_without_addresses_is_unresolved() {
    let destination = parse("https://shop.example/", STRICT).unwrap();
    assert_eq!(resolve(&destination, STRICT, &Never).await, Err(Refused::Unresolved));
    assert_eq!(resolve(&destination, STRICT, &always(&[])).await, Err(Refused::Unresolved));
}

#[tokio::test]
async fn the_system_says_that_localhost_is_this_machine() {
    let destination = parse("https://localhost:1/", STRICT).unwrap();
    assert_eq!(resolve(&destination, STRICT, &System).await, Err(Refused::Private));
    assert!(resolve(&destination, LOCAL, &System).await.is_ok());
}

#[tokio::test]
async fn a_literal_is_judged_again_where_the_policy_has_become_stricter() {
    let destination = parse("https://127.0.0.1/", LOCAL).unwrap();
    assert_eq!(resolve(&destination, STRICT, &Never).await, Err(Refused::Private));
}

#[test]
fn a_destination_shows_no_secret_of_its_receiver() {
    let destination = parse("https://shop.example:8443/hook/s3cret?token=s3cret", STRICT).unwrap();
    assert_eq!(format!("{destination:?}"), "https://shop.example:8443");
}
