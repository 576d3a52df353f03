//! Statements, bounded in every direction: a wait for a connection, a deadline for each statement,
//! and connections that are whole or closed.
//!
//! A statement runs in a task of its own, unless it is asked for by one that nobody interrupts. Its
//! caller may leave at whatever instant (a deadline, a reset, a closed connection) and interrupts
//! nothing: what was begun comes to its end, and the connection is used again only after that. What
//! does not come to its end in time takes its connection with it; the server notices and stops.

use std::error::Error;
use std::time::{Duration, Instant};

use deadpool::managed::Object;
use futures::future::BoxFuture;
use futures::stream::BoxStream;
use futures::{FutureExt as _, StreamExt as _, TryStreamExt as _, stream};
use sqlx::postgres::{
    PgArguments, PgDatabaseError, PgQueryResult, PgRow, PgSeverity, PgStatement, PgTypeInfo,
};
use sqlx::{Connection as _, Either, Execute, Executor, PgConnection, Postgres, SqlStr};
use tokio::sync::oneshot;
use tokio::time::timeout_at;
use tracing::Instrument as _;

use crate::connection::{Connection, Connector, late, lost};
use crate::database::Database;
use crate::failure::is_outdated;

/// How much longer than its caller a statement may take before its connection is given up: most
/// statements that are late are late by less, and connections are dear.
const GRACE: Duration = Duration::from_millis(500);
/// How long a statement for several may take, however long they wait.
const BATCH_LIMIT: Duration = Duration::from_secs(5);

/// The way to a database for somebody who waits no longer than until a deadline. A reference to it
/// executes queries, as a pool would.
#[derive(Debug, Clone)]
pub struct Access {
    database: Database,
    deadline: Instant,
    in_place: bool,
}

impl Database {
    /// The way to the database of somebody who waits until `deadline`.
    pub fn until(&self, deadline: Instant) -> Access {
        Access { database: self.clone(), deadline, in_place: false }
    }

    /// The way to the database of a batch, which nobody interrupts.
    pub fn for_many(&self) -> Access {
        self.within(BATCH_LIMIT).in_place()
    }

    /// The same for a batch of which each item has somebody who waits until one of the `deadlines`.
    pub fn while_any_waits(&self, deadlines: impl Iterator<Item = Instant>) -> Access {
        let limit = Instant::now() + BATCH_LIMIT;
        self.until(deadlines.max().map_or(limit, |latest| latest.min(limit))).in_place()
    }

    /// The way to the database of work that no call waits for.
    pub fn within(&self, limit: Duration) -> Access {
        self.until(Instant::now() + limit)
    }
}

impl Access {
    /// How long its user waits.
    pub fn deadline(&self) -> Instant {
        self.deadline
    }

    /// Statements run in the task that asks for them, which spares each the way to another. For work
    /// that nobody interrupts: what is interrupted all the same takes its connection with it.
    fn in_place(self) -> Self {
        Self { in_place: true, ..self }
    }

    /// Runs statements in one transaction, which commits when `work` succeeds. It begins and ends
    /// whether or not the caller stays.
    ///
    /// # Errors
    ///
    /// The error of `work`, after which nothing has happened; or the database's, where that of the
    /// commit itself leaves open what has happened.
    pub async fn transaction<T, E>(
        &self,
        work: impl for<'c> FnOnce(&'c mut PgConnection) -> BoxFuture<'c, Result<T, E>> + Send + 'static,
    ) -> Result<T, E>
    where
        T: Send + 'static,
        E: Error + From<sqlx::Error> + Send + 'static,
    {
        let database = self.database.clone();
        let done = self.run(|connection| {
            async move {
                let mut transaction = connection.begin().await?;
                match work(&mut transaction).await {
                    Ok(value) => transaction.commit().await.map(|()| Ok(value)),
                    Err(error) => {
                        transaction.rollback().await?;
                        if comes_from_outdated(&error) {
                            database.renew();
                            connection.clear_cached_statements().await?;
                        }
                        Ok(Err(error))
                    }
                }
            }
            .boxed()
        });
        done.await?
    }

    /// Runs `work` on a connection, in a task of its own unless it is asked to stay in this one.
    async fn run<T: Send + 'static>(
        &self,
        work: impl for<'c> FnOnce(&'c mut PgConnection) -> BoxFuture<'c, Result<T, sqlx::Error>>
        + Send
        + 'static,
    ) -> Result<T, sqlx::Error> {
        let connection = self.database.lease(self.deadline).await?;
        let work = carry_out(connection, self.deadline + GRACE, self.database.loss(), work);
        if self.in_place {
            return work.await;
        }
        let (sender, receiver) = oneshot::channel();
        let task = async move {
            // the connection is free again before the caller goes on
            let _ = sender.send(work.await);
        };
        tokio::spawn(task.in_current_span());
        // only a panic in a statement loses the answer
        receiver.await.unwrap_or(Err(sqlx::Error::WorkerCrashed))
    }
}

