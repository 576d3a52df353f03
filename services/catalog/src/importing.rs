//! Storing the rows of an import, batch by batch. While one batch is stored, the rows of the next are
//! taken from the stream: a client that has to wait sends rows ahead, each in a frame of its own.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use futures::{FutureExt as _, Stream, StreamExt as _};
use souk_db::Database;
use souk_kit::id;
use sqlx::PgConnection;
use tokio::sync::{Semaphore, mpsc};
use uuid::Uuid;

use crate::attributes::Attributes;
use crate::category::title;
use crate::import::{Rejection, Report, Row};
use crate::product::Market;
use crate::product_type::{Schema, TypeName};
use crate::stock::{Actor, Entry, Move, MoveKind};
use crate::store::import::{Existing, Write};
use crate::typing::Typing;
use crate::{Error, store};

/// How many rows are stored at once.
const BATCH: usize = 500;
/// Rows that wait while a batch is stored.
const AHEAD: usize = 2 * BATCH;
/// How often a batch is tried.
const ATTEMPTS: u32 = 5;
/// How long storing a batch may take.
const BATCH_LIMIT: Duration = Duration::from_secs(30);

/// A row of the stream: one that keeps the rules, or why it does not.
pub type Checked = Result<Row, Rejection>;

/// Who imports, and which products there are for them.
#[derive(Debug, Clone)]
pub struct By {
    pub actor: Actor,
    pub market: Market,
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

    /// Stores rows until there are no more, or no next one can be had. What was stored stays.
    pub async fn import<E: From<Error>>(
        &self,
        by: &By,
        mut rows: impl Stream<Item = Result<Checked, E>> + Unpin,
    ) -> Result<Report, E> {
        let (sender, receiver) = mpsc::channel(AHEAD);
        let store = self.store(by, receiver);
        let read = async move {
            while let Some(row) = rows.next().await {
                if sender.send(row?).await.is_err() {
                    // the rows cannot be stored, which the other half tells
                    break;
                }
            }
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

    async fn store(&self, by: &By, mut rows: mpsc::Receiver<Checked>) -> Result<Report, Error> {
        let import = Uuid::now_v7();
        let mut report = Report::default();
        let mut batch = Vec::with_capacity(BATCH);
        while let Some(row) = rows.recv().await {
            match row {
                Ok(row) => batch.push(row),
                Err(rejection) => report.reject(rejection),
            }
            if batch.len() == BATCH {
                self.store_batch(import, by, &mut batch, &mut report).await?;
            }
        }
        self.store_batch(import, by, &mut batch, &mut report).await?;
        let done = self.database.within(BATCH_LIMIT);
        if let Err(error) = store::import::forget_lines(&done, import).await {
            // they go with time, as those of imports that end otherwise
            tracing::warn!(error = souk_kit::failure::chain(&error), "cannot forget an import");
        }
        Ok(report)
    }

    /// Stores a batch whole, again if somebody else imported the same, or deleted a category,
    /// meanwhile. The second time it finds what they left.
    async fn store_batch(
        &self,
        import: Uuid,
        by: &By,
        batch: &mut Vec<Row>,
        report: &mut Report,
    ) -> Result<(), Error> {
        let rows = std::mem::take(batch);
        if rows.is_empty() {
            return Ok(());
        }
        // nobody closes it
        let _place = self.room.acquire().await;
        let mut attempts = 1;
        let stored = loop {
            let (rows, by, typing) = (rows.clone(), by.clone(), self.typing.clone());
            let access = self.database.within(BATCH_LIMIT);
            let work = access.transaction(move |transaction| {
                async move { write(transaction, &typing, import, &by, rows).await }.boxed()
            });
            match work.await {
                Err(error) if error.may_pass() && attempts < ATTEMPTS => attempts += 1,
                done => break done?,
            }
        };
        report.created += stored.created;
        report.updated += stored.updated;
        stored.rejected.into_iter().for_each(|rejection| report.reject(rejection));
        Ok(())
    }

    /// Forgets the lines of imports that did not end: how many.
    pub async fn forget_abandoned(&self) -> Result<u64, Error> {
        Ok(store::import::forget_old_lines(&self.database.within(BATCH_LIMIT)).await?)
    }
}

/// What became of a batch.
struct Stored {
    created: i32,
    updated: i32,
    rejected: Vec<Rejection>,
}

async fn write(
    transaction: &mut PgConnection,
    typing: &Typing,
    import: Uuid,
    by: &By,
    rows: Vec<Row>,
) -> Result<Stored, Error> {
    // an import into an empty shop would otherwise go on with plans for tables that were small
    store::planning::plan_each_time(transaction).await?;
    let (rows, mut rejected) = without_repeats(transaction, import, rows).await?;
    let existing = store::import::lock(transaction, &rows).await?;
    let existing: HashMap<&str, &Existing> =
        existing.iter().map(|product| (product.sku.as_str(), product)).collect();
    let mut writes = Vec::with_capacity(rows.len());
    for row in &rows {
        match planned(row, existing.get(row.sku.as_str()).copied(), by.market) {
            Ok(write) => writes.push(write),
            Err(rejection) => rejected.push(rejection),
        }
    }
    let writes = typed(transaction, typing, writes, &mut rejected).await?;
    let (updates, inserts): (Vec<_>, Vec<_>) =
        writes.iter().partition(|write| write.available.is_some());
    store::import::update(transaction, &updates).await?;
    // a product of the same sku that was created since the lock breaks the constraint
    store::import::insert(transaction, &inserts).await?;
    move_stock(transaction, &by.actor, &writes).await?;
    set_categories(transaction, &writes).await?;
    let count = |writes: &[&Write]| i32::try_from(writes.len()).unwrap_or(i32::MAX);
    Ok(Stored { created: count(&inserts), updated: count(&updates), rejected })
}

/// The product that a row becomes.
fn planned<'r>(
    row: &'r Row,
    known: Option<&Existing>,
    market: Market,
) -> Result<Write<'r>, Rejection> {
    let of_others =
        known.is_some_and(|known| market.code().is_some_and(|currency| currency != known.currency));
    if of_others {
        let issue = "is the sku of a product that is priced in another currency";
        return Err(row.rejected("sku", issue));
    }
    let kept = || known.and_then(|known| known.product_type.clone());
    let product_type = row.product_type.clone().unwrap_or_else(kept);
    let attributes = match (&row.attributes, known) {
        (Some(attributes), _) => attributes.clone(),
        (None, Some(known)) if product_type.is_some() => known.attributes.clone(),
        (None, _) => Attributes::default(),
    };
    Ok(Write {
        id: known.map_or_else(id::new, |known| known.id),
        row,
        available: known.map(|known| known.available),
        product_type,
        attributes,
    })
}

