//! Access to a database of one test, with few connections.

use std::time::{Duration, Instant};

use souk_db::{Access, Database};
use souk_testing::{Proxy, TestDatabase};
use sqlx::migrate::Migrator;
use sqlx::postgres::PgConnectOptions;

static MIGRATOR: Migrator = sqlx::migrate!("tests/access/migrations");

/// As long as anything may take that should take no time.
pub const PATIENCE: Duration = Duration::from_secs(20);

pub struct World {
    pub test: TestDatabase,
    pub database: Database,
}

/// A service's access to its database, with so many connections.
pub async fn world(connections: u32) -> World {
    let test = TestDatabase::new(&MIGRATOR).await;
    let database = open(test.options.clone(), connections).await;
    World { test, database }
}

/// The same through a proxy.
pub async fn world_behind_a_proxy(connections: u32) -> (World, Proxy) {
    let test = TestDatabase::new(&MIGRATOR).await;
    let proxy = Proxy::before(&test.options).await;
    let database = open(proxy.options(), connections).await;
    (World { test, database }, proxy)
}

async fn open(options: PgConnectOptions, connections: u32) -> Database {
    Database::open(options, &MIGRATOR, connections).await.unwrap()
}

impl World {
    /// For somebody with time.
    pub fn access(&self) -> Access {
        self.database.within(PATIENCE)
    }

    /// The server process behind the next connection.
    pub async fn backend(&self) -> i32 {
        let access = self.access();
        sqlx::query_scalar("select pg_backend_pid()").fetch_one(&access).await.unwrap()
    }

    /// Writes a note like any honest caller.
    pub async fn note(&self, text: &str) -> Result<(), sqlx::Error> {
        let access = self.access();
        let insert = sqlx::query("insert into notes (part, text) values (0, $1)").bind(text);
        insert.execute(&access).await.map(drop)
    }

    /// How many notes there are whose text begins so, as everybody else sees it.
    pub async fn notes(&self, prefix: &str) -> i64 {
        self.test.count(&format!("notes where text like '{prefix}%'")).await
    }
}

/// Waits until something holds.
pub async fn soon<F: Future<Output = bool>>(what: &str, holds: impl Fn() -> F) {
    let begin = Instant::now();
    while !holds().await {
        assert!(begin.elapsed() < PATIENCE, "{what}: not within {PATIENCE:?}");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}
