//! Webhooks over REST: what a receiver gets is what the API says.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode};
use serde::Deserialize;
use serde_json::value::RawValue;
use serde_json::{Value, json};
use standardwebhooks::Webhook;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::{sleep, timeout};

use crate::support::{PATIENCE, Suite, product};

/// Webhooks may go to this machine.
const LOCAL: [(&str, &str); 2] =
    [("SOUK_WEBHOOK_ALLOW_PRIVATE", "true"), ("SOUK_WEBHOOK_ALLOW_HTTP", "true")];

/// A receiver that has everything at once.
struct Receiver {
    address: SocketAddr,
    got: Arc<Mutex<Vec<(HeaderMap, String)>>>,
}

/// A body, with its order as it is written.
#[derive(Deserialize)]
struct Body {
    r#type: String,
    data: Data,
}

#[derive(Deserialize)]
struct Data {
    order: Option<Box<RawValue>>,
}

impl Receiver {
    async fn new() -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let address = listener.local_addr().unwrap();
        let got = Arc::<Mutex<Vec<(HeaderMap, String)>>>::default();
        let kept = got.clone();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let hit = take(stream).await;
                kept.lock().unwrap().push(hit);
            }
        });
        Self { address, got }
    }

    fn url(&self) -> String {
        format!("http://{}/hooks", self.address)
    }

    /// Waits for an event of a name.
    async fn event(&self, name: &str) -> (HeaderMap, String) {
        let find = || {
            let got = self.got.lock().unwrap();
            got.iter().find(|(_, text)| body(text).r#type == name).cloned()
        };
        let found = async {
            loop {
                match find() {
                    Some(hit) => return hit,
                    None => sleep(Duration::from_millis(50)).await,
                }
            }
        };
        timeout(PATIENCE, found).await.unwrap_or_else(|_| panic!("no {name}"))
    }
}

async fn take(mut stream: TcpStream) -> (HeaderMap, String) {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(stream.read_u8().await.unwrap());
    }
    let head = String::from_utf8(head).unwrap();
    let header = |line: &str| {
        let (name, value) = line.split_once(": ")?;
        Some((name.parse::<HeaderName>().unwrap(), value.parse::<HeaderValue>().unwrap()))
    };
    let headers: HeaderMap = head.lines().filter_map(header).collect();
    let mut body = vec![0; headers["content-length"].to_str().unwrap().parse().unwrap()];
    stream.read_exact(&mut body).await.unwrap();
    stream.write_all(b"HTTP/1.1 204 x\r\n\r\n").await.unwrap();
    (headers, String::from_utf8(body).unwrap())
}

fn body(text: &str) -> Body {
    serde_json::from_str(text).unwrap()
}

fn text(value: &Value, name: &str) -> String {
    value[name].as_str().unwrap_or_else(|| panic!("{name} in {value}")).to_owned()
}

