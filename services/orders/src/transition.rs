//! The one way in which an order begins and changes, whoever asks: customer, saga, provider, staff. The order with its
//! payments, its event, its audit line, and the records of the calls that it answers are written together, or
//! nothing is.

use std::collections::HashSet;

use souk_db::idempotency::{Answer, Call};
use souk_db::{Batches, Database, Limits, Work};
use souk_kit::id::{self, EventId, OrderId};
use souk_kit::idempotency::Operation;
use souk_kit::request::Context;
use souk_kit::{Money, clock};
use uuid::Uuid;

use crate::order::Order;
use crate::payment::Payment;
use crate::purchase::{Event, Purchase, Refused, Step};
use crate::state::{Action, State};
use crate::store::changes::{Change, Due, From, Note, Record, Waited};
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
    /// What a call is answered that waits for a payment.
    pub payment: fn(OrderId, &Payment) -> Answer,
    /// The event of an order's last change.
    pub event: fn(EventId, &Order, Action) -> Vec<u8>,
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

impl Author {
    /// Who asks by a request.
    pub fn of(context: &Context, actor: impl ToString) -> Self {
        Self { actor: actor.to_string(), request_id: context.request_id.to_string() }
    }
}

/// What comes of a change that was asked for.
#[derive(Debug)]
pub enum Applied {
    /// It is made.
    Changed(Box<Purchase>),
    /// There was nothing to change.
    Unchanged,
    /// Somebody else has changed the order meanwhile, or has used the key of the call.
    Lost,
}

/// What a call about something of a purchase is answered, where that is known.
pub type Answering = fn(&Purchase, Uuid) -> Option<Answer>;

/// What a call is kept with that asks for a change.
#[derive(Debug, Clone)]
pub struct Recorded {
    pub call: Call,
    /// What it makes or changes.
    pub resource: Uuid,
    /// What it is answered with the purchase afterwards, where the change itself decides that.
    pub answer: Answering,
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
        // of two of one order the second comes too late, as it would a moment later
        let mut seen = HashSet::with_capacity(changes.len());
        let firsts: Vec<bool> =
            changes.iter().map(|change| seen.insert(change.purchase.id().uuid())).collect();
        if firsts.iter().all(|is_first| *is_first) {
            return store::changes::write(&self.0.for_many(), changes).await;
        }
        let kept: Vec<Change> = (changes.iter().zip(&firsts))
            .filter(|(_, is_first)| **is_first)
            .map(|(change, _)| change.clone())
            .collect();
        let mut made = store::changes::write(&self.0.for_many(), &kept).await?.into_iter();
        let outcome = |is_first: bool| is_first && made.next().unwrap_or_default();
        Ok(firsts.into_iter().map(outcome).collect())
    }

    fn weight(change: &Change) -> usize {
        match change.from {
            From::Nothing(_) => 1 + change.purchase.order.lines.len(),
            From::Epoch(_) => 1,
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
            from: From::Nothing(call.fingerprint),
            before: None,
            epoch: FIRST_EPOCH,
            due: Due::After(LEASE),
            operation: self.encoding.operation.name(),
            record: None,
            answers: Vec::new(),
            note: self.note(&order, Action::Create, String::new(), author),
            purchase: order.into(),
        };
        let placed = self.changes.submit(change).await?;
        if placed {
            tracing::info!(order_id = %id, "order accepted");
        }
        Ok(placed)
    }

    /// What an event makes of an order, under a claim on it.
    ///
    /// # Errors
    ///
    /// The order does not allow the event; or the database's.
    pub async fn apply(
        &self,
        purchase: &Purchase,
        claim: Claim,
        event: &Event,
        author: Author,
        recorded: Option<Recorded>,
    ) -> Result<Applied, Error> {
        let now = clock::now();
        let refused = |refused| Error::Refusal { order: purchase.id(), refused };
        let Some(turn) = purchase.after(event, now).map_err(refused)? else {
            return Ok(Applied::Unchanged);
        };
        let next = turn.purchase;
        let (Claim::Held(epoch) | Claim::TakenOver(epoch)) = claim;
        let record = recorded.map(|Recorded { call, resource, answer }| {
            let answer = answer(&next, resource);
            Record { call, resource, answer }
        });
        let change = Change {
            from: From::Epoch(epoch),
            before: Some(purchase.clone()),
            epoch: claim.epoch(),
            due: due(next.next(now)),
            operation: self.encoding.operation.name(),
            record,
            answers: self.answers(purchase, &next),
            note: self.note(&next.order, turn.action, turn.reason, author),
            purchase: next.clone(),
        };
        let changed = self.changes.submit(change).await.map_err(|error| {
            // the database has the last word where several ask for refunds at once
            match souk_db::constraint(&error) {
                Some("payments_refunded_at_most_charged" | "orders_refunded_at_most_paid") => {
                    let available = Money::zero(purchase.order.total.currency());
                    refused(Refused::RefundTooLarge { available })
                }
                _ => error.into(),
            }
        })?;
        if !changed {
            return Ok(Applied::Lost);
        }
        let (state, action) = (next.order.state, turn.action);
        tracing::info!(order_id = %purchase.id(), %state, %action, "order changed");
        Ok(Applied::Changed(Box::new(next)))
    }

    /// The answers of the calls that a change decides: of the one that placed the order, and of those that wait for a
    /// payment.
    fn answers(&self, before: &Purchase, next: &Purchase) -> Vec<Waited> {
        let placed = (before.order.state == State::Pending).then(|| Waited {
            operation: self.encoding.operation.name(),
            key: next.order.key.clone(),
            answer: (self.encoding.answer)(&next.order),
        });
        let decided = next.payments.iter().filter_map(|payment| {
            let before = before.payment(payment.id)?;
            let (operation, key) = payment.call.clone()?;
            let is_decided = payment.is_decided() && !before.is_decided();
            is_decided.then(|| {
                let answer = (self.encoding.payment)(next.id(), payment);
                Waited { operation, key, answer }
            })
        });
        placed.into_iter().chain(decided).collect()
    }

    fn note(&self, order: &Order, action: Action, reason: String, author: Author) -> Note {
        let id: EventId = id::new();
        let event = (id.uuid(), (self.encoding.event)(id, order, action));
        let Author { actor, request_id } = author;
        Note { event, actor, action: action.name(), reason, request_id }
    }
}

/// When an order is looked at again, of which this is to be done next: after the lease of whoever does it.
pub fn due(step: Step) -> Due {
    match step {
        Step::Wait(until) => Due::At(until),
        _ => Due::After(LEASE),
    }
}
