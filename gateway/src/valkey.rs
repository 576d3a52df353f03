//! A Valkey or Redis that several gateways share, as far as it is there. It is never waited for: while
//! it is away or late, each goes on without it.

use std::fmt::{self, Display};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, PoisonError, RwLock, Weak};
use std::time::Duration;

use anyhow::Context as _;
use bytes::Bytes;
use redis::aio::MultiplexedConnection;
use redis::{AsyncCommands as _, Client, RedisResult};
use tokio::time::{sleep, timeout};

/// How long a request waits for it.
const BUDGET: Duration = Duration::from_millis(20);
/// How long it may take to be reached, and how long to leave it alone when it was lost.
const CONNECT_LIMIT: Duration = Duration::from_secs(1);
const PAUSE: Duration = Duration::from_secs(1);

/// A Valkey or Redis. Cheap to clone.
#[derive(Clone)]
pub struct Valkey(Arc<Inner>);

struct Inner {
    client: Client,
    /// `None` while it is away.
    connection: RwLock<Option<MultiplexedConnection>>,
    /// Whether its absence has been told.
    is_missed: AtomicBool,
}

impl Valkey {
    /// Connects to that of a URL: `redis://host:port/database`, or `rediss://` over TLS. One that is not
    /// there is looked for until it is.
    ///
    /// # Errors
    ///
    /// The URL cannot be read.
    pub async fn open(url: &str) -> anyhow::Result<Self> {
        // the error may repeat the password
        let client = Client::open(url).ok().context("must look like redis://host:port")?;
        let inner =
            Inner { client, connection: RwLock::default(), is_missed: AtomicBool::new(false) };
        let valkey = Self(Arc::new(inner));
        if let Err(error) = valkey.0.connect().await {
            valkey.0.miss(&error);
            valkey.look_for_it();
        }
        Ok(valkey)
    }

    /// What it answers to a question; `None` while it is away, or when it does not answer at once.
    pub(crate) async fn ask<T, A>(
        &self,
        question: impl FnOnce(MultiplexedConnection) -> A,
    ) -> Option<T>
    where
        A: Future<Output = RedisResult<T>>,
    {
        let connection = self.0.connection()?;
        match timeout(BUDGET, question(connection)).await {
            Ok(Ok(answer)) => {
                if self.0.is_missed.load(Ordering::Relaxed) {
                    self.0.welcome();
                }
                return Some(answer);
            }
            Ok(Err(error)) => self.lose(&error),
            Err(_) => self.lose(&"no answer in time"),
        }
        None
    }

    /// What it has under a key; `None` as above.
    pub(crate) async fn get(&self, key: &[u8]) -> Option<Option<Bytes>> {
        self.ask(async |mut connection| connection.get::<_, Option<Vec<u8>>>(key).await)
            .await
            .map(|found| found.map(Bytes::from))
    }

    /// Puts something under a key, for a while; `None` as above.
    pub(crate) async fn set(&self, key: &[u8], value: &[u8], ttl: Duration) -> Option<()> {
        let millis = u64::try_from(ttl.as_millis()).unwrap_or(u64::MAX).max(1);
        self.ask(async |mut connection| connection.pset_ex(key, value, millis).await).await
    }

    fn lose(&self, why: &dyn Display) {
        let lost = self.0.connection.write().unwrap_or_else(PoisonError::into_inner).take();
        // the first to see it says so
        if lost.is_some() {
            self.0.miss(why);
            self.look_for_it();
        }
    }

    fn look_for_it(&self) {
        tokio::spawn(find(Arc::downgrade(&self.0)));
    }
}

/// Tries to reach it until it is there, or nobody wants it any more.
async fn find(wanted: Weak<Inner>) {
    loop {
        sleep(PAUSE).await;
        let Some(inner) = wanted.upgrade() else { return };
        match inner.connect().await {
            Ok(()) => return,
            Err(error) => tracing::debug!(error, "the shared store cannot be reached"),
        }
    }
}

impl Inner {
    fn connection(&self) -> Option<MultiplexedConnection> {
        self.connection.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    async fn connect(&self) -> Result<(), String> {
        let connecting = timeout(CONNECT_LIMIT, self.client.get_multiplexed_async_connection());
        let connection = match connecting.await {
            Ok(connected) => connected.map_err(|error| error.to_string())?,
            Err(_) => return Err("no connection in time".to_owned()),
        };
        *self.connection.write().unwrap_or_else(PoisonError::into_inner) = Some(connection);
        Ok(())
    }

    /// Says once that it is away, until it has answered again.
    fn miss(&self, why: &dyn Display) {
        if !self.is_missed.swap(true, Ordering::Relaxed) {
            tracing::warn!(error = %why, "the shared store has gone: this process goes on alone");
        }
    }

    fn welcome(&self) {
        if self.is_missed.swap(false, Ordering::Relaxed) {
            tracing::info!("the shared store answers again");
        }
    }
}

impl fmt::Debug for Valkey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // its URL may have a password
        f.debug_struct("Valkey").finish_non_exhaustive()
    }
}
