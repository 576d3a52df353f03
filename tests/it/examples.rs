//! The examples on the pages about errors are what a client gets, word for word.
//!
//! `SOUK_WRITE_EXAMPLES=1 cargo test --test it examples` writes them anew.

use std::collections::BTreeMap;
use std::time::Duration;

use futures::future::join_all;
use http::StatusCode;
use serde::{Deserialize, Serialize};
use serde_json::json;
use souk_proto::REASON_EXAMPLES;
use souk_proto::souk::auth::v1::auth_service_server::AuthServiceServer;
use souk_proto::souk::types::v1::Reason;
use souk_testing::FakeAuth;
use sqlx::Connection as _;
use tokio::net::TcpListener;
use tonic::transport::server::TcpIncoming;

use crate::support::{Http, PASSWORD, PATIENCE, Process, Response, Suite, product, souk};

const FILE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/proto/souk/types/v1/reason_examples.http");
/// What stands in for the time and chance in every id: `prod_` and this, `req_` and this.
const EXAMPLE_ID: &str = "01h455vb4pex5vsknk084sn02q";
/// Headers of an answer that say something about an error.
const TELLING: [&str; 5] =
    ["content-type", "allow", "retry-after", "www-authenticate", "x-request-id"];
/// No more of a request is shown.
const SHOWN: usize = 100;

