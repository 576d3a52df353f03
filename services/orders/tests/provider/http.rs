use std::time::Duration;

use reqwest::Method;
use serde_json::Value;
use souk_orders::http::{Client, Error, Reason, Repeat};
use souk_orders::razorpay;
use tokio::net::TcpListener;
use tokio::time::Instant;
use url::Url;

use crate::fake::{Clients as _, Fake, Fault, KEY_ID, KEY_SECRET, WEBHOOK_SECRET, limits};
use crate::{soon, within};

const ORDERS: &str = "/v1/orders";

async fn get(url: &Url, deadline: Instant) -> Result<Value, Error> {
    call(url, Method::GET, Repeat::Harmless, deadline).await
}

async fn call(url: &Url, method: Method, repeat: Repeat, until: Instant) -> Result<Value, Error> {
    let client = Client::new(limits(), |_| Reason::default()).unwrap();
    let request = client.request(method, url.join(ORDERS).unwrap());
    let request = request.basic_auth(KEY_ID, Some(KEY_SECRET));
    let request = request.header("content-type", "application/json");
    let body = r#"{ "amount": 100, "currency": "INR", "receipt": "receipt" }"#;
    client.send(request.body(body), repeat, until).await
}

#[tokio::test]
async fn a_call_that_changes_nothing_outlives_two_failures() {
    let fake = Fake::new().await;
    fake.fails([Fault::Lost, Fault::Status(502)]);
    get(&fake.url, soon()).await.unwrap();
    assert_eq!(fake.calls().len(), 3);
}

#[tokio::test]
async fn nothing_is_sent_more_than_three_times() {
    let fake = Fake::new().await;
    fake.fails([Fault::Status(503), Fault::Status(503), Fault::Status(503)]);
    let error = get(&fake.url, soon()).await.unwrap_err();
    assert!(matches!(error, Error::Server { status: 503, .. }));
    assert_eq!(fake.calls().len(), 3);
}

#[tokio::test]
async fn what_may_take_effect_twice_is_sent_once() {
    for fault in [Fault::Lost, Fault::Status(500), Fault::Busy(429, "0")] {
        let fake = Fake::new().await;
        fake.fails([fault]);
        call(&fake.url, Method::POST, Repeat::Never, soon()).await.unwrap_err();
        assert_eq!(fake.calls().len(), 1);
    }
}

#[tokio::test]
async fn a_provider_that_asks_for_patience_gets_it() {
    for status in [429, 503] {
        let fake = Fake::new().await;
        fake.fails([Fault::Busy(status, "1")]);
        let start = Instant::now();
        get(&fake.url, soon()).await.unwrap();
        assert!(start.elapsed() >= Duration::from_secs(1));
    }
}

#[tokio::test]
async fn a_wait_longer_than_there_is_time_ends_the_tries_at_once() {
    for wait in ["3600", "18446744073709551615"] {
        let fake = Fake::new().await;
        fake.fails([Fault::Busy(429, wait)]);
        let start = Instant::now();
        let error = get(&fake.url, soon()).await.unwrap_err();
        let asked = Some(Duration::from_secs(wait.parse().unwrap()));
        assert!(matches!(error, Error::RateLimited { retry_after } if retry_after == asked));
        assert!(!error.is_unknown());
        assert!(start.elapsed() < Duration::from_millis(500));
        assert_eq!(fake.calls().len(), 1);
    }
}

#[tokio::test]
async fn silence_leaves_the_outcome_unknown() {
    let fake = Fake::new().await;
    fake.fails([Fault::Late(Duration::from_secs(60))]);
    let error = call(&fake.url, Method::POST, Repeat::Never, soon()).await.unwrap_err();
    assert!(matches!(error, Error::Unanswered(_)));
    assert!(error.is_unknown());
}

#[tokio::test]
async fn an_answer_that_breaks_off_leaves_the_outcome_unknown() {
    let fake = Fake::new().await;
    fake.fails_after_work([Fault::Broken]);
    let error = call(&fake.url, Method::POST, Repeat::Never, soon()).await.unwrap_err();
    assert!(matches!(error, Error::Unanswered(_)));
}

#[tokio::test]
async fn no_call_outlives_its_deadline() {
    let fake = Fake::new().await;
    fake.fails([Fault::Late(Duration::from_secs(60)), Fault::Late(Duration::from_secs(60))]);
    let start = Instant::now();
    let error = get(&fake.url, within(100)).await.unwrap_err();
    assert!(matches!(error, Error::Unanswered(_)));
    assert!(start.elapsed() < Duration::from_millis(250));
}