fn comes_from_outdated(error: &(dyn Error + 'static)) -> bool {
    let mut chain = std::iter::successors(Some(error), |&error| error.source());
    chain.any(|error| error.downcast_ref().is_some_and(is_outdated))
}

async fn carry_out<T>(
    mut connection: Object<Connector>,
    limit: Instant,
    loss: impl Future<Output = ()>,
    work: impl for<'c> FnOnce(&'c mut PgConnection) -> BoxFuture<'c, Result<T, sqlx::Error>>,
) -> Result<T, sqlx::Error> {
    connection.busy = true;
    let outcome = tokio::select! {
        biased;
        outcome = timeout_at(limit.into(), work(&mut connection.inner)) => outcome,
        () = loss => Ok(Err(lost("has gone"))),
    };
    let outcome = outcome.unwrap_or_else(|_| Err(late()));
    let is_whole = match &outcome {
        Ok(_) => true,
        Err(error) => is_harmless(error),
    };
    if is_whole {
        connection.touch();
    } else {
        close(connection);
    }
    outcome
}

/// Whether the connection is as good after the error as before it: the server has refused the
/// statement and waits for the next one. A fatal error is its last word.
fn is_harmless(error: &sqlx::Error) -> bool {
    let error = error.as_database_error();
    let error = error.and_then(|error| error.try_downcast_ref::<PgDatabaseError>());
    error.is_some_and(|error| error.severity() == PgSeverity::Error)
}

/// Out of the pool, which makes room for another.
fn close(connection: Object<Connector>) {
    drop::<Connection>(Object::take(connection));
}

/// All that a statement answers.
type Answer = Vec<Either<PgQueryResult, PgRow>>;

impl<'c> Executor<'c> for &'c Access {
    type Database = Postgres;

    fn fetch_many<'e, 'q: 'e, E>(
        self,
        query: E,
    ) -> BoxStream<'e, Result<Either<PgQueryResult, PgRow>, sqlx::Error>>
    where
        'c: 'e,
        E: 'q + Execute<'q, Postgres>,
    {
        let statement = Statement::of(query);
        let answer = async move {
            let (statement, database) = (statement?, self.database.clone());
            self.run(|connection| statement.fetch(connection, database).boxed()).await
        };
        // never large: pages are bounded
        let rows = answer.map(|answer| match answer {
            Ok(answer) => stream::iter(answer).map(Ok).left_stream(),
            Err(error) => stream::iter([Err(error)]).right_stream(),
        });
        rows.flatten_stream().boxed()
    }

    fn fetch_optional<'e, 'q: 'e, E>(
        self,
        query: E,
    ) -> BoxFuture<'e, Result<Option<PgRow>, sqlx::Error>>
    where
        'c: 'e,
        E: 'q + Execute<'q, Postgres>,
    {
        // not cut short after the first row: the rest of the answer would be left on the connection
        let mut rows = self.fetch_many(query);
        async move {
            let mut first = None;
            while let Some(step) = rows.try_next().await? {
                if let (None, Either::Right(row)) = (&first, step) {
                    first = Some(row);
                }
            }
            Ok(first)
        }
        .boxed()
    }

    fn prepare_with<'e>(
        self,
        _: SqlStr,
        _: &'e [PgTypeInfo],
    ) -> BoxFuture<'e, Result<PgStatement, sqlx::Error>>
    where
        'c: 'e,
    {
        std::future::ready(Err(prepared_elsewhere())).boxed()
    }

    fn describe<'e>(self, _: SqlStr) -> BoxFuture<'e, Result<sqlx::Describe<Postgres>, sqlx::Error>>
    where
        'c: 'e,
    {
        std::future::ready(Err(prepared_elsewhere())).boxed()
    }
}

fn prepared_elsewhere() -> sqlx::Error {
    sqlx::Error::Configuration("statements are prepared where they are executed".into())
}

/// A query with its values, which can go to another task.
struct Statement {
    sql: SqlStr,
    arguments: Option<PgArguments>,
}

impl Statement {
    fn of<'q>(mut query: impl Execute<'q, Postgres>) -> Result<Self, sqlx::Error> {
        let arguments = query.take_arguments().map_err(sqlx::Error::Encode)?;
        Ok(Self { sql: query.sql(), arguments })
    }

    async fn fetch(
        self,
        connection: &mut PgConnection,
        database: Database,
    ) -> Result<Answer, sqlx::Error> {
        let Self { sql, arguments } = self;
        let Some(arguments) = arguments else {
            return connection.fetch_many(sqlx::raw_sql(sql)).try_collect().await;
        };
        let again = sqlx::query_with(sql.clone(), arguments.clone());
        let answer = connection.fetch_many(sqlx::query_with(sql, arguments)).try_collect().await;
        match answer {
            Err(error) if is_outdated(&error) => {
                // refused before anything was done
                database.renew();
                connection.clear_cached_statements().await?;
                connection.fetch_many(again).try_collect().await
            }
            answer => answer,
        }
    }
}