/// The body of every error, and nothing else in it.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Body {
    error: Shape,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Shape {
    code: String,
    message: String,
    details: Vec<Detail>,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    metadata: BTreeMap<String, String>,
    request_id: String,
    docs_url: String,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Detail {
    field: String,
    issue: String,
}

/// A client that writes down what it sends and what it gets, by the number of the reason.
struct Scribe {
    http: Http,
    token: String,
    written: BTreeMap<i32, String>,
}

#[tokio::test]
async fn the_example_of_each_reason_is_what_a_client_gets() {
    let mut written = of_a_shop().await;
    written.extend(of_a_busy_shop().await);
    written.extend(of_a_strict_shop().await);
    written.extend(of_a_gateway_among_ruins().await);
    let reasons: Vec<_> = (1..).map_while(|number| Reason::try_from(number).ok()).collect();
    for reason in &reasons {
        assert!(written.contains_key(&(*reason as i32)), "no example of {}", reason.code());
    }
    let text = written.into_values().collect::<Vec<_>>().join("\n");
    if std::env::var_os("SOUK_WRITE_EXAMPLES").is_some() {
        return std::fs::write(FILE, text).unwrap();
    }
    for (got, example) in text.split("### ").zip(REASON_EXAMPLES.split("### ")) {
        assert_eq!(got, example, "SOUK_WRITE_EXAMPLES=1 writes the examples anew");
    }
    assert_eq!(text.len(), REASON_EXAMPLES.len());
}

/// What anybody can do wrong.
async fn of_a_shop() -> BTreeMap<i32, String> {
    let suite = Suite::start().await;
    let book = product(&suite, "BOOK", "5.00", 2).await.id;
    let mut jane = Scribe::new(suite.http());
    let (register, token) = ("/v1/auth/register", "/v1/auth/token");
    let account =
        format!(r#"{{"email":"jane@example.com","password":"{PASSWORD}","name":"Jane"}}"#);
    jane.sends("POST", register, &JSON, &account).await;

    jane.writes("GET", "/v1/product", &[], "").await;
    jane.writes("DELETE", "/v1/products", &[], "").await;
    jane.writes("GET", &format!("/v1/products/prod_{EXAMPLE_ID}"), &[], "").await;
    jane.writes("GET", "/v1/products?cursor=MTIzNA", &[], "").await;
    jane.writes("GET", "/v1/products", &[("x-note", &"long ".repeat(100_000))], "").await;
    jane.writes("GET", "/v1/products", &[("accept", "application/xml")], "").await;
    jane.writes("GET", "/openapi.json", &[("range", "bytes=10000000-")], "").await;
    jane.writes("GET", "/v1/me", &[], "").await;
    let wrong = r#"{"email":"jane@example.com","mail":"jane@example.com"}"#;
    jane.writes("POST", register, &JSON, wrong).await;
    let short = r#"{"email":"jane@example.com","password":"secret","name":" "}"#;
    jane.writes("POST", register, &JSON, short).await;
    jane.writes("POST", register, &JSON, &account).await;
    let long = format!(r#"{{"name":"{}"}}"#, "x".repeat(20_000));
    jane.writes("POST", register, &JSON, &long).await;
    let xml = [("content-type", "application/xml")];
    jane.writes("POST", register, &xml, "<email>jane@example.com</email>").await;
    let guess = r#"{"grant_type":"password","username":"jane@example.com","password":"a guess"}"#;
    jane.writes("POST", token, &JSON, guess).await;

    jane.token = suite.sign_in("jane@example.com", PASSWORD).await;
    let pen = r#"{"sku":"PEN","name":"A pen","price":1.50}"#;
    jane.writes("POST", "/v1/products", &JSON, pen).await;
    let order =
        |quantity| json!({ "items": [{ "product_id": book, "quantity": quantity }] }).to_string();
    jane.writes("POST", "/v1/orders", &JSON, &order(1)).await;
    jane.writes("POST", "/v1/orders", &keyed("too-many"), &order(3)).await;
    let orders = jane.sends("GET", "/v1/orders", &[], "").await.json();
    let rejected = orders["data"][0]["id"].as_str().expect("the order that was too much");
    jane.writes("POST", &format!("/v1/orders/{rejected}/cancel"), &JSON, "{}").await;
    jane.sends("POST", "/v1/orders", &keyed("an-order"), &order(1)).await;
    jane.writes("POST", "/v1/orders", &keyed("an-order"), &order(2)).await;

    jane.token = suite.admin().await;
    let stock = format!("/v1/products/{book}/stock");
    let old = [JSON[0], ("if-match", "\"0\"")];
    jane.writes("PATCH", &format!("/v1/products/{book}"), &old, r#"{"price":6.00}"#).await;
    let lost = r#"{"delta":-5,"reason":"lost"}"#;
    jane.writes("POST", &stock, &keyed("lost"), lost).await;

    of_money(&suite, &mut jane).await;
    jane.token = suite.admin().await;
    let counted = r#"{"available":7,"expected":3,"reason":"recount"}"#;
    let stock = format!("/v2/products/{book}/stock");
    jane.writes("PUT", &stock, &keyed("recount"), counted).await;
    let tea = r#"{"name":"tea","schema":{"type":"object"}}"#;
    jane.sends("POST", "/v2/product-types", &JSON, tea).await;
    let green = r#"{"sku":"TEA","name":"Green tea","price":4.20,"type":"tea"}"#;
    jane.sends("POST", "/v2/products", &JSON, green).await;
    jane.writes("DELETE", "/v2/product-types/tea", &[], "").await;

    let mut catalog = suite.database("catalog").await;
    sqlx::raw_sql("drop table products cascade").execute(&mut catalog).await.unwrap();
    jane.writes("GET", &format!("/v1/products/{book}"), &[], "").await;
    jane.written
}

/// What anybody can do wrong who pays, gives money back, or follows orders.
async fn of_money(suite: &Suite, client: &mut Scribe) {
    let cup = product(suite, "CUP", "5.00", 5).await.id;
    let (customer, admin) = (suite.user().await, suite.admin().await);
    client.token.clone_from(&customer);
    let order = json!({ "product_id": cup }).to_string();
    let pay = |method| json!({ "provider": "sandbox", "method": method }).to_string();
    let placed =
        |order: Response| format!("/v1/orders/{}", order.json()["id"].as_str().expect("an order"));
    let tried = placed(client.sends("POST", "/v1/orders", &keyed("tried"), &order).await);
    let payments = format!("{tried}/payments");
    for attempt in 0..20 {
        let key = format!("attempt-{attempt}");
        client.sends("POST", &payments, &keyed(&key), &pay("declined")).await;
    }
    client.writes("POST", &payments, &keyed("one-more"), &pay("ok")).await;
    let paid = placed(client.sends("POST", "/v1/orders", &keyed("paid"), &order).await);
    client.sends("POST", &format!("{paid}/payments"), &keyed("pay"), &pay("ok")).await;
    let seen = [("last-event-id", "1000000")];
    client.writes("GET", "/v1/orders/watch", &seen, "").await;
    client.token = admin;
    let refunds = format!("{paid}/refunds");
    client.sends("POST", &refunds, &keyed("some"), r#"{"amount":3.00}"#).await;
    client.writes("POST", &refunds, &keyed("more"), r#"{"amount":3.00}"#).await;
}

/// What happens to an order that is sent again while it waits: somebody keeps the stock busy.
async fn of_a_busy_shop() -> BTreeMap<i32, String> {
    let suite = Suite::start().await;
    let book = product(&suite, "BOOK", "5.00", 10).await.id;
    let mut jane = Scribe::new(suite.http());
    jane.token = suite.user().await;
    let items = json!([{ "product_id": book, "quantity": 1 }]);
    let mut catalog = suite.database("catalog").await;
    let mut busy = catalog.begin().await.unwrap();
    sqlx::query("select from stock for update").execute(&mut *busy).await.unwrap();

    let (http, token) = (suite.http(), jane.token.clone());
    let first = http.order(&token, "an-order", &items);
    let again = async {
        accepted(&suite).await;
        let order = json!({ "items": items }).to_string();
        jane.writes("POST", "/v1/orders", &keyed("an-order"), &order).await;
        busy.rollback().await.unwrap();
    };
    tokio::join!(first, again);
    jane.written
}

/// Waits until there is an order.
async fn accepted(suite: &Suite) {
    let mut database = suite.database("orders").await;
    let accepted = async {
        let is_there = || sqlx::query_scalar::<_, bool>("select exists (select from orders)");
        while !is_there().fetch_one(&mut database).await.unwrap() {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(PATIENCE, accepted).await.expect("the order is accepted");
}

/// What a client gets that asks too often.
async fn of_a_strict_shop() -> BTreeMap<i32, String> {
    let suite = Suite::start_with(&[("SOUK_RATE_LIMIT_ADDRESS", "60")]).await;
    let mut client = Scribe::new(suite.http());
    let (method, path) = ("GET", "/v1/products");
    let refused = loop {
        let response = client.sends(method, path, &[], "").await;
        if response.status != StatusCode::OK {
            break response;
        }
    };
    client.notes(method, path, &[], "", &refused);
    client.written
}

/// What a gateway answers whose auth service has no accounts, whose catalog is away and whose orders
/// service does not say a word.
async fn of_a_gateway_among_ruins() -> BTreeMap<i32, String> {
    let auth = FakeAuth::new("");
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let auth_url = format!("http://{}", listener.local_addr().unwrap());
    let server =
        tonic::transport::Server::builder().add_service(AuthServiceServer::new(auth.clone()));
    tokio::spawn(server.serve_with_incoming(TcpIncoming::from(listener)));
    let silent = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let gone = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    let mut command = souk();
    command
        .args(["serve", "--role", "gateway", "--http", "127.0.0.1:0"])
        .args(["--max-calls", "1", "--request-timeout", "1", "--body-timeout", "1"])
        .args(["--auth-url", &auth_url, "--catalog-url", &format!("http://{gone}")])
        .args(["--orders-url", &format!("http://{}", silent.local_addr().unwrap())]);
    let process = Process::start(command);
    let address = process.line("souk ").rsplit(' ').next().unwrap().to_owned();

    let mut client = Scribe::new(Http::new(&address));
    client.writes("GET", "/v1/products", &[], "").await;
    client.token = auth.expired();
    client.writes("GET", "/v1/me", &[], "").await;
    (_, client.token) = auth.person("");
    client.writes("GET", "/v1/me", &[], "").await;
    // some wait until their time is over, and others are too many
    let (method, path) = ("GET", "/v1/orders");
    let answers = join_all((0..9).map(|_| client.sends(method, path, &[], ""))).await;
    for status in [StatusCode::SERVICE_UNAVAILABLE, StatusCode::GATEWAY_TIMEOUT] {
        let answer = answers.iter().find(|answer| answer.status == status).expect("such an answer");
        client.notes(method, path, &[], "", answer);
    }
    client.written
}

const JSON: [(&str, &str); 1] = [("content-type", "application/json")];

fn keyed(key: &str) -> [(&str, &str); 2] {
    [JSON[0], ("idempotency-key", key)]
}

impl Scribe {
    fn new(http: Http) -> Self {
        Self { http, token: String::new(), written: BTreeMap::new() }
    }

    /// Sends a request, with the token that there is.
    async fn sends(
        &self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: &str,
    ) -> Response {
        let (bearer, id) = (format!("Bearer {}", self.token), format!("req_{EXAMPLE_ID}"));
        let mut all = vec![("x-request-id", id.as_str())];
        all.extend(headers);
        if !self.token.is_empty() {
            all.push(("authorization", &bearer));
        }
        self.http.send(method.parse().unwrap(), path, &all, body).await.expect("an answer")
    }

    /// Sends a request that fails, and writes it down with its answer.
    async fn writes(&mut self, method: &str, path: &str, headers: &[(&str, &str)], body: &str) {
        let response = self.sends(method, path, headers, body).await;
        self.notes(method, path, headers, body, &response);
    }

    /// Writes down a request and its answer.
    fn notes(
        &mut self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: &str,
        response: &Response,
    ) {
        let status = response.status;
        let error: Body = serde_json::from_slice(&response.body)
            .unwrap_or_else(|error| panic!("{method} {path}: {error}: {response:?}"));
        let code = error.error.code.clone();

        let mut lines = vec![format!("### {code}"), format!("{method} {}", shortened(path))];
        if !self.token.is_empty() {
            lines.push("authorization: Bearer …".to_owned());
        }
        lines.extend(headers.iter().map(|(name, value)| format!("{name}: {}", shortened(value))));
        if !body.is_empty() {
            lines.extend([String::new(), shortened(body)]);
        }
        lines.extend([String::new(), format!("HTTP/1.1 {status}")]);
        let told = TELLING.into_iter().filter(|name| response.headers.contains_key(*name));
        lines.extend(told.map(|name| format!("{name}: {}", response.header(name))));
        lines.extend([String::new(), serde_json::to_string_pretty(&error).unwrap(), String::new()]);

        let reason = Reason::from_code(&code).expect("a reason of the contract");
        assert_eq!(status.as_u16(), reason.http_status(), "{code}");
        let example = with_example_ids(&lines.join("\n"));
        assert!(self.written.insert(reason as i32, example).is_none(), "{code} has two examples");
    }
}

fn shortened(text: &str) -> String {
    match text.char_indices().nth(SHOWN) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}

/// Every id of the text as that of the examples: `prod_` and 26 letters and digits.
fn with_example_ids(text: &str) -> String {
    let is_part = |char: char| char.is_ascii_alphanumeric() || char == '_';
    text.split_inclusive(|char| !is_part(char))
        .map(|word| {
            let id = word.trim_end_matches(|char| !is_part(char));
            match id.split_once('_') {
                Some((kind, suffix)) if suffix.len() == EXAMPLE_ID.len() => {
                    word.replace(id, &format!("{kind}_{EXAMPLE_ID}"))
                }
                _ => word.to_owned(),
            }
        })
        .collect()
}
