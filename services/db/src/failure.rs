//! What a database error means to a caller.

use souk_kit::Failure;
use souk_proto::souk::types::v1::Reason;

/// The failure to answer when nothing more is known about a database error than the error itself.
pub fn failure(error: &sqlx::Error) -> Failure {
    if is_transient(error) {
        tracing::warn!(%error, "the database cannot be used");
        return Failure::unavailable("the service cannot reach its database");
    }
    match code(error).as_deref() {
        // query_canceled: the statement's time, which is the caller's, was over
        Some("57014") => {
            Failure::new(Reason::DeadlineExceeded, "the call took longer than its deadline")
        }
        _ => Failure::internal(error),
    }
}

/// Whether the same call may succeed a moment later: no connection, a server that starts or ends,
/// a deadlock, too many clients.
pub fn is_transient(error: &sqlx::Error) -> bool {
    match error {
        sqlx::Error::PoolTimedOut
        | sqlx::Error::PoolClosed
        | sqlx::Error::WorkerCrashed
        | sqlx::Error::Io(_) => true,
        // serialization failure, deadlock, too many clients, shutting down or starting up, a
        // database that takes no connections, a transaction that was left idle
        _ => matches!(
            code(error).as_deref(),
            Some("40001" | "40P01" | "53300" | "57P01" | "57P02" | "57P03" | "55000" | "25P03")
        ),
    }
}

/// The name of the constraint that a statement broke, if it broke one.
pub fn constraint(error: &sqlx::Error) -> Option<&str> {
    error.as_database_error()?.constraint()
}

fn code(error: &sqlx::Error) -> Option<String> {
    Some(error.as_database_error()?.code()?.into_owned())
}
