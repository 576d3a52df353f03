//! A service's database: its connections, and whether it answers.

use std::sync::Arc;
use std::task::Poll;
use std::time::{Duration, Instant};

use deadpool::managed::{Object, Pool, PoolError, QueueMode};
use futures::FutureExt as _;
use souk_kit::server::Probe;
use sqlx::Connection as _;
use sqlx::migrate::Migrator;
use sqlx::postgres::PgConnectOptions;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tokio::time::{sleep, timeout, timeout_at};

use crate::connection::{Connector, is_lost, late, lost};
use crate::migrations::{self, Error};

/// How long a call waits for a free connection, at most.
const WAIT_LIMIT: Duration = Duration::from_secs(5);
/// How often the database is asked whether it answers.
const WATCH_INTERVAL: Duration = Duration::from_millis(500);
/// A database that does not answer the smallest question for as long as this is gone.
const WATCH_LIMIT: Duration = Duration::from_secs(3);

/// A service's database. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Database {
    pool: Pool<Connector>,
    state: watch::Receiver<State>,
    lists: Arc<Semaphore>,
}

/// What is known of the database.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct State {
    answers: bool,
    /// How often it was found to be gone.
    losses: u64,
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
        migrations::migrate(&options, migrator).await?;
        let pool = Pool::builder(Connector::new(&options))
            .max_size(usize::try_from(connections).unwrap_or(usize::MAX))
            // a few connections that are always in use rather than many that have to be asked
            .queue_mode(QueueMode::Lifo)
            .build()
            .map_err(|error| Error::Unreachable(sqlx::Error::Configuration(error.into())))?;
        let (sender, state) = watch::channel(State { answers: true, losses: 0 });
        tokio::spawn(watch_over(pool.clone(), sender));
        let lists = Arc::new(Semaphore::new((pool.status().max_size / 2).max(1)));
        Ok(Self { pool, state, lists })
    }

    /// Whether the database answers.
    pub fn probe(&self) -> Probe {
        let state = self.state.clone();
        Arc::new(move || std::future::ready(state.borrow().answers).boxed())
    }

    /// How many connections there are at most.
    pub fn connections(&self) -> usize {
        self.pool.status().max_size
    }

    /// A place for somebody who reads many rows and makes an answer of them, until it is dropped. They
    /// leave half of the connections to others, and rows do not pile up that nobody works on yet.
    pub async fn place_to_list(&self) -> Option<OwnedSemaphorePermit> {
        // nobody closes it
        self.lists.clone().acquire_owned().await.ok()
    }

    /// A connection of our own, for a while.
    pub(crate) async fn lease(&self, deadline: Instant) -> Result<Object<Connector>, sqlx::Error> {
        let latest = deadline.min(Instant::now() + WAIT_LIMIT);
        loop {
            match timeout_at(latest.into(), self.get()).await {
                Ok(Ok(connection)) => return Ok(connection),
                // the server has answered others meanwhile: it is busy, and one of theirs may be free
                Ok(Err(PoolError::Backend(error))) if is_lost(&error) && self.answers() => {}
                Ok(Err(PoolError::Backend(error))) => return Err(error),
                Ok(Err(PoolError::Closed)) => return Err(sqlx::Error::PoolClosed),
                // the caller has less time than anybody waits
                Err(_) if latest == deadline => return Err(late()),
                Ok(Err(_)) | Err(_) => return Err(sqlx::Error::PoolTimedOut),
            }
        }
    }

    /// A connection, as soon as there is one. One that is being made is made to its end: who leaves meanwhile
    /// leaves it to the next, or those who have no time would keep the others from ever having one.
    async fn get(&self) -> Result<Object<Connector>, PoolError<sqlx::Error>> {
        let pool = self.pool.clone();
        let mut get = Box::pin(async move { pool.get().await });
        if let Poll::Ready(got) = futures::poll!(&mut get) {
            return got;
        }
        let status = self.pool.status();
        if status.size + status.waiting > status.max_size {
            // all are in use
            return get.await;
        }
        tokio::spawn(get).await.unwrap_or(Err(PoolError::Closed))
    }

    /// Has those who come next use new connections: the statements that others have prepared are outdated.
    pub(crate) fn renew(&self) {
        self.pool.manager().abandon();
    }

    fn answers(&self) -> bool {
        self.state.borrow().answers
    }

    /// Completes when the database is found to be gone.
    pub(crate) fn loss(&self) -> impl Future<Output = ()> + use<> {
        let mut state = self.state.clone();
        let losses = state.borrow().losses;
        async move {
            // an error means that nobody watches any more
            if state.wait_for(|state| state.losses > losses).await.is_err() {
                std::future::pending::<()>().await;
            }
        }
    }
}

/// Asks the database all the time whether it answers, over a connection of its own: load on the pool
/// shall not look like a lost database, nor a lost database like load. Ends with the last user.
async fn watch_over(pool: Pool<Connector>, state: watch::Sender<State>) {
    let mut connection = None;
    while !state.is_closed() {
        let asked = async {
            let mut asked = match connection.take() {
                Some(connection) => connection,
                None => pool.manager().connect().await?,
            };
            asked.ping().await?;
            connection = Some(asked);
            Ok::<_, sqlx::Error>(())
        };
        let answer = timeout(WATCH_LIMIT, asked).await;
        let answer = answer.unwrap_or_else(|_| Err(lost("does not answer")));
        let answers = answer.is_ok();
        if state.borrow().answers != answers {
            match answer {
                Ok(()) => tracing::info!("the database answers again"),
                Err(error) => tracing::warn!(%error, "the database has gone"),
            }
            if !answers {
                // what waits for an answer waits in vain, and what is idle leads nowhere
                pool.manager().abandon();
            }
            state.send_modify(|state| {
                state.answers = answers;
                state.losses += u64::from(!answers);
            });
        }
        sleep(WATCH_INTERVAL).await;
    }
}
