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

/// Every limit: its flag, its variable, a value that contradicts nothing.
const LIMITS: [(&str, &str, &str); 23] = [
    ("--database-connections", "SOUK_DATABASE_CONNECTIONS", "4"),
    ("--reservation-ttl", "SOUK_RESERVATION_TTL", "60"),
    ("--product-slots", "SOUK_PRODUCT_SLOTS", "8"),
    ("--max-connections", "SOUK_MAX_CONNECTIONS", "100"),
    ("--max-connections-per-address", "SOUK_MAX_CONNECTIONS_PER_ADDRESS", "0"),
    ("--trusted-proxy", "SOUK_TRUSTED_PROXY", "10.0.0.0/8,2001:db8::1"),
    ("--rate-limit-address", "SOUK_RATE_LIMIT_ADDRESS", "10"),
    ("--rate-limit-principal", "SOUK_RATE_LIMIT_PRINCIPAL", "0"),
    ("--max-calls", "SOUK_MAX_CALLS", "100"),
    ("--max-streams", "SOUK_MAX_STREAMS", "100"),
    ("--max-downloads", "SOUK_MAX_DOWNLOADS", "100"),
    ("--max-imports", "SOUK_MAX_IMPORTS", "2"),
    ("--max-body", "SOUK_MAX_BODY", "1000"),
    ("--body-budget", "SOUK_BODY_BUDGET", "10000000"),
    ("--header-timeout", "SOUK_HEADER_TIMEOUT", "2"),
    ("--body-timeout", "SOUK_BODY_TIMEOUT", "3"),
    ("--request-timeout", "SOUK_REQUEST_TIMEOUT", "12"),
    ("--stream-timeout", "SOUK_STREAM_TIMEOUT", "60"),
    ("--idle-timeout", "SOUK_IDLE_TIMEOUT", "30"),
    ("--grpc-idle-timeout", "SOUK_GRPC_IDLE_TIMEOUT", "30"),
    ("--cors-origin", "SOUK_CORS_ORIGIN", "https://shop.example,http://localhost:3000"),
    ("--threads", "SOUK_THREADS", "2"),
    ("--log", "SOUK_LOG", "info"),
];

/// A role that ends as soon as its options are good: it has no neighbours.
const NOWHERE: [&str; 3] = ["serve", "--role", "gateway"];

fn is_taken((succeeded, text): (bool, String)) -> bool {
    !succeeded && text.contains("the role needs --auth-url")
}

#[test]
fn every_limit_is_a_flag_a_variable_and_a_key_of_the_file() {
    let scratch = crate::support::Scratch::new();
    let file = scratch.0.join("limits.toml");
    let config = [("SOUK_CONFIG", file.to_str().unwrap())];
    for help in [&["--help"][..], &["serve", "--help"]] {
        let (_, text) = output(help, &[]);
        for (flag, variable, _) in LIMITS {
            assert!(text.contains(flag) && text.contains(variable), "{flag} is not in {text}");
        }
    }
    for (flag, variable, value) in LIMITS {
        let flagged = [&NOWHERE[..], &[flag, value]].concat();
        let key = flag.trim_start_matches("--");
        std::fs::write(&file, format!("{key} = \"{value}\"\n")).unwrap();
        assert!(is_taken(output(&flagged, &[])), "{flag}");
        assert!(is_taken(output(&NOWHERE, &[(variable, value)])), "{variable}");
        assert!(is_taken(output(&NOWHERE, &config)), "{key} in the file");
        // each of the three is really read: what is no value is refused by the name of the option
        if flag == "--log" {
            continue;
        }
        std::fs::write(&file, format!("{key} = \"none\"\n")).unwrap();
        for refused in [
            output(&[&NOWHERE[..], &[flag, "none"]].concat(), &[]),
            output(&NOWHERE, &[(variable, "none")]),
            output(&NOWHERE, &config),
        ] {
            assert!(!refused.0 && refused.1.contains(flag), "{flag}: {}", refused.1);
        }
    }
}

#[test]
fn limits_that_contradict_each_other_are_refused_by_name() {
    for (arguments, named) in [
        (&["--request-timeout", "16"][..], &["--request-timeout", "at most 15 seconds"][..]),
        (
            &["--body-timeout", "12", "--request-timeout", "11"],
            &["--body-timeout", "--request-timeout"],
        ),
        (
            &["--header-timeout", "20", "--idle-timeout", "19"],
            &["--header-timeout", "--idle-timeout"],
        ),
        (
            &["--header-timeout", "20", "--grpc-idle-timeout", "19"],
            &["--header-timeout", "--grpc-idle-timeout"],
        ),
        (&["--max-body", "100", "--body-budget", "399"], &["--body-budget", "--max-body"]),
        (
            &["--stream-timeout", "14", "--request-timeout", "15"],
            &["--stream-timeout", "--request-timeout"],
        ),
        (&["--cors-origin", "https://shop.example/"], &["--cors-origin", "https://shop.example\n"]),
        (&["--forward-header", "content-type"], &["--forward-header", "its own meaning"]),
        (&["--forward-header", "x-trace-bin"], &["--forward-header", "binary metadata"]),
        (&["--max-streams", "0"], &["--max-streams", "at least 1"]),
        (&["--max-connections", "0"], &["--max-connections", "at least 1"]),
        (&["--max-calls", "0"], &["--max-calls", "at least 1"]),
        (&["--max-imports", "0"], &["--max-imports", "at least 1"]),
        (&["--product-slots", "0"], &["--product-slots", "at least 1"]),
        (&["--max-body", "0"], &["--max-body", "at least 1"]),
        (&["--idle-timeout", "0"], &["--idle-timeout", "between 1 second and 30 days"]),
        (&["--threads", "0"], &["--threads", "1..=1024"]),
        (&["--database-connections", "1"], &["--database-connections", "2..=1000"]),
    ] {
        // a role, and everything in one process
        for command in [&NOWHERE[..], &[]] {
            let (succeeded, text) = output(&[command, arguments].concat(), &[]);
            assert!(!succeeded, "{arguments:?}");
            for word in named {
                assert!(text.contains(word), "{word} is not in {text}");
            }
        }
    }
}

#[test]
fn more_connections_than_our_own_server_takes_are_refused() {
    let (succeeded, text) = output(&["--database-connections", "61"], &[]);
    assert!(!succeeded && text.contains("--database-connections must be at most 60"), "{text}");
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

#[test]
fn a_role_without_rest_says_that_a_certificate_is_not_for_it() {
    let role = ["serve", "--role", "catalog", "--tls-certificate", "cert.pem"];
    let (_, text) = output(&role, &[]);
    assert!(text.contains("--tls-certificate and --tls-key are for REST"), "{text}");
}
