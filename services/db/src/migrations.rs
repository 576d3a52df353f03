//! The schema of a database, and the database itself.

use std::io;
use std::time::{Duration, Instant};

use sqlx::migrate::{MigrateError, Migrator};
use sqlx::postgres::PgConnectOptions;
use sqlx::{AssertSqlSafe, Connection as _, PgConnection};
use tokio::time::timeout;

use crate::connection::{CONNECT_LIMIT, lost};

/// How long a starting service waits for a database that is still starting itself.
const START_LIMIT: Duration = Duration::from_secs(30);

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

/// Brings the schema up to date. A schema that a later release has migrated is left as it is:
/// releases run side by side, and the one before must be able to start again.
///
/// # Errors
///
/// See [`Error`].
pub async fn migrate(options: &PgConnectOptions, migrator: &Migrator) -> Result<(), Error> {
    let mut connection = connect(options).await?;
    let mut migrator = Migrator::with_migrations(migrator.iter().cloned().collect());
    migrator.set_ignore_missing(true).run(&mut connection).await?;
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

/// Connects, again and again while the server is starting.
async fn connect(options: &PgConnectOptions) -> Result<PgConnection, Error> {
    let started = Instant::now();
    loop {
        let connected = timeout(CONNECT_LIMIT, PgConnection::connect_with(options)).await;
        match connected.unwrap_or_else(|_| Err(lost("does not answer"))) {
            Err(error) if may_be_starting(&error) && started.elapsed() < START_LIMIT => {
                tracing::warn!(%error, "waiting for the database");
                tokio::time::sleep(Duration::from_millis(500)).await;
            }
            done => return done.map_err(Error::Unreachable),
        }
    }
}

/// Whether the server may answer a moment later. One whose certificate is not what we were told to
/// expect, or that has none, will not.
fn may_be_starting(error: &sqlx::Error) -> bool {
    let is_refused = match error {
        sqlx::Error::Tls(_) => true,
        sqlx::Error::Io(error) => error.kind() == io::ErrorKind::InvalidData,
        _ => false,
    };
    crate::is_transient(error) && !is_refused
}
