//! Limits that two gateways share in a real Redis, and what they do without it.

use std::time::Duration;

use souk_gateway::{Options, Valkey};
use tokio::time::{sleep, timeout};

use crate::fake::Fake;
use crate::redis::Redis;
use crate::shop::Shop;

/// Only what hangs takes longer.
const PATIENCE: Duration = Duration::from_secs(20);
const LIMIT: u32 = 5;

/// Two gateways before one store. Each address may make [`LIMIT`] requests.
async fn gateways(store: &str) -> [Shop; 2] {
    let start = async || {
        let limits = Options {
            address_limit: LIMIT,
            principal_limit: 0,
            limit_store: Some(Valkey::open(store).await.unwrap()),
            trusted_proxies: ["127.0.0.0/8".parse().unwrap()].into_iter().collect(),
            ..Options::default()
        };
        Shop::with(&Fake::answering(()), limits).await
    };
    [start().await, start().await]
}

/// How many of so many requests of a new client are answered, which go to both gateways in turn.
async fn answered(gateways: &[Shop; 2], requests: u32) -> u32 {
    use std::sync::atomic::{AtomicU32, Ordering};
    static CLIENT: AtomicU32 = AtomicU32::new(1);
    let client = CLIENT.fetch_add(1, Ordering::Relaxed);
    let from = format!("x-forwarded-for: {}", std::net::Ipv4Addr::from_bits(client));
    let mut answered = 0;
    for gateway in gateways.iter().cycle().take(requests as usize) {
        let reply = gateway.send("GET", "/v1/products/p", &[&from], "").await;
        assert!([200, 429].contains(&reply.status), "{reply:?}");
        answered += u32::from(reply.status == 200);
    }
    answered
}

/// Waits until a client has one bucket at both gateways. On a machine that is busy the store may be late,
/// and then each counts for itself for a second.
async fn assert_shared(gateways: &[Shop; 2]) {
    let shared = async {
        while answered(gateways, 3 * LIMIT).await != LIMIT {
            sleep(Duration::from_millis(100)).await;
        }
    };
    timeout(PATIENCE, shared).await.expect("the gateways share a limit");
}

#[tokio::test]
async fn two_gateways_share_one_limit() {
    let redis = Redis::start("share").await;
    assert_shared(&gateways(&redis.url()).await).await;
}

#[tokio::test]
async fn without_the_store_each_counts_for_itself_until_it_is_back() {
    let mut redis = Redis::start("away").await;
    let gateways = gateways(&redis.url()).await;
    assert_shared(&gateways).await;
    redis.stop();
    assert_eq!(answered(&gateways, 4 * LIMIT).await, 2 * LIMIT);
    redis.start_again().await;
    assert_shared(&gateways).await;
}

#[tokio::test]
async fn a_store_that_hangs_holds_nobody_up() {
    let redis = Redis::start("hangs").await;
    let gateways = gateways(&redis.url()).await;
    assert_shared(&gateways).await;
    redis.signal("STOP");
    assert_eq!(answered(&gateways, 4 * LIMIT).await, 2 * LIMIT);
    redis.signal("CONT");
    assert_shared(&gateways).await;
}

#[tokio::test]
async fn a_store_that_is_not_there_at_the_start_is_found_later() {
    let mut redis = Redis::start("later").await;
    redis.stop();
    let gateways = gateways(&redis.url()).await;
    assert_eq!(answered(&gateways, 4 * LIMIT).await, 2 * LIMIT);
    redis.start_again().await;
    assert_shared(&gateways).await;
}

#[tokio::test]
async fn a_store_that_cannot_be_read_is_refused_without_its_password() {
    let error = Valkey::open("http://user:secret@127.0.0.1").await.unwrap_err();
    assert!(!format!("{error:#}").contains("secret"), "{error:#}");
}
