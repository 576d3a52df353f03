use std::collections::{BTreeMap, HashSet};
use std::time::Duration;

use souk_db::Access;
use souk_db::idempotency::{Answer, Call, Fingerprint, LIFETIME};
use souk_kit::idempotency::Key;
use sqlx::types::Json;
use time::OffsetDateTime;
use uuid::Uuid;

use super::rows;
use crate::order::Order;
use crate::purchase::Purchase;

/// What becomes of an order, or its beginning, with all that is written of it.
#[derive(Debug, Clone)]
pub struct Change {
    /// The purchase after the change.
    pub purchase: Purchase,
    /// The same before it; `None` when it begins.
    pub before: Option<Purchase>,
    pub from: From,
    /// The epoch afterwards: a new one makes earlier claims void.
    pub epoch: i64,
    pub due: Due,
    /// The operation that an order's key belongs to.
    pub operation: String,
    /// The call that asks for the change, where it has a record of its own.
    pub record: Option<Record>,
    /// What calls are answered that have waited for it.
    pub answers: Vec<Waited>,
    pub note: Note,
}

/// What a change is made from.
#[derive(Debug, Clone, Copy)]
pub enum From {
    /// No order yet; what the call asks for that places it.
    Nothing(Fingerprint),
    /// The epoch that the order must still be in, besides its version.
    Epoch(i64),
}

/// When the saga looks at an order again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Due {
    /// So long after now.
    After(Duration),
    /// At a moment, or never.
    At(Option<OffsetDateTime>),
}

/// The record of a call that asks for a change.
#[derive(Debug, Clone)]
pub struct Record {
    pub call: Call,
    /// What it makes or changes.
    pub resource: Uuid,
    /// What it is answered, where the change itself decides that.
    pub answer: Option<Answer>,
}

/// The answer of a call that has waited: an operation, the customer's key.
#[derive(Debug, Clone)]
pub struct Waited {
    pub operation: String,
    pub key: Key,
    pub answer: Answer,
}

/// What is noted of a change.
#[derive(Debug, Clone)]
pub struct Note {
    /// The id and the bytes of the event.
    pub event: (Uuid, Vec<u8>),
    /// Who changed the order, how the audit log calls what they did, and why.
    pub actor: String,
    pub action: &'static str,
    pub reason: String,
    pub request_id: String,
}

impl Due {
    /// Seconds from now, or a moment.
    pub fn parts(self) -> (Option<f64>, Option<OffsetDateTime>) {
        match self {
            Self::After(delay) => (Some(delay.as_secs_f64()), None),
            Self::At(at) => (None, at),
        }
    }
}

impl Change {
    fn fingerprint(&self) -> Option<&[u8]> {
        match &self.from {
            From::Nothing(fingerprint) => Some(fingerprint.as_bytes()),
            From::Epoch(_) => None,
        }
    }

    fn epoch_before(&self) -> Option<i64> {
        match self.from {
            From::Nothing(_) => None,
            From::Epoch(epoch) => Some(epoch),
        }
    }
}

