//! How many requests a client may make, and what its answers say of that.

use souk_gateway::Options;
use souk_proto::souk::catalog::v1::Product;

use crate::fake::Fake;
use crate::shop::{Reply, Shop, admin_token};

const PRODUCT: &str = "/v1/products/p";

/// In front of a fake, with this machine as a trusted proxy.
async fn shop(address_limit: u32, principal_limit: u32) -> (Shop, Fake) {
    let fake = Fake::answering(());
    let trusted_proxies = ["127.0.0.0/8".parse().unwrap()].into_iter().collect();
    let limits = Options { address_limit, principal_limit, trusted_proxies, ..Options::default() };
    (Shop::with(&fake, limits).await, fake)
}

/// A token that is none.
const NOBODY: &str = "authorization: Bearer no";

/// Gets a product for the client that a header names.
async fn get_for(shop: &Shop, header: &str) -> Reply {
    shop.send("GET", PRODUCT, &[header, NOBODY], "").await
}

#[tokio::test]
async fn a_request_too_many_is_refused_and_learns_when_to_come_again() {
    let (shop, fake) = shop(2, 0).await;
    assert_eq!(shop.get(PRODUCT).await.status, 200);
    assert_eq!(shop.get(PRODUCT).await.status, 200);
    let calls = fake.calls();
    let reply = shop.get(PRODUCT).await;
    assert_eq!((reply.status, reply.code().as_str()), (429, "RATE_LIMITED"));
    assert_eq!(reply.error()["metadata"]["policy"], "address");
    let wait: u32 = reply.header("retry-after").parse().unwrap();
    assert!((1..=30).contains(&wait), "{wait}");
    assert_eq!(reply.header("ratelimit"), format!("\"address\";r=0;t={wait}"));
    assert_eq!(reply.header("ratelimit-policy"), "\"address\";q=2;w=60");
    assert_eq!(reply.header("x-ratelimit-limit"), "2");
    assert_eq!(reply.header("x-ratelimit-remaining"), "0");
    assert_eq!(reply.header("x-ratelimit-reset"), "60");
    assert_eq!(fake.calls(), calls, "the service was not asked");
    // whoever watches the process is not counted
    assert_eq!(shop.get("/healthz").await.status, 200);
}

#[tokio::test]
async fn every_answer_of_a_route_tells_what_is_left() {
    let (shop, _) = shop(6, 10).await;
    let reply = shop.send("GET", PRODUCT, &[NOBODY], "").await;
    assert_eq!(reply.header("ratelimit"), "\"address\";r=5;t=10");
    assert_eq!(reply.header("x-ratelimit-reset"), "10");
    // one that is refused for another reason, too
    let anonymous = shop.send("GET", "/v1/me", &[NOBODY], "").await;
    assert_eq!((anonymous.status, anonymous.header("x-ratelimit-remaining")), (401, "4"));
    let signed_in = shop.get("/v1/me").await;
    assert_eq!(signed_in.header("ratelimit-policy"), "\"principal\";q=10;w=60");
    assert_eq!(signed_in.header("ratelimit"), "\"principal\";r=9;t=6");
    assert_eq!(signed_in.header("x-ratelimit-limit"), "10");
}

#[tokio::test]
async fn who_has_a_token_is_counted_for_it_and_many_may_be_behind_one_address() {
    let (shop, _) = shop(1, 2).await;
    let statuses = async |path: &str, authorization: &str| {
        let mut statuses = Vec::new();
        for _ in 0..3 {
            statuses.push(shop.send("GET", path, &[authorization], "").await.status);
        }
        statuses
    };
    let token = || format!("authorization: Bearer {}", admin_token());
    assert_eq!(statuses("/v1/me", &token()).await, [200, 200, 429]);
    assert_eq!(statuses(PRODUCT, &token()).await, [200, 200, 429], "where nobody asks for it, too");
    assert_eq!(statuses("/v1/me", NOBODY).await, [401, 429, 429]);
    // what never comes to that question, and is no call
    let both = [&*token(), "accept: text/csv"];
    assert_eq!(shop.send("GET", PRODUCT, &both, "").await.status, 429);
    assert_eq!(shop.send("GET", "/docs", &[&token()], "").await.status, 429);
}

#[tokio::test]
async fn without_limits_nothing_is_told_of_them() {
    let (shop, _) = shop(0, 0).await;
    for path in [PRODUCT, "/v1/me"] {
        let reply = shop.get(path).await;
        assert_eq!(reply.status, 200);
        assert!(!reply.headers.keys().any(|name| name.contains("ratelimit")), "{reply:?}");
    }
}

