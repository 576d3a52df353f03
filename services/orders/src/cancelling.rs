//! Cancelling an order: its stock goes back, whoever carries it at the moment.

use souk_kit::id::{OrderId, UserId};
use souk_kit::request::Context;

use crate::Error;
use crate::changing::{Asked, Changed, Changing};
use crate::order::Order;
use crate::purchase::{Event, Refused};
use crate::state::{Illegal, State};
use crate::stock::Stock;
use crate::transition::Author;

/// Cancels an order of the customer, and waits for its stock to go back while the caller does.
pub async fn cancel(
    changing: &Changing,
    context: &Context,
    id: OrderId,
    customer: UserId,
) -> Result<Order, Error> {
    let asked = Asked {
        order: id,
        owner: Some(customer),
        event: Event::Cancel,
        author: Author::of(context, customer),
        recorded: None,
    };
    let is_back = |purchase: &crate::purchase::Purchase| purchase.order.stock == Stock::Back;
    match changing.change(context, asked, is_back).await {
        Ok(Changed::Made(purchase)) => Ok(purchase.order),
        Ok(Changed::Replayed(_)) => Err(Error::Late),
        // cancelled before: as it was asked for
        Err(Error::Refusal {
            refused: Refused::Illegal(Illegal { from: State::Cancelled, .. }),
            ..
        }) => changing.order(context, id, customer).await,
        Err(error) => Err(error),
    }
}
