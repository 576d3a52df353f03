//! One batch of an import: which products its rows become, and these written.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use souk_kit::id::{self, ProductId};
use sqlx::PgConnection;
use uuid::Uuid;

use super::By;
use crate::category::title;
use crate::import::{Rejection, Row, Session};
use crate::product::Market;
use crate::product_type::{Schema, TypeName};
use crate::stock::{self, Actor, MoveKind};
use crate::store::import::{Existing, Write};
use crate::typing::Typing;
use crate::{Error, attributes, store};

/// What became of a batch.
pub struct Stored {
    pub created: i32,
    pub updated: i32,
    pub rejected: Vec<Rejection>,
}

/// Stores rows: all that can be. In a dry run nothing is, and all the same counted.
pub async fn write(
    transaction: &mut PgConnection,
    typing: &Typing,
    session: &Session,
    by: &By,
    rows: &[Row],
) -> Result<Stored, Error> {
    // an import into an empty shop would otherwise go on with plans for tables that were small
    store::planning::plan_each_time(transaction).await?;
    let (rows, mut rejected) = without_repeats(transaction, session.id.uuid(), rows).await?;
    // categories before products, as everywhere: nobody waits for each other
    store::import::keep_categories(transaction, &slugs(rows.iter().copied())).await?;
    let existing = store::import::lock(transaction, &rows).await?;
    let existing: HashMap<&str, &Existing> =
        existing.iter().map(|product| (product.sku.as_str(), product)).collect();
    let mut writes = Vec::with_capacity(rows.len());
    for row in rows {
        match planned(row, existing.get(row.sku.as_str()).copied(), by.market) {
            Ok(write) => writes.push(write),
            Err(rejection) => rejected.push(rejection),
        }
    }
    let writes = typed(transaction, typing, writes, &mut rejected).await?;
    let (updates, inserts): (Vec<_>, Vec<_>) = writes.iter().partition(|write| write.exists);
    let count = |writes: &[&Write]| i32::try_from(writes.len()).unwrap_or(i32::MAX);
    let stored = Stored { created: count(&inserts), updated: count(&updates), rejected };
    if session.dry_run {
        return Ok(stored);
    }
    store::import::update(transaction, &updates).await?;
    // a product of the same sku that was created since the lock breaks the constraint
    store::import::insert(transaction, &inserts).await?;
    set_categories(transaction, &writes).await?;
    // last: sales wait for it
    set_stock(transaction, &by.actor, &writes).await?;
    Ok(stored)
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
    // those of another type mean nothing to the new one
    let kept = known.filter(|known| product_type.is_some() && product_type == known.product_type);
    let kept = kept.map(|known| known.attributes.clone()).unwrap_or_default();
    let attributes = match &row.attributes {
        Some(attributes) => kept.patched(attributes),
        None => kept,
    };
    if attributes.bytes() > attributes::MAX_BYTES {
        let issue = "must, with those that the product has, have at most 65536 bytes of JSON";
        return Err(row.rejected("attributes", issue));
    }
    let reserved = known.map_or(0, |known| known.reserved);
    if row.stock.is_some_and(|stock| stock > stock::MAX_UNITS - reserved) {
        let issue = format!("leaves no room for {reserved} units that are held for orders");
        return Err(row.rejected("stock", issue));
    }
    Ok(Write {
        id: known.map_or_else(id::new, |known| known.id),
        row,
        exists: known.is_some(),
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
async fn without_repeats<'r>(
    transaction: &mut PgConnection,
    import: Uuid,
    rows: &'r [Row],
) -> Result<(Vec<&'r Row>, Vec<Rejection>), Error> {
    let earlier = store::import::note_lines(transaction, import, rows).await?;
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

/// The categories that rows name.
fn slugs<'r>(rows: impl IntoIterator<Item = &'r Row>) -> BTreeSet<&'r str> {
    rows.into_iter().flat_map(|row| row.categories.iter().map(String::as_str)).collect()
}

async fn set_stock(
    transaction: &mut PgConnection,
    actor: &Actor,
    writes: &[Write<'_>],
) -> Result<(), Error> {
    let wanted: Vec<(ProductId, i32)> =
        writes.iter().filter_map(|write| Some((write.id, write.row.stock?))).collect();
    if !wanted.is_empty() {
        store::stock::set_each(transaction, MoveKind::Import, actor, &wanted).await?;
    }
    Ok(())
}

async fn set_categories(transaction: &mut PgConnection, writes: &[Write<'_>]) -> Result<(), Error> {
    let slugs = slugs(writes.iter().map(|write| write.row));
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
