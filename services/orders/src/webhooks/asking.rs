//! What owners ask of their endpoints: the log, a test, and an event again.

use souk_db::Access;
use souk_kit::cursor::{Cursors, Total};
use souk_kit::id::{self, OrderId, UserId, WebhookDeliveryId, WebhookEndpointId};
use souk_kit::page::{Page, Position};
use sqlx::PgConnection;

use super::delivery::{Delivery, Log};
use super::endpoint::Keeper;
use super::keeping::{get, unknown};
use crate::Error;
use crate::store::webhooks::deliveries;

/// The log is counted as far as this; where its pages have numbers, further.
const COUNTED: i32 = 1_000;
const COUNTED_FOR_PAGES: i32 = 10_000;

/// The deliveries to an endpoint, newest first.
pub async fn log(
    access: &Access,
    cursors: &Cursors,
    log: Log,
    keeper: Keeper,
    page: &Page,
) -> Result<(Vec<Delivery>, Position), Error> {
    get(access, log.endpoint, keeper).await?;
    let rows = deliveries::list(access, log, page.window()).await?;
    let total = match page.known_total() {
        Some(total) => total,
        None => {
            let most = if page.is_numbered() { COUNTED_FOR_PAGES } else { COUNTED };
            Total::counted(deliveries::count(access, log, most).await?, most)
        }
    };
    Ok(page.finish(cursors, &log.name(), rows, total)?)
}

/// The deliveries that tell of an order, to endpoints of an owner or of everybody, oldest first.
pub async fn of_order(
    access: &Access,
    order: OrderId,
    owner: Option<UserId>,
) -> Result<Vec<Delivery>, Error> {
    Ok(deliveries::of_order(access, order, owner).await?)
}

/// Makes a test event and its delivery.
pub async fn test(
    transaction: &mut PgConnection,
    endpoint: WebhookEndpointId,
    keeper: Keeper,
) -> Result<Delivery, Error> {
    let (delivery, event) = (id::new(), id::new());
    let made = deliveries::insert_test(transaction, delivery, event, endpoint, keeper).await?;
    made.ok_or_else(|| unknown(endpoint))
}

/// Has an event sent again.
pub async fn redeliver(
    transaction: &mut PgConnection,
    id: WebhookDeliveryId,
    endpoint: WebhookEndpointId,
    keeper: Keeper,
) -> Result<Delivery, Error> {
    let again = deliveries::renew(transaction, id, endpoint, keeper).await?;
    again.ok_or_else(|| Error::NoSuch("webhook delivery", id.to_string()))
}
