//! `souk prove` against a suite that runs. With a suite of its own, whose processes it kills, `.ci/run` has it.

use crate::support::{ADMIN_EMAIL, ADMIN_PASSWORD, Suite, run, souk};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_running_suite_is_proved_through_its_public_api_alone() {
    let suite = Suite::start().await;
    let mut command = souk();
    command
        .args(["prove", "--orders", "60", "--seed", "11"])
        .args(["--server", suite.url_of("souk.orders.v1.OrdersService")])
        .args(["--auth-url", suite.url_of("souk.auth.v1.AuthService")])
        .args(["--catalog-url", suite.url_of("souk.catalog.v2.CatalogService")])
        .args(["--http", &format!("http://{}", suite.http_address())])
        .args(["--email", ADMIN_EMAIL])
        .env("SOUK_ADMIN_PASSWORD", ADMIN_PASSWORD);
    let (status, text) = tokio::task::spawn_blocking(|| run(command)).await.unwrap();
    assert!(status.success(), "{text}");
    assert!(text.contains("60 keys") && text.contains("clean: 0 violations"), "{text}");

    // what it has sold is out of sight again
    let products = suite.http().get("/v2/products").await.json();
    assert_eq!(products["data"].as_array().unwrap().len(), 0, "{products}");
}

#[tokio::test]
async fn nothing_is_killed_where_others_buy() {
    let mut command = souk();
    command.args(["prove", "--server", "http://127.0.0.1:1", "--kills", "1"]);
    let (status, text) = run(command);
    assert!(!status.success() && text.contains("cannot be used with"), "{text}");
}
