//! Imports: their streams, whose rows are stored batch by batch. While one batch is stored, the rows of the next
//! are taken from the stream: a client that has to wait sends rows ahead, each in a frame of its own.

mod batch;

use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use futures::{FutureExt as _, Stream, StreamExt as _};
use souk_db::{Access, Database};
use souk_kit::id::{self, ImportId};
use sqlx::PgConnection;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};

use crate::import::{Import, NewImport, Rejection, Report, Row, Session, State};
use crate::product::Market;
use crate::stock::Actor;
use crate::typing::Typing;
use crate::{Error, store};

/// How many rows are stored at once.
const BATCH: usize = 500;
/// Rows that wait while a batch is stored.
const AHEAD: usize = 2 * BATCH;
/// How many bytes the rows of a stream take that are not stored yet; half of them make a batch.
const BYTES: usize = 4 << 20;
/// How often a batch is tried.
const ATTEMPTS: u32 = 5;
/// How long storing a batch may take.
const BATCH_LIMIT: Duration = Duration::from_secs(30);
/// How many rejected rows the report names.
const REPORTED: i64 = 1_000;

/// How many rows are forgotten at once.
const FORGOTTEN: i64 = 10_000;

/// A row of the stream: one that keeps the rules, or why it does not.
pub type Checked = Result<Row, Rejection>;

/// Who imports, and which products there are for them.
#[derive(Debug, Clone)]
pub struct By {
    pub actor: Actor,
    pub market: Market,
}

/// A row that waits, and its part of [`BYTES`].
type Waiting = (Checked, OwnedSemaphorePermit);

/// Rows that are decided together.
#[derive(Debug, Default)]
struct Batch {
    /// Which one of its import it is, from 1.
    number: i32,
    rows: Vec<Row>,
    rejected: Vec<Rejection>,
    last_line: i32,
    bytes: usize,
    /// Given back when the batch is stored.
    held: Vec<OwnedSemaphorePermit>,
}

impl Batch {
    fn is_full(&self) -> bool {
        self.rows.len() + self.rejected.len() >= BATCH || self.bytes >= BYTES / 2
    }

    fn is_empty(&self) -> bool {
        self.rows.is_empty() && self.rejected.is_empty()
    }
}

/// Imports rows. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Importing {
    database: Database,
    typing: Typing,
    /// Batches that are stored at once: imports have a quarter of the connections, and lists half of
    /// them, so that some are left to others.
    room: Arc<Semaphore>,
}

impl Importing {
    pub fn new(database: Database, typing: Typing) -> Self {
        let room = Arc::new(Semaphore::new((database.connections() / 4).max(1)));
        Self { database, typing, room }
    }

    pub async fn create(
        &self,
        access: &Access,
        new: &NewImport,
        actor: &Actor,
    ) -> Result<Import, Error> {
        Ok(store::imports::insert(access, id::new(), new, actor).await?)
    }

    /// Has an import store no more rows.
    pub async fn cancel(&self, access: &Access, id: ImportId) -> Result<Import, Error> {
        if let Some(cancelled) = store::imports::end(access, id, State::Cancelled).await? {
            return Ok(cancelled);
        }
        let found = store::imports::get(access, id).await?.ok_or(Error::ImportNotFound(id))?;
        match found.state {
            State::Cancelled => Ok(found),
            state => Err(Error::ImportEnded { id, state }),
        }
    }

    /// Stores rows until there are no more, or no next one can be had. What was stored stays. The rows are
    /// those of an import that is there, or of one of their own.
    pub async fn import<E: From<Error>>(
        &self,
        id: Option<ImportId>,
        by: &By,
        mut rows: impl Stream<Item = Result<Checked, E>> + Unpin,
    ) -> Result<Report, E> {
        let session = self.begin(id, by).await?;
        let (sender, receiver) = mpsc::channel(AHEAD);
        let bytes = Arc::new(Semaphore::new(BYTES));
        let store = self.store(&session, by, receiver);
        let read = async move {
            while let Some(row) = rows.next().await {
                let row = row?;
                let room = bytes.clone().acquire_many_owned(size(&row)).await;
                // nobody closes it
                let Ok(room) = room else { return Ok(()) };
                if sender.send(Some((row, room))).await.is_err() {
                    // the rows cannot be stored, which the other half tells
                    return Ok(());
                }
            }
            // a stream that was broken off does not come here
            let _ = sender.send(None).await;
            Ok(())
        };
        let (mut read, mut store) = (pin!(read), pin!(store));
        tokio::select! {
            read = &mut read => {
                let stored = store.await.map_err(E::from);
                read.and(stored)
            }
            // before the rows have ended: they cannot be stored
            stored = &mut store => {
                let report = stored.map_err(E::from)?;
                read.await.map(|()| report)
            }
        }
    }