/// Places orders and changes them, each whole or not at all: the order with its payments, refunds and
/// shipment, its event, its audit line, the record of the call that asks for it, and the answers of those that have
/// waited. Whether each is made: not where the customer has used the key before, nor where the order
/// has changed or has another claim meanwhile. Each is of another order.
pub async fn write(access: &Access, changes: &[Change]) -> Result<Vec<bool>, sqlx::Error> {
    let orders = || changes.iter().map(|change| &change.purchase.order);
    let notes = || changes.iter().map(|change| &change.note);
    // of new orders: nothing changes the lines of an order
    let lines = || {
        let new = orders().zip(changes).filter(|(_, change)| change.before.is_none());
        new.flat_map(|(order, _)| {
            (1_i32..).zip(&order.lines).map(|(position, line)| (order.id, position, line))
        })
    };
    let places = || (1_i64..).zip(changes);
    let records = || places().filter_map(|(place, change)| Some((place, change.record.as_ref()?)));
    let answers = || {
        places().flat_map(|(place, change)| {
            let customer = change.purchase.order.customer;
            change.answers.iter().map(move |waited| (place, customer, waited))
        })
    };
    let rows =
        rows::of_changes(changes.iter().map(|change| (change.before.as_ref(), &change.purchase)));
    let made: Vec<i32> = sqlx::query_scalar(include_str!("changes.sql"))
        .bind(orders().map(|order| order.id.uuid()).collect::<Vec<_>>())
        .bind(changes.iter().map(Change::fingerprint).collect::<Vec<_>>())
        .bind(changes.iter().map(Change::epoch_before).collect::<Vec<_>>())
        .bind(orders().map(|order| order.customer.uuid()).collect::<Vec<_>>())
        .bind(orders().map(|order| order.key.as_str()).collect::<Vec<_>>())
        .bind(orders().map(|order| order.total.minor()).collect::<Vec<_>>())
        .bind(orders().map(|order| order.total.currency().code()).collect::<Vec<_>>())
        .bind(orders().map(|order| order.state.as_str()).collect::<Vec<_>>())
        .bind(orders().map(|order| Json(&order.shortages)).collect::<Vec<_>>())
        .bind(orders().map(|order| order.reserved_until).collect::<Vec<_>>())
        .bind(changes.iter().map(|change| change.due.parts().0).collect::<Vec<_>>())
        .bind(changes.iter().map(|change| change.due.parts().1).collect::<Vec<_>>())
        .bind(changes.iter().map(|change| change.epoch).collect::<Vec<_>>())
        .bind(orders().map(|order| order.version).collect::<Vec<_>>())
        .bind(orders().map(|order| order.updated_at).collect::<Vec<_>>())
        .bind(notes().map(|note| note.event.0).collect::<Vec<_>>())
        .bind(notes().map(|note| note.event.1.as_slice()).collect::<Vec<_>>())
        .bind(notes().map(|note| note.actor.as_str()).collect::<Vec<_>>())
        .bind(notes().map(|note| note.action).collect::<Vec<_>>())
        .bind(orders().map(|order| order.id.to_string()).collect::<Vec<_>>())
        .bind(notes().map(|note| note.request_id.as_str()).collect::<Vec<_>>())
        .bind(changes.iter().map(|change| change.operation.as_str()).collect::<Vec<_>>())
        .bind(notes().map(|note| note.reason.as_str()).collect::<Vec<_>>())
        .bind(orders().map(|order| order.number).collect::<Vec<_>>())
        .bind(orders().map(ships_to).collect::<Vec<_>>())
        .bind(orders().map(|order| order.stock.as_str()).collect::<Vec<_>>())
        .bind(orders().map(|order| order.paid.minor()).collect::<Vec<_>>())
        .bind(orders().map(|order| order.refunded.minor()).collect::<Vec<_>>())
        .bind(LIFETIME.as_secs_f64())
        .bind(lines().map(|(order, ..)| order.uuid()).collect::<Vec<_>>())
        .bind(lines().map(|(_, position, _)| position).collect::<Vec<_>>())
        .bind(lines().map(|(.., line)| line.product.uuid()).collect::<Vec<_>>())
        .bind(lines().map(|(.., line)| line.name.as_str()).collect::<Vec<_>>())
        .bind(lines().map(|(.., line)| line.unit_price.minor()).collect::<Vec<_>>())
        .bind(lines().map(|(.., line)| line.quantity).collect::<Vec<_>>())
        .bind(records().map(|(place, _)| place).collect::<Vec<_>>())
        .bind(records().map(|(_, record)| record.call.principal).collect::<Vec<_>>())
        .bind(records().map(|(_, record)| record.call.operation.as_str()).collect::<Vec<_>>())
        .bind(records().map(|(_, record)| record.call.key.as_str()).collect::<Vec<_>>())
        .bind(records().map(|(_, record)| record.call.fingerprint.as_bytes()).collect::<Vec<_>>())
        .bind(records().map(|(_, record)| record.resource).collect::<Vec<_>>())
        .bind(records().map(|(_, record)| status(record.answer.as_ref())).collect::<Vec<_>>())
        .bind(records().map(|(_, record)| metadata(record.answer.as_ref())).collect::<Vec<_>>())
        .bind(records().map(|(_, record)| body(record.answer.as_ref())).collect::<Vec<_>>())
        .bind(Json(rows.payments))
        .bind(Json(rows.refunds))
        .bind(Json(rows.shipments))
        .bind(answers().map(|(place, ..)| place).collect::<Vec<_>>())
        .bind(answers().map(|(_, customer, _)| customer.uuid()).collect::<Vec<_>>())
        .bind(answers().map(|(.., waited)| waited.operation.as_str()).collect::<Vec<_>>())
        .bind(answers().map(|(.., waited)| waited.key.as_str()).collect::<Vec<_>>())
        .bind(answers().map(|(.., waited)| waited.answer.status).collect::<Vec<_>>())
        .bind(answers().map(|(.., waited)| metadata(Some(&waited.answer))).collect::<Vec<_>>())
        .bind(answers().map(|(.., waited)| waited.answer.body.as_slice()).collect::<Vec<_>>())
        .fetch_all(access)
        .await?;
    let made: HashSet<i32> = made.into_iter().collect();
    Ok((1..).take(changes.len()).map(|place| made.contains(&place)).collect())
}

fn ships_to(order: &Order) -> Option<Json<&crate::address::PostalAddress>> {
    order.ships_to.as_ref().map(Json)
}

fn status(answer: Option<&Answer>) -> Option<i32> {
    answer.map(|answer| answer.status)
}

fn metadata(answer: Option<&Answer>) -> Option<Json<BTreeMap<String, String>>> {
    answer.map(|answer| Json(answer.metadata.clone()))
}

fn body(answer: Option<&Answer>) -> Option<&[u8]> {
    answer.map(|answer| answer.body.as_slice())
}
