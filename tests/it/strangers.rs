//! `souk gateway`: the same binary before services whose contracts it reads from a file.

use http::{Method, StatusCode};
use serde_json::json;

use crate::support::{Http, Process, Scratch, Suite, product, run, souk};

/// A gateway before the catalog of a suite, which it takes for a stranger's.
struct Gateway {
    http: Http,
    _process: Process,
    _scratch: Scratch,
}

fn before(suite: &Suite, options: &[&str]) -> Gateway {
    let scratch = Scratch::new();
    let descriptors = scratch.0.join("contracts.binpb");
    std::fs::write(&descriptors, souk_proto::DESCRIPTORS).unwrap();
    let mut command = souk();
    command
        .args(["gateway", "--http", "127.0.0.1:0", "--upstream", &suite.catalog_url()])
        .args(["--auth-url", suite.url_of("souk.auth.v1.AuthService")])
        .arg("--descriptors")
        .arg(&descriptors)
        .args(options);
    let process = Process::start(command);
    let line = process.line("souk gateway listens on");
    let http = Http::new(line.rsplit(' ').next().unwrap());
    Gateway { http, _process: process, _scratch: scratch }
}

#[tokio::test]
async fn contracts_from_a_file_are_served_with_their_policies_in_canonical_json() {
    let suite = Suite::start().await;
    let product = product(&suite, "A", "9.50", 5).await;
    let gateway = before(&suite, &[]);
    let path = format!("/v1/products/{}", product.id);
    let read = gateway.http.get(&path).await;
    assert_eq!((read.status, &read.json()["price"]), (StatusCode::OK, &json!({"value": "9.50"})));
    assert_eq!(read.json()["inStock"], true);
    let refused = gateway.http.send(Method::DELETE, &path, &[], "").await.unwrap();
    assert_eq!(
        (refused.status, refused.code().as_str()),
        (StatusCode::UNAUTHORIZED, "UNAUTHENTICATED")
    );
    let gone = gateway.http.json_as(&suite.admin().await, Method::DELETE, &path, &json!({})).await;
    assert_eq!(gone.status, StatusCode::NO_CONTENT);
    assert_eq!(gateway.http.get(&path).await.code(), "NOT_FOUND");
    let document = gateway.http.get("/openapi.json").await.json();
    assert!(document["components"]["schemas"]["Product"]["properties"]["inStock"].is_object());
}

#[tokio::test]
async fn the_json_is_our_own_where_the_options_say_so() {
    let suite = Suite::start().await;
    let product = product(&suite, "A", "9.50", 5).await;
    let path = format!("/v1/products/{}", product.id);
    let gateway = before(&suite, &["--json", "plain"]);
    assert_eq!(gateway.http.get(&path).await.json(), suite.http().get(&path).await.json());
}

#[test]
fn without_a_word_on_who_may_call_nothing_is_served() {
    let mut command = souk();
    command.args(["gateway", "--descriptors", "none.binpb", "--upstream", "http://127.0.0.1:1"]);
    let (status, said) = run(command);
    assert!(
        !status.success() && said.contains("cannot read the contracts in none.binpb"),
        "{said}"
    );
}