    /// Takes an import over, or begins one of a stream's own.
    async fn begin(&self, id: Option<ImportId>, by: &By) -> Result<Session, Error> {
        let access = self.database.within(BATCH_LIMIT);
        let id = match id {
            Some(id) => id,
            None => {
                let own = NewImport::of_one_stream();
                store::imports::insert(&access, id::new(), &own, &by.actor).await?.id
            }
        };
        if let Some(session) = store::imports::take_over(&access, id).await? {
            return Ok(session);
        }
        let found = store::imports::get(&access, id).await?.ok_or(Error::ImportNotFound(id))?;
        Err(Error::ImportEnded { id, state: found.state })
    }

    async fn store(
        &self,
        session: &Session,
        by: &By,
        mut rows: mpsc::Receiver<Option<Waiting>>,
    ) -> Result<Report, Error> {
        let mut batch = Batch { number: session.batches, ..Batch::default() };
        let mut last_line = session.last_line;
        let mut has_ended = false;
        while let Some(row) = rows.recv().await {
            let Some((row, room)) = row else {
                has_ended = true;
                break;
            };
            let Some(row) = session.next(row, &mut last_line) else { continue };
            batch.bytes += room.num_permits();
            batch.held.push(room);
            match row {
                Ok(row) => batch.rows.push(row),
                Err(rejection) => batch.rejected.push(rejection),
            }
            if batch.is_full() {
                self.store_batch(session, by, &mut batch, last_line).await?;
            }
        }
        self.store_batch(session, by, &mut batch, last_line).await?;
        self.finish(session, has_ended).await
    }

    /// Stores a batch whole, again if somebody else imported the same, or deleted a category,
    /// meanwhile. The second time it finds what they left.
    async fn store_batch(
        &self,
        session: &Session,
        by: &By,
        batch: &mut Batch,
        last_line: i32,
    ) -> Result<(), Error> {
        if batch.is_empty() {
            return Ok(());
        }
        let (number, next) =
            (batch.number + 1, Batch { number: batch.number + 1, ..Batch::default() });
        let batch = Arc::new(Batch { number, last_line, ..std::mem::replace(batch, next) });
        // nobody closes it
        let _place = self.room.acquire().await;
        let mut attempts = 1;
        loop {
            let (batch, by, typing) = (batch.clone(), by.clone(), self.typing.clone());
            let session = session.clone();
            let access = self.database.within(BATCH_LIMIT);
            let work = access.transaction(move |transaction| {
                async move { decide(transaction, &typing, &session, &by, &batch).await }.boxed()
            });
            match work.await {
                Err(error) if error.may_pass() && attempts < ATTEMPTS => attempts += 1,
                done => break done,
            }
        }
    }

    /// What became of all rows; an import whose stream has come to its end is completed.
    async fn finish(&self, session: &Session, has_ended: bool) -> Result<Report, Error> {
        let access = self.database.within(BATCH_LIMIT);
        let id = session.id;
        if has_ended {
            let completed = store::imports::complete(&access, session).await?;
            completed.then_some(()).ok_or(Error::ImportTakenOver(id))?;
            if let Err(error) = store::import::forget_lines(&access, id.uuid()).await {
                // they go with time, as those of imports that end otherwise
                tracing::warn!(error = souk_kit::failure::chain(&error), "cannot forget an import");
            }
        }
        let import = store::imports::get(&access, id).await?.ok_or(Error::ImportNotFound(id))?;
        let rejections = store::imports::rejections(&access, id, 0, REPORTED).await?;
        let rejections = rejections.into_iter().map(|(_, rejection)| rejection).collect();
        Ok(Report { import, rejections })
    }

    /// Forgets some of what is left of old imports: how many rows.
    pub async fn forget_old(&self) -> Result<u64, Error> {
        let access = self.database.within(BATCH_LIMIT);
        let lines = store::import::forget_old_lines(&access, FORGOTTEN).await?;
        Ok(lines + store::imports::forget_old(&access, FORGOTTEN).await?)
    }
}

/// A row's part of [`BYTES`].
fn size(row: &Checked) -> u32 {
    let bytes = match row {
        Ok(row) => row.bytes(),
        Err(rejection) => rejection.field.len() + rejection.issue.len() + 100,
    };
    u32::try_from(bytes.min(BYTES / 4)).unwrap_or(u32::MAX)
}

/// Decides on a batch, and notes how far the import is, both or neither.
async fn decide(
    transaction: &mut PgConnection,
    typing: &Typing,
    session: &Session,
    by: &By,
    batch: &Batch,
) -> Result<(), Error> {
    let number = batch.number;
    if !store::imports::advance(transaction, session, number, batch.last_line).await? {
        // it may be this one that was stored, and its commit not heard of
        return match store::imports::is_at(transaction, session, number).await? {
            true => Ok(()),
            false => Err(Error::ImportTakenOver(session.id)),
        };
    }
    let stored = batch::write(transaction, typing, session, by, &batch.rows).await?;
    let mut rejected = batch.rejected.clone();
    rejected.extend(stored.rejected);
    rejected.sort_by_key(|rejection| rejection.line);
    let counts = (stored.created, stored.updated);
    store::imports::count(transaction, session.id, counts, &rejected).await?;
    Ok(())
}