#[tokio::test]
async fn nothing_is_sent_after_the_deadline() {
    let fake = Fake::new().await;
    let error = get(&fake.url, Instant::now()).await.unwrap_err();
    assert!(matches!(error, Error::Unreachable(_)));
    assert_eq!(fake.calls().len(), 0);
}

#[tokio::test]
async fn where_nobody_listens_nothing_has_been_sent() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap()).parse().unwrap();
    drop(listener);
    let error = call(&url, Method::POST, Repeat::Keyed, soon()).await.unwrap_err();
    assert!(matches!(error, Error::Unreachable(_)));
    assert!(!error.is_unknown());
}

#[tokio::test]
async fn where_nobody_speaks_tls_nothing_has_been_sent() {
    let fake = Fake::new().await;
    let mut url = fake.url.clone();
    url.set_scheme("https").unwrap();
    let error = call(&url, Method::POST, Repeat::Never, soon()).await.unwrap_err();
    assert!(matches!(error, Error::Unreachable(_)));
    assert_eq!(fake.calls().len(), 0);
}

#[tokio::test]
async fn an_endless_answer_is_not_read_to_its_end() {
    let fake = Fake::new().await;
    fake.fails([Fault::Huge]);
    let error = call(&fake.url, Method::POST, Repeat::Never, soon()).await.unwrap_err();
    assert!(matches!(error, Error::TooLarge));
    assert!(error.is_unknown());
}

#[tokio::test]
async fn a_redirect_is_an_error_and_leads_nowhere() {
    let fake = Fake::new().await;
    fake.fails([Fault::Redirect]);
    let error = get(&fake.url, soon()).await.unwrap_err();
    assert!(matches!(error, Error::Malformed));
    assert_eq!(fake.count("GET /elsewhere"), 0);
}

#[tokio::test]
async fn an_answer_that_cannot_be_read_leaves_the_outcome_unknown() {
    let fake = Fake::new().await;
    fake.fails_after_work([Fault::Garbage]);
    let error = call(&fake.url, Method::POST, Repeat::Never, soon()).await.unwrap_err();
    assert!(matches!(error, Error::Malformed));
    assert!(error.is_unknown());
}

#[tokio::test]
async fn a_doubt_is_not_lifted_by_a_later_try_that_was_not_let_in() {
    for fault in [Fault::Busy(429, "3600"), Fault::Status(401)] {
        let fake = Fake::new().await;
        fake.fails_after_work([Fault::Lost]);
        fake.fails([fault]);
        let error = call(&fake.url, Method::POST, Repeat::Keyed, soon()).await.unwrap_err();
        assert!(matches!(error, Error::Unanswered(_)));
        assert_eq!(fake.calls().len(), 2);
    }
}

#[tokio::test]
async fn a_doubt_is_lifted_by_a_decision() {
    let fake = Fake::new().await;
    fake.fails([Fault::Lost, Fault::Status(422)]);
    let error = call(&fake.url, Method::POST, Repeat::Keyed, soon()).await.unwrap_err();
    assert!(matches!(error, Error::Refused { status: 422, .. }));
}

#[tokio::test]
async fn every_call_says_who_calls() {
    let fake = Fake::new().await;
    get(&fake.url, soon()).await.unwrap();
    let agent = concat!("souk/", env!("CARGO_PKG_VERSION"));
    assert_eq!(fake.calls()[0].headers["user-agent"], agent);
}

#[tokio::test]
async fn wrong_credentials_are_told_apart_from_refusals() {
    let fake = Fake::new().await;
    let error = fake.client_with("wrong").find_order("receipt", soon()).await.unwrap_err();
    assert!(matches!(error, razorpay::Error::Http(Error::Authentication)));
    assert_eq!(fake.calls().len(), 1);
}

#[tokio::test]
async fn neither_secrets_nor_whose_payment_it_was_are_told() {
    let fake = Fake::new().await;
    let client = fake.client();
    fake.fails([Fault::Lost, Fault::Lost, Fault::Lost]);
    let error = client.find_order("our-receipt", soon()).await.unwrap_err();
    assert!(fake.calls()[0].what.contains("our-receipt"));
    let told = format!("{client:?} {error:?} {error}");
    for secret in [KEY_SECRET, WEBHOOK_SECRET, "our-receipt"] {
        assert!(!told.contains(secret), "{told}");
    }
}
