//! One connection: how it is made, when it may be used again, and when it is thrown away.

use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use deadpool::managed::{Manager, Metrics, RecycleError, RecycleResult};
use sqlx::postgres::PgConnectOptions;
use sqlx::{Connection as _, PgConnection};
use tokio::runtime::Handle;
use tokio::sync::Semaphore;
use tokio::task::spawn_blocking;
use tokio::time::timeout;

use souk_kit::stack::CALL_LIMIT;

/// How long the handshake with the server may take.
pub(crate) const CONNECT_LIMIT: Duration = Duration::from_secs(3);
/// How many connections are made at once: each takes the server a new process, and more only make each other late.
const CONNECTING: usize = 4;
/// A connection that was used as recently as this is not asked whether it is alive: asking each time
/// would double the round trips.
const TRUSTED_FOR: Duration = Duration::from_secs(1);
/// How long a connection that has been idle may take to say that it is alive.
const PING_LIMIT: Duration = Duration::from_secs(1);

/// A connection of the pool.
pub(crate) struct Connection {
    pub(crate) inner: PgConnection,
    /// Whether something was begun and has not come to its end. Nobody can say what the server still
    /// does for it, so such a connection is closed and never used again.
    pub(crate) busy: bool,
    used_at: Instant,
    generation: u64,
}

impl Connection {
    pub(crate) fn touch(&mut self) {
        self.busy = false;
        self.used_at = Instant::now();
    }
}

impl fmt::Debug for Connection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Connection").field("busy", &self.busy).finish_non_exhaustive()
    }
}

/// Makes connections, and judges those that come back.
#[derive(Debug)]
pub(crate) struct Connector {
    options: PgConnectOptions,
    /// Grows when the database is found to be gone: connections of earlier generations lead nowhere.
    generation: AtomicU64,
    connecting: Semaphore,
}

impl Connector {
    pub(crate) fn new(options: &PgConnectOptions) -> Self {
        let connecting = Semaphore::new(CONNECTING);
        Self { options: with_session(options.clone()), generation: AtomicU64::new(0), connecting }
    }

    /// A connection outside the pool. It is made on a thread of its own: sqlx gives way 800 times while it
    /// hashes the password (SCRAM), and where there is much to do each time takes a turn of all of that.
    pub(crate) async fn connect(&self) -> Result<PgConnection, sqlx::Error> {
        let (options, runtime) = (self.options.clone(), Handle::current());
        let connect = move || {
            let connecting = async { PgConnection::connect_with(&options).await };
            runtime.block_on(async { timeout(CONNECT_LIMIT, connecting).await })
        };
        let made = spawn_blocking(connect).await.map_err(|_| sqlx::Error::WorkerCrashed)?;
        made.unwrap_or_else(|_| Err(lost("does not answer")))
    }

    /// Gives up all connections that were made until now.
    pub(crate) fn abandon(&self) {
        self.generation.fetch_add(1, Ordering::Relaxed);
    }
}

impl Manager for Connector {
    type Type = Connection;
    type Error = sqlx::Error;

    async fn create(&self) -> Result<Connection, sqlx::Error> {
        // nobody closes it
        let _turn = self.connecting.acquire().await;
        let generation = self.generation.load(Ordering::Relaxed);
        let inner = self.connect().await?;
        Ok(Connection { inner, busy: false, used_at: Instant::now(), generation })
    }

    async fn recycle(
        &self,
        connection: &mut Connection,
        _: &Metrics,
    ) -> RecycleResult<sqlx::Error> {
        if connection.busy || connection.generation != self.generation.load(Ordering::Relaxed) {
            return Err(RecycleError::message("it leads nowhere"));
        }
        if connection.used_at.elapsed() > TRUSTED_FOR {
            connection.busy = true;
            let alive = timeout(PING_LIMIT, connection.inner.ping()).await;
            alive.unwrap_or_else(|_| Err(lost("does not answer")))?;
            connection.touch();
        }
        Ok(())
    }
}

/// What every session is told when it begins.
fn with_session(options: PgConnectOptions) -> PgConnectOptions {
    // a statement outlives its caller by no more than the longest call
    let limit = format!("{}ms", CALL_LIMIT.as_millis());
    options.application_name("souk").options([
        ("statement_timeout", limit.as_str()),
        // a statement whose connection was closed stops
        ("client_connection_check_interval", "1s"),
        // a process that is frozen, or a host that is gone, does not keep its locks: whoever works
        // goes on at once
        ("idle_in_transaction_session_timeout", "5s"),
        ("tcp_keepalives_idle", "10"),
        ("tcp_keepalives_interval", "5"),
        ("tcp_keepalives_count", "3"),
        // our statements are few and look rows up by key: planning them anew for each execution would
        // cost more than running them
        ("plan_cache_mode", "force_generic_plan"),
        // and by key it is, however small or unknown to the statistics a table was when they were
        // planned: a plan that was right for an empty table reads all of a full one
        ("enable_seqscan", "off"),
        ("enable_mergejoin", "off"),
        ("jit", "off"),
        // a plan for any number of rows is one for many, and to start workers for a page of a large table takes
        // fifty times as long as to read it
        ("max_parallel_workers_per_gather", "0"),
    ])
}

/// The error of a database that has gone without a word.
pub(crate) fn lost(what: &'static str) -> sqlx::Error {
    sqlx::Error::Io(std::io::Error::new(
        std::io::ErrorKind::ConnectionAborted,
        format!("the database {what}"),
    ))
}

/// The error of a statement that its caller no longer waits for.
pub(crate) fn late() -> sqlx::Error {
    std::io::Error::new(std::io::ErrorKind::TimedOut, "the statement took too long").into()
}

/// Whether it is that.
pub(crate) fn is_lost(error: &sqlx::Error) -> bool {
    matches!(error, sqlx::Error::Io(error) if error.kind() == std::io::ErrorKind::ConnectionAborted)
}
