//! What the first start makes.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use secrecy::ExposeSecret;
use souk_postgres::{Options, Server};
use sqlx::Connection;
use sqlx::postgres::{PgConnectOptions, PgConnection};

use crate::support::{ask, connect, directory, options, place_an_order, start};

/// Not from a template: this is about `initdb`.
async fn first_start(dir: &Path) -> Server {
    let options = Options { template: None, ..options(dir) };
    Server::start(&options).await.unwrap()
}

#[tokio::test]
async fn the_first_start_makes_a_durable_utf8_database_on_loopback_only() {
    let dir = directory();
    let server = first_start(dir.path()).await;
    let mut connection = connect(&server).await;
    for (setting, expected) in [
        ("show fsync", "on"),
        ("show full_page_writes", "on"),
        ("show synchronous_commit", "on"),
        ("show data_checksums", "on"),
        ("show server_encoding", "UTF8"),
        ("show lc_collate", "C"),
        ("show listen_addresses", "127.0.0.1"),
        ("show unix_socket_directories", ""),
        ("show max_connections", "200"),
        ("show shared_buffers", "128MB"),
        ("select current_user::text", "souk"),
    ] {
        // "show lc_collate" is gone since version 16
        let setting = match setting {
            "show lc_collate" => {
                "select datcollate::text from pg_database where datname = 'postgres'"
            }
            other => other,
        };
        assert_eq!(ask(&mut connection, setting).await, expected, "{setting}");
    }
    connection.close().await.unwrap();
    server.stop().await.unwrap();
}

#[tokio::test]
async fn nobody_gets_in_without_the_generated_password() {
    let dir = directory();
    let server = first_start(dir.path()).await;
    let methods = "select string_agg(distinct auth_method, ',') from pg_hba_file_rules";
    assert_eq!(ask(&mut connect(&server).await, methods).await, "scram-sha-256");

    for password in ["", "souk", "postgres"] {
        let wrong = server.connect_options("postgres").password(password);
        assert!(PgConnection::connect_with(&wrong).await.is_err(), "with {password:?}");
    }
    let file = server.data_dir().join("password");
    assert_eq!(fs::metadata(&file).unwrap().mode() & 0o777, 0o600);
    let password = fs::read_to_string(&file).unwrap();
    assert_eq!(password.len(), 64, "256 bits in hexadecimal");
    assert!(!format!("{server:?}").contains(&password), "the password is not to be logged");
    server.stop().await.unwrap();
}

#[tokio::test]
async fn the_url_leads_to_the_same_database() {
    let dir = directory();
    let server = start(dir.path()).await;
    place_an_order(&server).await;
    let options: PgConnectOptions = server.url("postgres").expose_secret().parse().unwrap();
    let mut connection = PgConnection::connect_with(&options).await.unwrap();
    assert_eq!(ask(&mut connection, "select id from orders").await, "ord_1");
    server.stop().await.unwrap();
}