/// Leaves out the rows whose attributes are not what their type asks for. The types stay as they are until the
/// end of the transaction.
async fn typed<'r>(
    transaction: &mut PgConnection,
    typing: &Typing,
    writes: Vec<Write<'r>>,
    rejected: &mut Vec<Rejection>,
) -> Result<Vec<Write<'r>>, Error> {
    let names: HashSet<&TypeName> =
        writes.iter().filter_map(|write| write.product_type.as_ref()).collect();
    let mut schemas = HashMap::with_capacity(names.len());
    if !names.is_empty() {
        let names: Vec<&TypeName> = names.into_iter().collect();
        for found in store::product_types::keep(transaction, &names).await? {
            schemas.insert(found.name.clone(), typing.schema(&found)?);
        }
    }
    let mut fitting = Vec::with_capacity(writes.len());
    for write in writes {
        match misfit(&write, &schemas) {
            None => fitting.push(write),
            Some(rejection) => rejected.push(rejection),
        }
    }
    Ok(fitting)
}

fn misfit(write: &Write<'_>, schemas: &HashMap<TypeName, Schema>) -> Option<Rejection> {
    let Some(name) = &write.product_type else {
        let issue = "need a type that says what they are";
        return (!write.attributes.is_empty()).then(|| write.row.rejected("attributes", issue));
    };
    let Some(schema) = schemas.get(name) else {
        return Some(write.row.rejected("type", "must name a type that exists"));
    };
    let broken = schema.check(&write.attributes.clone().into_value()).err()?;
    broken.into_iter().next().map(|first| write.row.rejected(first.field, first.issue))
}

/// Leaves out the rows whose SKU has been in the import before, in this batch or an earlier one.
async fn without_repeats(
    transaction: &mut PgConnection,
    import: Uuid,
    rows: Vec<Row>,
) -> Result<(Vec<Row>, Vec<Rejection>), Error> {
    let earlier = store::import::note_lines(transaction, import, &rows).await?;
    let mut here = HashMap::with_capacity(rows.len());
    let mut repeated = Vec::new();
    let mut kept = Vec::with_capacity(rows.len());
    for row in rows {
        // its own line is there when the batch was stored, and its commit not heard of
        let earlier = earlier.get(&row.sku).filter(|line| **line != row.line);
        match here.get(&row.sku).or(earlier).copied() {
            Some(first) => {
                repeated.push(row.rejected("sku", format!("is the sku of line {first} already")));
            }
            None => {
                here.insert(row.sku.clone(), row.line);
                kept.push(row);
            }
        }
    }
    Ok((kept, repeated))
}

async fn move_stock(
    transaction: &mut PgConnection,
    actor: &Actor,
    writes: &[Write<'_>],
) -> Result<(), Error> {
    let moves: Vec<Move> = writes
        .iter()
        .filter_map(|write| {
            let available = write.row.stock? - write.available.unwrap_or(0);
            (available != 0).then_some(Move { product: write.id, available, reserved: 0 })
        })
        .collect();
    if !moves.is_empty() {
        let entry = Entry::new(MoveKind::Import, actor.clone());
        store::stock::record(transaction, &entry, &moves).await?;
    }
    Ok(())
}

async fn set_categories(transaction: &mut PgConnection, writes: &[Write<'_>]) -> Result<(), Error> {
    let slugs: BTreeSet<&str> =
        writes.iter().flat_map(|write| write.row.categories.iter().map(String::as_str)).collect();
    if slugs.is_empty() {
        return Ok(());
    }
    let names: BTreeMap<&str, String> = slugs.into_iter().map(|slug| (slug, title(slug))).collect();
    let categories = store::import::ensure_categories(transaction, &names).await?;
    if categories.len() < names.len() {
        return Err(Error::invalid("category_ids", "must name categories that exist"));
    }
    let links: BTreeSet<_> = writes
        .iter()
        .flat_map(|write| {
            let categories = &categories;
            let slugs = write.row.categories.iter();
            slugs.filter_map(move |slug| Some((write.id.uuid(), *categories.get(slug)?)))
        })
        .collect();
    store::import::set_categories(transaction, &links).await?;
    Ok(())
}
