//! The command line.

use crate::support::{Databases, MASTER_SECRET, Suite, run, souk};

fn output(arguments: &[&str], environment: &[(&str, &str)]) -> (bool, String) {
    let mut command = souk();
    command.args(arguments).envs(environment.iter().copied());
    let (status, text) = run(command);
    (status.success(), text)
}

#[test]
fn help_explains_every_option() {
    let (succeeded, text) = output(&["--help"], &[]);
    assert!(succeeded);
    for option in
        ["--http", "--grpc", "--data-dir", "--database-url", "--no-sample-data", "SOUK_HTTP"]
    {
        assert!(text.contains(option), "{option} is not in {text}");
    }
}

#[test]
fn a_role_refuses_to_run_without_its_secrets_or_with_short_ones() {
    let auth = ["serve", "--role", "auth", "--database-url", "postgres://nowhere/auth"];
    let (succeeded, text) = output(&auth, &[]);
    assert!(!succeeded && text.contains("SOUK_ORDERS_CLIENT_SECRET"), "{text}");
    let short = [("SOUK_ORDERS_CLIENT_SECRET", "short"), ("SOUK_SECRET", MASTER_SECRET)];
    let (succeeded, text) = output(&auth, &short);
    assert!(!succeeded && text.contains("at least 32 characters"), "{text}");
    let catalog = ["serve", "--role", "catalog"];
    let (succeeded, text) = output(&catalog, &[("SOUK_SECRET", MASTER_SECRET)]);
    assert!(!succeeded && text.contains("--auth-url"), "{text}");
}

#[test]
fn a_port_that_is_taken_is_named_with_its_option() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let scratch = crate::support::Scratch::new();
    let data_dir = scratch.0.to_str().unwrap();
    let (succeeded, text) = output(&["--http", &address, "--data-dir", data_dir], &[]);
    assert!(!succeeded && text.contains(&address) && text.contains("--http"), "{text}");
}

#[tokio::test]
async fn migrate_brings_the_databases_up_to_date_and_ends() {
    let databases = Databases::create().await;
    let (succeeded, text) = output(&["migrate"], &[("SOUK_DATABASE_URL", &databases.url())]);
    assert!(succeeded && text.contains("up to date"), "{text}");
    let url = databases.url_of("catalog");
    let one = ["migrate", "--role", "catalog", "--database-url", &url];
    assert!(output(&one, &[]).0);
}

#[tokio::test]
async fn healthcheck_asks_a_running_process() {
    let suite = Suite::start().await;
    let url = suite.catalog_url();
    let serving = async {
        while !output(&["healthcheck", "--server", &url], &[]).0 {
            tokio::time::sleep(std::time::Duration::from_millis(100)).await;
        }
    };
    tokio::time::timeout(crate::support::PATIENCE, serving).await.expect("it becomes healthy");
    let http = format!("http://{}", suite.http_address());
    assert!(output(&["healthcheck", "--http", &http], &[]).0);
    let (succeeded, _) = output(&["healthcheck", "--server", "http://127.0.0.1:1"], &[]);
    assert!(!succeeded);
}
