//! Logs: what went wrong, with all its causes, under the request that met it.

use std::time::Duration;

use http::{Method, StatusCode};
use serde_json::Value;

use crate::support::{PATIENCE, Process, Suite};

/// The line of a log that tells of a request, once it is there. Every line is one JSON object.
async fn error_of(process: &Process, request_id: &str) -> Value {
    let told = async {
        loop {
            let log = process.log();
            let lines = log.iter().filter(|line| line.contains(r#""level":"ERROR""#));
            let mut lines = lines.map(|line| serde_json::from_str::<Value>(line).unwrap());
            if let Some(line) = lines.find(|line| line["span"]["request_id"] == request_id) {
                return line;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(PATIENCE, told).await.expect("a line for the request")
}

#[tokio::test]
async fn an_error_is_one_json_line_with_its_causes_and_its_request() {
    let suite = Suite::start_with(&[("SOUK_LOG_FORMAT", "json"), ("SOUK_LOG", "info")]).await;
    let mislaid = "alter view counted_categories rename to mislaid";
    sqlx::query(mislaid).execute(&mut suite.database("catalog").await).await.unwrap();
    let mislaid = "alter table orders rename to mislaid";
    sqlx::query(mislaid).execute(&mut suite.database("orders").await).await.unwrap();
    let token = suite.admin().await;
    for (path, role, cause) in [
        ("/v1/categories", "catalog", r#"relation "counted_categories" does not exist"#),
        ("/v1/orders", "orders", r#"relation "orders" does not exist"#),
    ] {
        let request_id = format!("what-went-wrong-in-{role}");
        let bearer = format!("Bearer {token}");
        let headers = [("x-request-id", request_id.as_str()), ("authorization", bearer.as_str())];
        let failed = suite.http().send(Method::GET, path, &headers, "").await.unwrap();
        assert_eq!(failed.status, StatusCode::INTERNAL_SERVER_ERROR);
        assert_eq!(failed.header("x-request-id"), request_id);
        let text = String::from_utf8(failed.body.to_vec()).unwrap();
        assert!(!text.contains("relation"), "internals stay inside: {text}");
        let line = error_of(suite.process(role), &request_id).await;
        let error = line["error"].as_str().unwrap();
        assert!(error.contains(cause), "{error}");
    }
    for line in suite.process("catalog").log() {
        assert!(serde_json::from_str::<Value>(&line).is_ok(), "not JSON: {line}");
    }
}