#[tokio::test]
async fn a_webhook_has_the_order_as_the_api_answers_it() {
    let suite = Suite::start_with(&LOCAL).await;
    let book = product(&suite, "BOOK", "599.00", 10).await.id;
    let (user, admin) = (suite.user().await, suite.admin().await);
    let http = suite.http();
    let receiver = Receiver::new().await;
    let wish = json!({ "url": receiver.url(), "description": "mine", "strict_order": true });
    let created = http.post(&user, "hook", "/v1/webhook-endpoints", &wish).await;
    assert_eq!(created.status, StatusCode::CREATED, "{}", created.json());
    let again = http.post(&user, "hook", "/v1/webhook-endpoints", &wish).await;
    assert_eq!(again.header("idempotent-replayed"), "true");
    assert_eq!(again.body, created.body);
    let endpoint = created.json();
    let path = format!("/v1/webhook-endpoints/{}", text(&endpoint, "id"));
    assert_eq!(created.header("location"), path);
    let webhook = Webhook::new(&text(&endpoint, "secret")).unwrap();
    let read = http.get_as(&user, &path).await.json();
    assert_eq!((&read["secret"], &read["enabled"]), (&Value::Null, &json!(true)));
    assert_eq!(read["disabled_reason"], Value::Null);
    assert_eq!(http.get_as(&admin, &path).await.status, StatusCode::NOT_FOUND);

    let home = json!({
        "name": "Ada \"the first\" Lovelace\n", "line1": "12 St James's Square", "city": "London",
        "country": "GB"
    });
    let order = json!({ "product_id": book, "quantity": 3, "shipping_address": home });
    let placed = http.post(&user, "order", "/v1/orders", &order).await;
    assert_eq!(placed.status, StatusCode::CREATED, "{}", placed.json());
    let order = format!("/v1/orders/{}", text(&placed.json(), "id"));
    let as_it_is = async || {
        let answer = http.get_as(&user, &order).await;
        String::from_utf8(answer.body.to_vec()).unwrap()
    };
    let told = |text: &str| body(text).data.order.unwrap().get().to_owned();
    let (headers, reserved) = receiver.event("order.reserved").await;
    webhook.verify(reserved.as_bytes(), &headers).unwrap();
    assert_eq!(told(&reserved), as_it_is().await);
    let pay = json!({ "provider": "sandbox", "method": "ok" });
    http.post(&user, "pay", &format!("{order}/payments"), &pay).await;
    let (headers, paid) = receiver.event("order.paid").await;
    webhook.verify(paid.as_bytes(), &headers).unwrap();
    assert_eq!(told(&paid), as_it_is().await);
    let first = receiver.event("order.created").await.1;
    assert!(told(&first).contains(r#""status":"pending""#), "{first}");

    let log = http.get_as(&user, &format!("{path}/deliveries?size=2")).await;
    assert_eq!(log.status, StatusCode::OK, "{}", log.json());
    let log = log.json();
    assert_eq!(
        (log["pagination"]["total"].as_i64(), log["data"][0]["status"].as_str()),
        (Some(4), Some("delivered"))
    );
    for reader in [&user, &admin] {
        let timeline = http.get_as(reader, &format!("{order}/timeline")).await.json();
        let webhooks = timeline["webhooks"].as_array().unwrap().clone();
        let events: Vec<String> = webhooks.iter().map(|it| text(it, "event_type")).collect();
        assert_eq!(events, ["order.created", "order.reserved", "order.paying", "order.paid"]);
    }
    let again = format!("{path}/deliveries/{}/redeliver", text(&log["data"][0], "id"));
    let sent = http.post(&user, "again", &again, &json!({})).await;
    assert_eq!(
        (sent.status, text(&sent.json(), "status")),
        (StatusCode::ACCEPTED, "pending".to_owned())
    );
}

#[tokio::test]
async fn an_endpoint_is_kept_over_rest() {
    let suite = Suite::start_with(&LOCAL).await;
    let user = suite.user().await;
    let http = suite.http();
    let receiver = Receiver::new().await;
    let wish = json!({ "url": receiver.url(), "events": ["order.paid"] });
    let created = http.post(&user, "hook", "/v1/webhook-endpoints", &wish).await.json();
    let path = format!("/v1/webhook-endpoints/{}", text(&created, "id"));
    let change = json!({ "events": null, "description": "the warehouse" });
    let changed = http.json_as(&user, Method::PATCH, &path, &change).await;
    assert_eq!(changed.status, StatusCode::OK, "{}", changed.json());
    assert_eq!(changed.json()["events"], json!([]));
    let all = http.json_as(&user, Method::PATCH, &path, &json!({ "all_orders": true })).await;
    assert_eq!((all.status, all.code()), (StatusCode::FORBIDDEN, "PERMISSION_DENIED".to_owned()));
    let rotate = format!("{path}/rotate-secret");
    let rotated = http.post(&user, "rotate", &rotate, &json!({})).await;
    assert_eq!(rotated.status, StatusCode::OK, "{}", rotated.json());
    let test = http.post(&user, "test", &format!("{path}/test"), &json!({})).await;
    assert_eq!(test.status, StatusCode::ACCEPTED, "{}", test.json());
    let (headers, sent) = receiver.event("webhook.test").await;
    for secret in [text(&created, "secret"), text(&rotated.json(), "secret")] {
        Webhook::new(&secret).unwrap().verify(sent.as_bytes(), &headers).unwrap();
    }
    let listed = http.get_as(&user, "/v1/webhook-endpoints").await.json();
    assert_eq!(listed["data"].as_array().unwrap().len(), 1);
    let deleted = http.json_as(&user, Method::DELETE, &path, &Value::Null).await;
    assert_eq!(deleted.status, StatusCode::NO_CONTENT);
    assert_eq!(http.get_as(&user, &path).await.status, StatusCode::NOT_FOUND);
    let missing = http.json_as(&user, Method::POST, "/v1/webhook-endpoints", &wish).await;
    assert_eq!(missing.code(), "IDEMPOTENCY_KEY_MISSING");
}

#[tokio::test]
async fn nothing_is_sent_to_this_machine_unless_somebody_says_so() {
    let suite = Suite::start().await;
    let user = suite.user().await;
    for url in ["http://shop.example/", "https://127.0.0.1:8080/", "https://localhost/"] {
        let wish = json!({ "url": url });
        let refused = suite.http().post(&user, url, "/v1/webhook-endpoints", &wish).await;
        assert_eq!(refused.status, StatusCode::UNPROCESSABLE_ENTITY, "{url}");
        assert_eq!(refused.json()["error"]["details"][0]["field"], "url");
    }
}
