//! Reading orders, and all that has happened to them.

use std::time::{Duration, Instant};

use souk_db::{Access, Totals};
use souk_kit::cursor::{Cursors, Total};
use souk_kit::id::{OrderId, UserId};
use souk_kit::page::{Page, Position};
use souk_kit::request::Context;
use tokio::time::timeout;

use crate::catalog::Catalog;
use crate::history::{History, StockMoves};
use crate::listing::Filters;
use crate::order::Order;
use crate::purchase::Purchase;
use crate::{Error, store};

/// Lists with filters are counted as far as this; those whose pages have numbers further.
const COUNTED: i32 = 1_000;
const COUNTED_FOR_PAGES: i32 = 10_000;
/// How long the catalog is waited for.
const MOVES_LIMIT: Duration = Duration::from_secs(1);

/// An order that the customer may see; any order when there is no customer.
pub async fn order(access: &Access, id: OrderId, customer: Option<UserId>) -> Result<Order, Error> {
    store::orders::get(access, id, customer).await?.ok_or(Error::NotFound(id))
}

/// The same with its payments, refunds and shipment.
pub async fn purchase(
    access: &Access,
    id: OrderId,
    customer: Option<UserId>,
) -> Result<Purchase, Error> {
    let found = store::purchases::get(access, id, customer).await?;
    found.map(|(purchase, _)| purchase).ok_or(Error::NotFound(id))
}

/// The same with what was done to it, and for the shop with what has moved in stock for it.
pub async fn history(
    access: &Access,
    catalog: &Catalog,
    context: &Context,
    id: OrderId,
    customer: Option<UserId>,
) -> Result<History, Error> {
    let purchase = purchase(access, id, customer).await?;
    let changes = store::history::of_order(access, id).await?.into_iter();
    let changes = changes.map(|change| change.seen_by(customer)).collect();
    let stock = match customer {
        Some(_) => StockMoves::Untold,
        None => stock_moves(catalog, context, id).await,
    };
    Ok(History { purchase, changes, stock })
}

/// Who looks for what has gone wrong is told all the rest, also where it is the catalog that has.
async fn stock_moves(catalog: &Catalog, context: &Context, order: OrderId) -> StockMoves {
    let limit = MOVES_LIMIT.min(context.remaining() / 2);
    let context = context.until(Instant::now() + limit);
    match timeout(limit, catalog.moves(&context, order)).await {
        Ok(Ok(moves)) => StockMoves::Known(moves),
        Ok(Err(error)) => {
            let error = souk_kit::failure::chain(&error);
            tracing::warn!(order_id = %order, error, "the catalog does not tell what has moved");
            StockMoves::Unknown
        }
        Err(_) => {
            tracing::warn!(order_id = %order, "the catalog takes long to tell what has moved");
            StockMoves::Unknown
        }
    }
}

/// The orders that the filters let through, newest first.
pub async fn list(
    access: &Access,
    cursors: &Cursors,
    totals: &Totals,
    filters: &Filters,
    page: &Page,
) -> Result<(Vec<Order>, Position), Error> {
    let (known, window) = (page.known_total(), page.window());
    let (rows, total) = if filters.is_counted() {
        let rows = store::listing::newest(access, filters.customer, window).await?;
        let total = match known {
            Some(total) => total,
            None => totals.of(filters.counted_name(), access.deadline()).await?.into(),
        };
        (rows, total)
    } else {
        let most = if page.is_numbered() { COUNTED_FOR_PAGES } else { COUNTED };
        let wanted = known.is_none().then_some(most);
        let (rows, count) = store::listing::list(access, filters, window, wanted).await?;
        (rows, known.unwrap_or_else(|| Total::counted(count.unwrap_or_default(), most)))
    };
    Ok(page.finish(cursors, &filters.name(), rows, total)?)
}
