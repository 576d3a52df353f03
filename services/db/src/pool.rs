//! The connections of a service to its database.

use std::future::Future;
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures::FutureExt as _;
use sqlx::migrate::{MigrateError, Migrator};
use sqlx::postgres::{PgConnectOptions, PgPoolOptions};
use sqlx::{AssertSqlSafe, Connection as _, PgConnection, PgPool, Postgres, Transaction};

use souk_kit::server::Probe;
use souk_kit::stack::CALL_LIMIT;

/// How long a request waits for a free connection.
const ACQUIRE_LIMIT: Duration = Duration::from_secs(5);
/// How long an idle connection is taken to be alive.
const TRUSTED_FOR: Duration = Duration::from_secs(1);
/// How long a starting service waits for a database that is still starting itself.
const START_LIMIT: Duration = Duration::from_secs(30);

/// A service's database.
#[derive(Debug, Clone)]
pub struct Database {
    pool: PgPool,
    /// One connection of its own, so that load on the pool does not look like a lost database.
    probe: PgPool,
}

/// Why a database cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// It does not answer.
    #[error("cannot reach the database")]
    Unreachable(#[source] sqlx::Error),
    /// The server answers, but the database is missing and cannot be created.
    #[error("cannot create the database; create it, or let the user of the url do so")]
    Creation(#[source] sqlx::Error),
    /// It answers, but its schema cannot be brought up to date.
    #[error("cannot migrate the database")]
    Migration(#[from] MigrateError),
}

impl Database {
    /// Connects, waiting a while for a database that is starting, and brings the schema up to date
    /// (under an advisory lock: several processes may start at once).
    ///
    /// # Errors
    ///
    /// See [`Error`].
    pub async fn open(
        options: PgConnectOptions,
        migrator: &Migrator,
        connections: u32,
    ) -> Result<Self, Error> {
        migrate(&options, migrator).await?;
        // a statement outlives its caller by no more than the longest call
        let limit = format!("{}ms", CALL_LIMIT.as_millis());
        let options = options.application_name("souk").options([
            ("statement_timeout", limit.as_str()),
            // a process that is frozen, or a host that is gone, does not keep its locks for hours
            ("idle_in_transaction_session_timeout", "20s"),
            ("tcp_keepalives_idle", "10"),
            ("tcp_keepalives_interval", "5"),
            ("tcp_keepalives_count", "3"),
        ]);
        let pool = PgPoolOptions::new()
            .max_connections(connections)
            .acquire_timeout(ACQUIRE_LIMIT)
            // a connection that has just been used is not asked again whether it is alive: that
            // would double the round trips of every read
            .test_before_acquire(false)
            .before_acquire(|connection, known| {
                async move {
                    if known.idle_for > TRUSTED_FOR {
                        connection.ping().await?;
                    }
                    Ok(true)
                }
                .boxed()
            });
        let probe = PgPoolOptions::new().max_connections(1).acquire_timeout(ACQUIRE_LIMIT);
        Ok(Self {
            pool: pool.connect_lazy_with(options.clone()),
            probe: probe.connect_lazy_with(options),
        })
    }

    /// The connections.
    pub fn pool(&self) -> &PgPool {
        &self.pool
    }

    /// Begins a transaction of which no statement takes longer than the caller still waits.
    ///
    /// # Errors
    ///
    /// There is no connection to be had.
    pub async fn begin(
        &self,
        remaining: Duration,
    ) -> Result<Transaction<'static, Postgres>, sqlx::Error> {
        // one round trip for both; 0 would mean no limit
        let limit = remaining.as_millis().max(1);
        let begin = format!("begin; set local statement_timeout = {limit}");
        self.pool.begin_with(AssertSqlSafe(begin)).await
    }

    /// Whether the database answers.
    pub fn probe(&self) -> Probe {
        let pool = self.probe.clone();
        Arc::new(move || {
            let pool = pool.clone();
            async move { sqlx::query("select 1").execute(&pool).await.is_ok() }.boxed()
        })
    }
}

/// Brings the schema up to date.
///
/// # Errors
///
/// See [`Error`].
pub async fn migrate(options: &PgConnectOptions, migrator: &Migrator) -> Result<(), Error> {
    let mut connection = connect(options).await?;
    migrator.run(&mut connection).await?;
    // the schema is in place: a connection that cannot say goodbye changes nothing
    let _ = connection.close().await;
    Ok(())
}

/// Creates the database that `options` name, unless it exists.
///
/// # Errors
///
/// The server does not answer, or does not allow it.
pub async fn create_database(options: &PgConnectOptions) -> Result<(), Error> {
    let Some(name) = options.get_database() else { return Ok(()) };
    match connect(options).await {
        Err(Error::Unreachable(error)) if has_code(&error, &["3D000"]) => {}
        // there already: whoever runs the server need not let us create anything
        found => return found.map(drop),
    }
    let mut server = connect(&options.clone().database("postgres")).await?;
    let create = format!("create database {} encoding 'UTF8' template template0", quote(name));
    let created = sqlx::query(AssertSqlSafe(create)).execute(&mut server).await;
    match created {
        // duplicate_database; unique_violation when two processes create it at once
        Err(error) if !has_code(&error, &["42P04", "23505"]) => Err(Error::Creation(error)),
        _ => Ok(()),
    }
}

/// An identifier, quoted for SQL.
fn quote(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

fn has_code(error: &sqlx::Error, codes: &[&str]) -> bool {
    let code = error.as_database_error().and_then(|error| error.code());
    code.is_some_and(|code| codes.contains(&code.as_ref()))
}

async fn connect(options: &PgConnectOptions) -> Result<PgConnection, Error> {
    retry_while_starting(|| PgConnection::connect_with(options)).await.map_err(Error::Unreachable)
}

async fn retry_while_starting<T, F: Future<Output = Result<T, sqlx::Error>>>(
    attempt: impl Fn() -> F,
) -> Result<T, sqlx::Error> {
    let started = Instant::now();
    loop {
        match attempt().await {
            Err(error) if crate::is_transient(&error) && started.elapsed() < START_LIMIT => {
                tracing::warn!(%error, "waiting for the database");
                tokio::time::sleep(Duration::from_millis(500)).await;
            }
            done => return done,
        }
    }
}