#[tokio::test]
async fn a_principal_is_counted_wherever_its_requests_come_from() {
    let (shop, _) = shop(0, 2).await;
    let bearer = format!("authorization: Bearer {}", admin_token());
    let mut statuses = Vec::new();
    for client in ["203.0.113.1", "203.0.113.2", "203.0.113.3"] {
        let from = format!("x-forwarded-for: {client}");
        statuses.push(shop.send("GET", "/v1/me", &[&bearer, &from], "").await.status);
    }
    assert_eq!(statuses, [200, 200, 429]);
    assert_eq!(shop.get("/v1/me").await.status, 200, "another principal");
}

#[tokio::test]
async fn a_call_that_the_contract_limits_is_refused_before_its_body_is_read() {
    let (shop, fake) = shop(100, 0).await;
    let body = r#"{"email": "a@example.com", "password": "four camels", "name": "A"}"#;
    for _ in 0..10 {
        assert_eq!(shop.json("POST", "/v1/auth/register", body).await.status, 201);
    }
    let calls = fake.calls();
    // its body would come late, or never
    let head = "POST /v1/auth/register HTTP/1.1\r\nhost: souk\r\ncontent-length: 9\r\n\r\n";
    let reply = shop.raw(head).await;
    assert_eq!((reply.status, reply.code().as_str()), (429, "RATE_LIMITED"));
    assert_eq!(reply.error()["metadata"]["policy"], "Register");
    assert!(reply.header("ratelimit").contains(", \"Register\";r=0;t="), "{reply:?}");
    assert_eq!(reply.header("x-ratelimit-limit"), "10");
    assert_eq!(fake.calls(), calls);
    // by another protocol it is the same call
    let reply = shop.json("POST", "/souk.auth.v1.AuthService/Register", body).await;
    assert_eq!((reply.status, reply.json()["code"].as_str()), (429, Some("resource_exhausted")));
    assert_eq!(reply.header("x-ratelimit-remaining"), "0");
    assert_eq!(fake.calls(), calls);
    assert_eq!(shop.get(PRODUCT).await.status, 200, "other calls go on");
    let other = "x-forwarded-for: 203.0.113.1";
    let media = "content-type: application/json";
    let reply = shop.send("POST", "/v1/auth/register", &[other, media], body).await;
    assert_eq!(reply.status, 201, "and so do other clients");
}

#[tokio::test]
async fn clients_behind_a_trusted_proxy_are_counted_apart() {
    let (shop, _) = shop(1, 0).await;
    for (header, status) in [
        ("x-forwarded-for: 203.0.113.1", 200),
        ("x-forwarded-for: 203.0.113.2", 200),
        ("forwarded: for=203.0.113.1", 429),
        // what the client has put before does not count
        ("x-forwarded-for: 198.51.100.7, 203.0.113.1", 429),
        ("x-forwarded-for: 2001:db8::1", 200),
        // the same network of 64 bits, and another
        ("x-forwarded-for: 2001:db8::ffff:2", 429),
        ("x-forwarded-for: 2001:db8:0:1::1", 200),
    ] {
        assert_eq!(get_for(&shop, header).await.status, status, "{header}");
    }
}

#[tokio::test]
async fn forwarding_headers_of_strangers_do_not_count() {
    let fake = Fake::answering(Product::default());
    let shop = Shop::with(&fake, Options { address_limit: 1, ..Options::default() }).await;
    assert_eq!(shop.send("GET", PRODUCT, &[NOBODY], "").await.status, 200);
    for header in ["x-forwarded-for: 203.0.113.1", "forwarded: for=203.0.113.2"] {
        assert_eq!(get_for(&shop, header).await.status, 429, "{header}");
    }
}

#[tokio::test]
async fn what_is_refused_before_it_is_a_call_is_counted_too() {
    let (shop, fake) = shop(6, 0).await;
    let refused = [
        ("GET", "/nothing", "accept: */*", 404),
        ("DELETE", "/v1/products", "accept: */*", 405),
        ("GET", PRODUCT, "accept: text/html", 406),
        ("POST", "/souk.auth.v1.AuthService/CreateToken", "content-type: text/x", 415),
        ("GET", "/docs/errors", "accept: */*", 200),
        ("OPTIONS", PRODUCT, "accept: */*", 204),
    ];
    for (method, path, header, status) in refused {
        assert_eq!(shop.send(method, path, &[header], "").await.status, status, "{method} {path}");
    }
    assert_eq!(shop.get(PRODUCT).await.code(), "RATE_LIMITED");
    assert_eq!(fake.calls(), 0);
}
