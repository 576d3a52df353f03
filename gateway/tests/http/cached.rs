//! Answers that are given again.

use std::time::Duration;

use futures::future::join_all;
use souk_gateway::{Options, Valkey};
use souk_kit::Failure;
use souk_proto::souk::catalog::v1::Product;
use souk_proto::souk::types::v1::Reason;
use tokio::time::sleep;

use crate::fake::Fake;
use crate::redis::Redis;
use crate::shop::{Reply, Shop};

const LONG: Duration = Duration::from_secs(600);

fn product() -> Product {
    let description = "what it is; ".repeat(200);
    Product { id: "prod_1".to_owned(), description, etag: "7".to_owned(), ..Product::default() }
}

async fn shop(fake: &Fake, cache_ttl: Duration, cache_store: Option<Valkey>) -> Shop {
    Shop::with(fake, Options { cache_ttl, cache_store, ..Options::default() }).await
}

/// Asks as nobody.
async fn get(shop: &Shop, path: &str, headers: &str) -> Reply {
    let head = format!("GET {path} HTTP/1.1\r\nhost: souk\r\nconnection: close\r\n{headers}\r\n");
    shop.raw(&head).await
}

const PRODUCT: &str = "/v1/products/prod_1";

#[tokio::test]
async fn what_anyone_may_read_is_asked_for_once() {
    let fake = Fake::answering(product());
    let shop = shop(&fake, LONG, None).await;
    let first = get(&shop, PRODUCT, "").await;
    assert_eq!((first.status, first.header("age")), (200, ""));
    let second = get(&shop, PRODUCT, "").await;
    assert_eq!((second.status, second.header("age")), (200, "0"));
    assert_eq!(
        (second.body, second.headers["etag"].clone()),
        (first.body, first.headers["etag"].clone())
    );
    // other representations are made of the same answer
    let packed = get(&shop, PRODUCT, "accept-encoding: gzip\r\n").await;
    assert_eq!(packed.header("content-encoding"), "gzip");
    let known = format!("if-none-match: {}\r\n", first.headers["etag"]);
    assert_eq!(get(&shop, PRODUCT, &known).await.status, 304);
    assert_eq!(fake.calls(), 1);
    assert_eq!(get(&shop, "/v1/products/prod_2", "").await.header("age"), "");
    assert_eq!(fake.calls(), 2);
}

#[tokio::test]
async fn nothing_is_kept_unless_the_gateway_is_told_to() {
    let fake = Fake::answering(product());
    let shop = shop(&fake, Duration::ZERO, None).await;
    for calls in [1, 2] {
        get(&shop, PRODUCT, "").await;
        assert_eq!(fake.calls(), calls);
    }
}

#[tokio::test]
async fn nothing_is_kept_of_or_for_a_request_with_a_token() {
    let fake = Fake::answering(product());
    let shop = shop(&fake, LONG, None).await;
    for calls in [1, 2] {
        assert_eq!(shop.get(PRODUCT).await.header("age"), "");
        assert_eq!(fake.calls(), calls);
    }
    get(&shop, PRODUCT, "").await;
    assert_eq!(shop.get(PRODUCT).await.header("age"), "");
    assert_eq!(fake.calls(), 4);
    // neither of an rpc that asks for one
    for calls in [5, 6] {
        shop.get("/v1/orders/ord_1").await;
        assert_eq!(fake.calls(), calls);
    }
}

#[tokio::test]
async fn an_answer_with_a_status_of_its_own_has_it_and_is_not_kept() {
    let answer = prost::Message::encode_to_vec(&product());
    let fake = Fake::with(move || {
        let mut answer = tonic::Response::new(answer.clone().into());
        answer.metadata_mut().insert("x-http-code", "203".parse().unwrap());
        async { Ok(answer) }
    });
    let shop = shop(&fake, LONG, None).await;
    for calls in [1, 2] {
        assert_eq!(get(&shop, PRODUCT, "").await.status, 203);
        assert_eq!(fake.calls(), calls);
    }
}

#[tokio::test]
async fn who_asks_for_news_gets_them() {
    let fake = Fake::answering(product());
    let shop = shop(&fake, LONG, None).await;
    get(&shop, PRODUCT, "").await;
    let asks = [
        "cache-control: no-cache",
        "Cache-Control: max-stale, No-Cache",
        "cache-control: max-stale\r\ncache-control: no-store",
        "cache-control: max-age=soon",
    ];
    for (calls, asks) in (2..).zip(asks) {
        // none is younger than that
        sleep(Duration::from_millis(2)).await;
        assert_eq!(get(&shop, PRODUCT, &format!("{asks}\r\n")).await.header("age"), "", "{asks}");
        assert_eq!(fake.calls(), calls, "{asks}");
    }
    let young = get(&shop, PRODUCT, "cache-control: max-age=600\r\n").await;
    assert_eq!((young.header("age"), fake.calls()), ("0", 5));
}

#[tokio::test]
async fn a_failure_is_not_kept() {
    let fake = Fake::failing(Failure::new(Reason::NotFound, "not found"));
    let shop = shop(&fake, LONG, None).await;
    for calls in [1, 2] {
        assert_eq!(get(&shop, PRODUCT, "").await.code(), "NOT_FOUND");
        assert_eq!(fake.calls(), calls);
    }
}

#[tokio::test]
async fn an_answer_that_is_too_old_is_not_given_again() {
    let fake = Fake::answering(product());
    let shop = shop(&fake, Duration::from_millis(1), None).await;
    for calls in [1, 2] {
        assert_eq!(get(&shop, PRODUCT, "").await.header("age"), "");
        assert_eq!(fake.calls(), calls);
        sleep(Duration::from_millis(5)).await;
    }
}

#[tokio::test]
async fn of_many_who_ask_at_once_one_asks_the_service() {
    let answer = prost::Message::encode_to_vec(&product());
    let fake = Fake::with(move || {
        let answer = answer.clone();
        async move {
            sleep(Duration::from_millis(300)).await;
            Ok(tonic::Response::new(answer.into()))
        }
    });
    let shop = shop(&fake, LONG, None).await;
    let replies = join_all((0..20).map(|_| get(&shop, PRODUCT, ""))).await;
    assert!(replies.iter().all(|reply| reply.status == 200));
    assert_eq!(fake.calls(), 1);
}

#[tokio::test]
async fn gateways_share_what_they_keep_and_go_on_alone_without_the_store() {
    let mut redis = Redis::start("cache").await;
    let fake = Fake::answering(product());
    let store = Valkey::open(&redis.url()).await.unwrap();
    let other = Valkey::open(&redis.url()).await.unwrap();
    let (one, two) = (shop(&fake, LONG, Some(store)).await, shop(&fake, LONG, Some(other)).await);
    get(&one, PRODUCT, "").await;
    assert_eq!(get(&two, PRODUCT, "").await.header("age"), "0");
    assert_eq!(fake.calls(), 1);
    redis.stop();
    assert_eq!(get(&two, PRODUCT, "").await.header("age"), "");
    assert_eq!(get(&two, PRODUCT, "").await.header("age"), "0");
    assert_eq!(fake.calls(), 2);
}
