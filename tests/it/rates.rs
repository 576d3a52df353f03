//! Limits of requests, as the options say them, and what the log says of them.

use std::time::Duration;

use http::Method;

use crate::support::{PATIENCE, Process, Suite};

/// Lines of a log that have this in them, once there is one.
async fn lines_with(process: &Process, text: &str) -> Vec<String> {
    let told = async {
        loop {
            let mut lines = process.log();
            lines.retain(|line| line.contains(text));
            if !lines.is_empty() {
                return lines;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(PATIENCE, told).await.expect("a line")
}

#[tokio::test]
async fn a_request_that_is_refused_is_logged_with_its_id() {
    let suite = Suite::start_with(&[("SOUK_RATE_LIMIT_ADDRESS", "2"), ("SOUK_LOG", "warn")]).await;
    let mut statuses = Vec::new();
    for id in ["the-first", "the-second", "the-third"] {
        let headers = [("x-request-id", id)];
        let answer = suite.http().send(Method::GET, "/v1/products", &headers, "").await.unwrap();
        statuses.push(answer.status.as_u16());
    }
    assert_eq!(statuses, [200, 200, 429]);
    let lines = lines_with(suite.process("gateway"), "too many requests").await;
    assert!(matches!(&lines[..], [line] if line.contains("the-third")), "{lines:?}");
    assert!(lines[0].contains("127.0.0.1") && lines[0].contains("address"), "{lines:?}");
}

#[tokio::test]
async fn a_principal_has_a_limit_of_its_own() {
    let suite = Suite::start_with(&[("SOUK_RATE_LIMIT_PRINCIPAL", "2")]).await;
    let token = suite.user().await;
    let other = suite.user().await;
    let mut statuses = Vec::new();
    for token in [&token, &token, &token, &other] {
        statuses.push(suite.http().get_as(token, "/v1/me").await.status.as_u16());
    }
    assert_eq!(statuses, [200, 200, 429, 200]);
}

#[tokio::test]
async fn a_store_that_is_not_there_is_told_once_and_requests_are_counted_all_the_same() {
    let suite = Suite::start_with(&[
        ("SOUK_RATE_LIMIT_ADDRESS", "5"),
        // nothing listens there
        ("SOUK_RATE_LIMIT_STORE", "redis://:a-password@127.0.0.1:1"),
        ("SOUK_LOG", "warn"),
    ])
    .await;
    let mut answered = 0;
    for _ in 0..20 {
        answered += usize::from(suite.http().get("/v1/products").await.status.is_success());
    }
    assert_eq!(answered, 5);
    let process = suite.process("gateway");
    let lines = lines_with(process, "the shared store has gone").await;
    assert_eq!(lines.len(), 1, "{lines:?}");
    assert!(!process.log().iter().any(|line| line.contains("a-password")));
}
