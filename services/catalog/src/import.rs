//! Import: many products at once, created or updated by SKU, in batches.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::time::Duration;

use souk_kit::id;
use souk_kit::request::Context;
use souk_proto::Validate as _;
use souk_proto::souk::catalog::v1 as proto;
use sqlx::PgConnection;

use crate::products::Price;
use crate::stock::{Actor, Entry, Move, MoveKind};
use crate::store::import::{Existing, Write};
use crate::{Catalog, Error, store};

/// How many rows are stored at once.
pub const BATCH: usize = 500;
/// How many rejected rows the report names.
const MAX_REPORTED: usize = 1_000;
/// How often a batch is tried.
const ATTEMPTS: u32 = 5;
/// How long storing a batch may take.
const BATCH_LIMIT: Duration = Duration::from_secs(30);

/// A row that keeps the rules.
#[derive(Debug, Clone)]
pub struct Row {
    pub sku: String,
    pub name: String,
    pub description: Option<String>,
    pub price: Price,
    pub stock: Option<i32>,
    pub categories: Vec<String>,
}

/// What became of the rows so far.
#[derive(Debug, Default)]
pub struct Report {
    created: i32,
    updated: i32,
    rejected: i32,
    errors: Vec<proto::RejectedRow>,
}

/// An import under way: rows are collected and stored batch by batch.
#[derive(Debug)]
pub struct Import<'a> {
    catalog: &'a Catalog,
    actor: Actor,
    /// Where each SKU of this import stood.
    seen: HashMap<String, i32>,
    batch: Vec<Row>,
    report: Report,
}

impl<'a> Import<'a> {
    pub fn new(catalog: &'a Catalog, context: &Context) -> Result<Self, Error> {
        let actor = Actor::of(context)?;
        let (seen, batch) = (HashMap::new(), Vec::with_capacity(BATCH));
        Ok(Self { catalog, actor, seen, batch, report: Report::default() })
    }

    /// Takes a row: to be stored, or to be reported.
    pub async fn add(&mut self, row: proto::ImportProductsRequest) -> Result<(), Error> {
        let line = row.line;
        match self.check(row) {
            Ok(row) => self.batch.push(row),
            Err(Error::Invalid { field, issue }) => self.report.reject(line, field, issue),
            Err(error) => return Err(error),
        }
        if self.batch.len() == BATCH { self.store().await } else { Ok(()) }
    }

    /// Stores what is left, and tells what became of the rows.
    pub async fn finish(mut self) -> Result<proto::ImportProductsResponse, Error> {
        self.store().await?;
        let Report { created, updated, rejected, errors } = self.report;
        Ok(proto::ImportProductsResponse { created, updated, rejected, errors })
    }

    fn check(&mut self, row: proto::ImportProductsRequest) -> Result<Row, Error> {
        if let Err(violations) = row.validate()
            && let Some(first) = violations.into_iter().next()
        {
            return Err(Error::invalid(first.field, first.issue));
        }
        let price = Price::parse(row.price.as_ref())?;
        if let Some(first) = self.seen.get(&row.sku) {
            return Err(Error::invalid("sku", format!("is the sku of line {first} already")));
        }
        self.seen.insert(row.sku.clone(), row.line);
        Ok(Row {
            sku: row.sku,
            name: row.name,
            description: row.description,
            price,
            stock: row.stock,
            categories: row.categories,
        })
    }

    async fn store(&mut self) -> Result<(), Error> {
        let batch = std::mem::take(&mut self.batch);
        if batch.is_empty() {
            return Ok(());
        }
        let (created, updated) = self.store_insistently(&batch).await?;
        self.report.created += created;
        self.report.updated += updated;
        Ok(())
    }
}

impl Import<'_> {
    /// Stores a batch, again if somebody else imported the same, or deleted a category, meanwhile.
    /// The second time it finds what they left.
    async fn store_insistently(&self, batch: &[Row]) -> Result<(i32, i32), Error> {
        let mut attempts = 1;
        loop {
            match self.catalog.store_batch(&self.actor, batch).await {
                Err(error) if error.may_pass() && attempts < ATTEMPTS => attempts += 1,
                done => return done,
            }
        }
    }
}

impl Report {
    fn reject(&mut self, line: i32, field: String, issue: String) {
        self.rejected += 1;
        if self.errors.len() < MAX_REPORTED {
            self.errors.push(proto::RejectedRow { line, field, issue });
        }
    }
}

impl Catalog {
    /// Stores a batch whole: how many products were created and updated.
    async fn store_batch(&self, actor: &Actor, rows: &[Row]) -> Result<(i32, i32), Error> {
        let mut transaction = self.database.begin(BATCH_LIMIT).await?;
        let existing = store::import::lock(&mut transaction, rows).await?;
        let existing: HashMap<&str, &Existing> =
            existing.iter().map(|product| (product.sku.as_str(), product)).collect();
        let writes: Vec<Write> = rows
            .iter()
            .map(|row| {
                let known = existing.get(row.sku.as_str());
                let id = known.map_or_else(id::new, |product| product.id);
                Write { id, row, available: known.map(|product| product.available) }
            })
            .collect();
        let (updates, inserts): (Vec<_>, Vec<_>) =
            writes.iter().partition(|write| write.available.is_some());
        store::import::update(&mut transaction, &updates).await?;
        // a product of the same sku that was created since the lock breaks the constraint
        store::import::insert(&mut transaction, &inserts).await?;
        move_stock(&mut transaction, actor, &writes).await?;
        set_categories(&mut transaction, &writes).await?;
        transaction.commit().await?;
        let count = |writes: &[&Write]| i32::try_from(writes.len()).unwrap_or(i32::MAX);
        Ok((count(&inserts), count(&updates)))
    }
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
            write
                .row
                .categories
                .iter()
                .filter_map(move |slug| Some((write.id.uuid(), *categories.get(slug)?)))
        })
        .collect();
    store::import::set_categories(transaction, &links).await?;
    Ok(())
}

/// A name for a category of which only the slug is known: `language/old-english` is “Old English”.
fn title(slug: &str) -> String {
    let last = slug.rsplit('/').next().unwrap_or(slug);
    let words = last.split('-').map(|word| {
        let mut letters = word.chars();
        letters
            .next()
            .map_or_else(String::new, |first| first.to_uppercase().chain(letters).collect())
    });
    words.collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::title;

    #[test]
    fn a_category_is_named_after_its_slug() {
        assert_eq!(title("language/old-english"), "Old English");
        assert_eq!(title("decade/2000s"), "2000s");
    }
}
