//! Reading orders.

use souk_db::{Access, Totals};
use souk_kit::cursor::Cursors;
use souk_kit::id::{OrderId, UserId};
use souk_kit::page::{Page, Position};

use crate::order::Order;
use crate::{Error, store};

/// An order that the customer may see; any order when there is no customer.
pub async fn order(access: &Access, id: OrderId, customer: Option<UserId>) -> Result<Order, Error> {
    let found = store::orders::get(access, id, customer).await?;
    found.map(|(order, _)| order).ok_or(Error::NotFound(id))
}

/// The orders of a customer, or of everybody, newest first.
pub async fn list(
    access: &Access,
    cursors: &Cursors,
    totals: &Totals,
    customer: Option<UserId>,
    page: &Page,
) -> Result<(Vec<Order>, Position), Error> {
    let list = list_of(customer);
    let rows = store::orders::list(access, customer, page.window()).await?;
    let total = match page.known_total() {
        Some(total) => total,
        None => totals.of(&*list, access.deadline()).await?.into(),
    };
    Ok(page.finish(cursors, &list, rows, total)?)
}

/// The name of the list that somebody sees, under which it is counted. A cursor of one customer's list
/// is none of another's.
pub fn list_of(customer: Option<UserId>) -> String {
    match customer {
        Some(customer) => format!("orders of {}", customer.uuid()),
        None => "orders".to_owned(),
    }
}
