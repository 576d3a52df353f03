//! The one way in which an order begins and changes, whoever asks: saga, customer, and whoever comes
//! next. State, event, audit line and the record of the call that placed it are written together, or
//! nothing is.

use souk_db::idempotency::{Answer, Call};
use souk_db::{Batches, Database, Limits, Work};
use souk_kit::clock;
use souk_kit::id::{self, EventId};
use souk_kit::idempotency::Operation;

use crate::order::Order;
use crate::state::{Event, State};
use crate::store::changes::{Before, Change, Note};
use crate::store::claims::LEASE;
use crate::{Error, store};

/// The epoch of an order that who placed it carries.
pub const FIRST_EPOCH: i64 = 1;

/// How orders are written for others, which the gRPC interface knows.
#[derive(Debug, Clone, Copy)]
pub struct Encoding {
    /// The RPC that places orders.
    pub operation: Operation,
    /// What a call that placed an order is answered.
    pub answer: fn(&Order) -> Answer,
    /// The event of an order's last change.
    pub event: fn(EventId, &Order) -> Vec<u8>,
}

/// The claim on an order that a change is made under.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Claim {
    /// Whoever has this epoch goes on.
    Held(i64),
    /// Whoever has this epoch has lost it.
    TakenOver(i64),
}

impl Claim {
    /// The epoch afterwards.
    pub fn epoch(self) -> i64 {
        match self {
            Self::Held(epoch) => epoch,
            Self::TakenOver(epoch) => epoch + 1,
        }
    }
}

/// Who changes an order.
#[derive(Debug, Clone)]
pub struct Author {
    /// An account, or the name of a service.
    pub actor: String,
    /// The request that asks for it.
    pub request_id: String,
}

/// Changes orders. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Transitions {
    encoding: Encoding,
    changes: Batches<Changes>,
}

/// Changes that are asked for while one statement is under way go together in the next.
struct Changes(Database);

impl Work for Changes {
    type Item = Change;
    type Outcome = bool;

    async fn run(&self, changes: &[Change]) -> Result<Vec<bool>, sqlx::Error> {
        store::changes::write(&self.0.for_many(), changes).await
    }

    fn weight(change: &Change) -> usize {
        match change.before {
            Before::Nothing(_) => 1 + change.order.lines.len(),
            Before::State(..) => 1,
        }
    }
}

impl Transitions {
    pub fn new(database: Database, encoding: Encoding) -> Self {
        Self { encoding, changes: Batches::new(Changes(database), Limits::WRITES) }
    }

    /// Makes a new order true. `false` when the customer has used its key before. Who places it has
    /// the first claim on it.
    pub async fn place(&self, order: Order, call: &Call) -> Result<bool, Error> {
        let id = order.id;
        let author =
            Author { actor: order.customer.to_string(), request_id: order.request_id.clone() };
        let change = Change {
            before: Before::Nothing(call.fingerprint),
            epoch: FIRST_EPOCH,
            due_after: Some(LEASE),
            operation: self.encoding.operation.name(),
            answer: None,
            note: self.note(&order, "order.create", author),
            order,
        };
        let placed = self.changes.submit(change).await?;
        if placed {
            tracing::info!(order_id = %id, "order accepted");
        }
        Ok(placed)
    }

    /// What an event makes of an order; `None` when the claim on it is void.
    ///
    /// # Errors
    ///
    /// The order's state does not allow the event; or the database's.
    pub async fn apply(
        &self,
        order: &Order,
        claim: Claim,
        event: &Event,
        author: Author,
    ) -> Result<Option<Order>, Error> {
        let next = order
            .after(event, clock::now())
            .map_err(|illegal| Error::IllegalTransition { order: order.id, illegal })?;
        let (Claim::Held(epoch) | Claim::TakenOver(epoch)) = claim;
        let change = Change {
            before: Before::State(order.state, epoch),
            epoch: claim.epoch(),
            due_after: next.state.gives_stock_back().then_some(LEASE),
            operation: self.encoding.operation.name(),
            answer: (order.state == State::Pending).then(|| (self.encoding.answer)(&next)),
            note: self.note(&next, event.action(), author),
            order: next.clone(),
        };
        let changed = self.changes.submit(change).await?;
        if changed {
            tracing::info!(order_id = %order.id, state = %next.state, "order changed");
        }
        Ok(changed.then_some(next))
    }

    fn note(&self, order: &Order, action: &'static str, author: Author) -> Note {
        let id: EventId = id::new();
        let event = (id.uuid(), (self.encoding.event)(id, order));
        Note { event, actor: author.actor, action, request_id: author.request_id }
    }
}
