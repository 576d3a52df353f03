//! Adjusting and setting the stock of a product: deliveries, breakage, recounts.

use souk_kit::id::ProductId;
use sqlx::PgConnection;

use crate::product::Market;
use crate::stock::{Actor, Entry, Level, MoveKind, Stock};
use crate::{Error, store};

/// Adds to the available stock of a product, or takes from it.
pub async fn adjust(
    transaction: &mut PgConnection,
    product: ProductId,
    market: Market,
    delta: i32,
    reason: String,
    actor: Actor,
) -> Result<Stock, Error> {
    let entry = Entry { reason, ..Entry::new(MoveKind::Adjust, actor) };
    if let Some(stock) = store::stock::adjust(transaction, product, market, delta, &entry).await? {
        return Ok(stock);
    }
    match store::stock::available(transaction, product, market).await? {
        Some(available) => Err(Error::InsufficientStock { product, available }),
        None => Err(Error::ProductNotFound(product)),
    }
}

/// Sets the available stock of a product, if it is what is expected.
pub async fn set(
    transaction: &mut PgConnection,
    product: ProductId,
    level: Level,
    reason: String,
    actor: Actor,
) -> Result<Stock, Error> {
    let entry = Entry { reason, ..Entry::new(MoveKind::Set, actor) };
    if let Some(stock) = store::stock::set(transaction, product, level, &entry).await? {
        return Ok(stock);
    }
    match store::stock::available(transaction, product, Market::ALL).await? {
        Some(available) if level.expected.is_some_and(|expected| expected != available) => {
            Err(Error::StockMismatch { product, available })
        }
        Some(available) => Err(Error::InsufficientStock { product, available }),
        None => Err(Error::ProductNotFound(product)),
    }
}
