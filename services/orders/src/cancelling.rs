//! Cancelling an order: its stock goes back, whoever carries it at the moment.

use souk_db::Database;
use souk_kit::id::{OrderId, UserId};
use souk_kit::request::Context;
use tokio::time::timeout_at;

use crate::order::Order;
use crate::saga::Saga;
use crate::state::{Event, State};
use crate::transition::{Author, Claim, Transitions};
use crate::waiting::latest;
use crate::{Error, store};

/// How often a change is tried that others are faster than.
const ATTEMPTS: usize = 5;

/// Cancels orders. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Cancelling {
    database: Database,
    transitions: Transitions,
    saga: Saga,
}

impl Cancelling {
    pub fn new(database: Database, transitions: Transitions, saga: Saga) -> Self {
        Self { database, transitions, saga }
    }

    /// Cancels an order of the customer, and waits for its stock to go back while the caller does.
    pub async fn cancel(
        &self,
        context: &Context,
        id: OrderId,
        customer: UserId,
    ) -> Result<Order, Error> {
        let access = self.database.until(context.deadline);
        for _ in 0..ATTEMPTS {
            let found = store::orders::get(&access, id, Some(customer)).await?;
            let (order, epoch) = found.ok_or(Error::NotFound(id))?;
            if order.state == State::Cancelled {
                return Ok(order);
            }
            let author =
                Author { actor: customer.to_string(), request_id: context.request_id.to_string() };
            // a new epoch: whoever carries the order at this moment has lost it
            let claim = Claim::TakenOver(epoch);
            let cancelled = self.transitions.apply(&order, claim, &Event::Cancel, author).await?;
            if let Some(cancelled) = cancelled {
                return Ok(self.give_back(context, cancelled, claim.epoch()).await);
            }
        }
        Err(Error::Late)
    }

    /// Gives the stock back, apart from the request; and waits for it.
    async fn give_back(&self, context: &Context, order: Order, epoch: i64) -> Order {
        let (saga, cancelled) = (self.saga.clone(), order.clone());
        let carried = self.saga.detach(async move { saga.carry(cancelled, epoch).await });
        match timeout_at(latest(context).into(), carried).await {
            Ok(Ok(Some(settled))) => settled,
            // it is cancelled, which is what counts; the stock goes back later
            _ => order,
        }
    }
}
