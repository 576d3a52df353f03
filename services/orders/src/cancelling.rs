//! Cancelling an order: its stock goes back, whoever carries it at the moment.

use souk_db::idempotency::{Answer, Call};
use souk_kit::id::{OrderId, UserId};
use souk_kit::request::Context;

use crate::Error;
use crate::changing::{Asked, Changed, Changing};
use crate::purchase::{Event, Purchase};
use crate::stock::Stock;
use crate::transition::{Answering, Author, Recorded};

/// Cancels an order of the customer, and waits for its stock to go back while the caller does: what the call is
/// answered, and whether an earlier call with the same key was given that first.
pub async fn cancel(
    changing: &Changing,
    context: &Context,
    id: OrderId,
    customer: UserId,
    (call, answer): (Option<Call>, Answering),
) -> Result<(Answer, bool), Error> {
    let asked = Asked {
        order: id,
        owner: Some(customer),
        event: Event::Cancel,
        author: Author::of(context, customer),
        recorded: call.map(|call| Recorded { call, resource: id.uuid(), answer }),
    };
    let is_back = |purchase: &Purchase| purchase.order.stock == Stock::Back;
    match changing.change(context, asked, is_back).await? {
        Changed::Made { purchase, answer: kept } => {
            let answer = kept.or_else(|| answer(&purchase, id.uuid()));
            Ok((answer.ok_or(Error::NotFound(id))?, false))
        }
        Changed::Replayed(answer) => Ok((answer, true)),
    }
}
