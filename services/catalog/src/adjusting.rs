//! Adjusting the stock of a product: deliveries, breakage, recounts.

use souk_kit::id::ProductId;
use sqlx::PgConnection;

use crate::product::Market;
use crate::stock::{Actor, Entry, MoveKind, Stock};
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
