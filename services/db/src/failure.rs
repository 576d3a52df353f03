//! What a database error means to a caller.

use std::io;

use souk_kit::Failure;
use souk_proto::souk::types::v1::Reason;
use sqlx::postgres::PgDatabaseError;

/// The failure to answer when nothing more is known about a database error than the error itself.
pub fn failure(error: &sqlx::Error) -> Failure {
    if is_late(error) {
        return Failure::new(Reason::DeadlineExceeded, "the call took longer than its deadline");
    }
    if is_transient(error) {
        tracing::warn!(%error, "the database cannot be used");
        return Failure::unavailable("the service cannot reach its database");
    }
    Failure::internal(error)
}

/// Whether the same call may succeed a moment later: no connection, a server that starts or ends,
/// a deadlock, too many clients.
pub fn is_transient(error: &sqlx::Error) -> bool {
    match error {
        sqlx::Error::PoolTimedOut
        | sqlx::Error::PoolClosed
        | sqlx::Error::WorkerCrashed
        | sqlx::Error::Tls(_) => true,
        sqlx::Error::Io(_) => !is_late(error),
        // serialization failure, deadlock, too many clients, shutting down or starting up, a
        // database that takes no connections, a transaction that was left idle
        _ => matches!(
            code(error).as_deref(),
            Some(
                "40001"
                    | "40P01"
                    | "53300"
                    | "57P01"
                    | "57P02"
                    | "57P03"
                    | "55000"
                    | "25P03"
                    | "0A000"
            )
        ),
    }
}

/// Whether the statement took longer than its caller waits. 57014 is `query_canceled`.
fn is_late(error: &sqlx::Error) -> bool {
    match error {
        sqlx::Error::Io(error) => error.kind() == io::ErrorKind::TimedOut,
        _ => code(error).as_deref() == Some("57014"),
    }
}

/// Whether a statement was prepared for tables that have other columns now: a later release has migrated the
/// database beneath this one.
pub(crate) fn is_outdated(error: &sqlx::Error) -> bool {
    let error = error.as_database_error();
    let error = error.and_then(|error| error.try_downcast_ref::<PgDatabaseError>());
    // the code alone (`0A000`) is that of all that PostgreSQL cannot do
    error.is_some_and(|error| error.routine() == Some("RevalidateCachedQuery"))
}

/// The name of the constraint that a statement broke, if it broke one.
pub fn constraint(error: &sqlx::Error) -> Option<&str> {
    error.as_database_error()?.constraint()
}

fn code(error: &sqlx::Error) -> Option<String> {
    Some(error.as_database_error()?.code()?.into_owned())
}
