//! A database for each test: a clone of a migrated one.

use std::collections::HashMap;
use std::sync::LazyLock;

use sqlx::migrate::Migrator;
use sqlx::postgres::{PgConnectOptions, PgPool, PgPoolOptions};
use sqlx::{AssertSqlSafe, ConnectOptions as _, Connection as _, PgConnection};
use tokio::sync::Mutex;
use uuid::Uuid;

use crate::server::server;

/// A database of one test.
#[derive(Debug)]
pub struct TestDatabase {
    /// How a service connects to it.
    pub options: PgConnectOptions,
    /// Connections of the test's own.
    pub pool: PgPool,
}

impl TestDatabase {
    /// A database with the schema of a migrator and nothing in it.
    pub async fn new(migrator: &'static Migrator) -> Self {
        let name = format!("test_{}", Uuid::new_v4().simple());
        let template = template(migrator).await;
        sql_on_server(&format!("create database {name} template {template}")).await;
        let options = server().connect_options(&name);
        let pool = PgPoolOptions::new().max_connections(4).connect_lazy_with(options.clone());
        Self { options, pool }
    }

    /// Runs a statement.
    pub async fn sql(&self, statement: &str) {
        sqlx::raw_sql(AssertSqlSafe(statement.to_owned())).execute(&self.pool).await.unwrap();
    }

    /// The one value that a question has for an answer.
    pub async fn ask<T>(&self, question: &str) -> T
    where
        T: Send + Unpin + for<'r> sqlx::Decode<'r, sqlx::Postgres> + sqlx::Type<sqlx::Postgres>,
    {
        let question = sqlx::query_scalar(AssertSqlSafe(question.to_owned()));
        question.fetch_one(&self.pool).await.unwrap()
    }

    /// How many rows there are: `from` is a table, or one with a condition.
    pub async fn count(&self, from: &str) -> i64 {
        self.ask(&format!("select count(*) from {from}")).await
    }

    /// Asserts that no connection of a service has a transaction open in which nothing happens.
    ///
    /// # Panics
    ///
    /// One has.
    pub async fn assert_no_transaction_left_open(&self) {
        // one that is between two statements is gone a moment later
        for _ in 0..200 {
            let open = "pg_stat_activity where datname = current_database()
                and state like 'idle in transaction%'";
            if self.count(open).await == 0 {
                return;
            }
            tokio::time::sleep(std::time::Duration::from_millis(10)).await;
        }
        panic!("a connection has a transaction open");
    }
}

/// The name of the database that those of a migrator are cloned from.
async fn template(migrator: &'static Migrator) -> String {
    static TEMPLATES: LazyLock<Mutex<HashMap<usize, String>>> = LazyLock::new(Mutex::default);
    let mut templates = TEMPLATES.lock().await;
    let key = std::ptr::from_ref(migrator).addr();
    if let Some(name) = templates.get(&key) {
        return name.clone();
    }
    let name = format!("template_{}", templates.len());
    sql_on_server(&format!("create database {name}")).await;
    let mut connection = server().connect_options(&name).connect().await.unwrap();
    migrator.run(&mut connection).await.unwrap();
    connection.close().await.unwrap();
    templates.insert(key, name.clone());
    name
}

async fn sql_on_server(statement: &str) {
    let options = server().connect_options("postgres");
    let mut connection: PgConnection = options.connect().await.unwrap();
    sqlx::raw_sql(AssertSqlSafe(statement.to_owned())).execute(&mut connection).await.unwrap();
    connection.close().await.unwrap();
}
