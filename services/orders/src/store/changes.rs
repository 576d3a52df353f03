use std::collections::{BTreeMap, HashSet};
use std::time::Duration;

use souk_db::Access;
use souk_db::idempotency::{Answer, Fingerprint, LIFETIME};
use sqlx::types::Json;
use uuid::Uuid;

use crate::order::Order;
use crate::state::State;

/// What becomes of an order, or its beginning, with all that is written of it.
#[derive(Debug, Clone)]
pub struct Change {
    /// The order after the change.
    pub order: Order,
    pub before: Before,
    /// The epoch afterwards: a new one makes earlier claims void.
    pub epoch: i64,
    /// When the saga looks at the order again, from now; otherwise when its reservation ends.
    pub due_after: Option<Duration>,
    /// The operation that the order's key belongs to, and what the call that placed it is answered,
    /// where the change decides it.
    pub operation: String,
    pub answer: Option<Answer>,
    pub note: Note,
}

/// What is noted of a change.
#[derive(Debug, Clone)]
pub struct Note {
    /// The id and the bytes of the event.
    pub event: (Uuid, Vec<u8>),
    /// Who changed the order, and how the audit log calls what they did.
    pub actor: String,
    pub action: &'static str,
    pub request_id: String,
}

/// What a change is made from.
#[derive(Debug, Clone)]
pub enum Before {
    /// No order yet; what the call asks for that places it.
    Nothing(Fingerprint),
    /// The state and the epoch that the order must still be in.
    State(State, i64),
}

impl Before {
    fn fingerprint(&self) -> Option<&[u8]> {
        match self {
            Self::Nothing(fingerprint) => Some(fingerprint.as_bytes()),
            Self::State(..) => None,
        }
    }

    fn state(&self) -> Option<(State, i64)> {
        match self {
            Self::Nothing(_) => None,
            Self::State(state, epoch) => Some((*state, *epoch)),
        }
    }
}

/// Places orders and changes them, each whole or not at all: the order, its event, its audit line, and
/// the record of the call that places it with the answer to it. Whether each is made: not where
/// the customer has used the key before, nor where the order is in another state or epoch meanwhile.
pub async fn write(access: &Access, changes: &[Change]) -> Result<Vec<bool>, sqlx::Error> {
    let orders = || changes.iter().map(|change| &change.order);
    let notes = || changes.iter().map(|change| &change.note);
    let answers = || changes.iter().map(|change| change.answer.as_ref());
    let nothing = BTreeMap::new();
    let metadata = |answer: Option<&Answer>| {
        Json(answer.map_or_else(|| nothing.clone(), |answer| answer.metadata.clone()))
    };
    let due_after = |change: &Change| change.due_after.as_ref().map(Duration::as_secs_f64);
    // of new orders: nothing changes the lines of an order
    let lines = || {
        let new = changes.iter().filter(|change| change.before.state().is_none());
        new.flat_map(|change| {
            (1_i32..)
                .zip(&change.order.lines)
                .map(|(position, line)| (change.order.id, position, line))
        })
    };
    let made: Vec<i32> = sqlx::query_scalar(include_str!("changes.sql"))
        .bind(orders().map(|order| order.id.uuid()).collect::<Vec<_>>())
        .bind(changes.iter().map(|change| change.before.fingerprint()).collect::<Vec<_>>())
        .bind(
            changes
                .iter()
                .map(|change| change.before.state().map(|(state, _)| state.as_str()))
                .collect::<Vec<_>>(),
        )
        .bind(
            changes
                .iter()
                .map(|change| change.before.state().map(|(_, epoch)| epoch))
                .collect::<Vec<_>>(),
        )
        .bind(orders().map(|order| order.customer.uuid()).collect::<Vec<_>>())
        .bind(orders().map(|order| order.key.as_str()).collect::<Vec<_>>())
        .bind(orders().map(|order| order.total.minor()).collect::<Vec<_>>())
        .bind(orders().map(|order| order.total.currency().code()).collect::<Vec<_>>())
        .bind(orders().map(|order| order.state.as_str()).collect::<Vec<_>>())
        .bind(orders().map(|order| Json(&order.shortages)).collect::<Vec<_>>())
        .bind(orders().map(|order| order.reserved_until).collect::<Vec<_>>())
        .bind(changes.iter().map(due_after).collect::<Vec<_>>())
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
        .bind(answers().map(|answer| answer.map(|answer| answer.status)).collect::<Vec<_>>())
        .bind(answers().map(metadata).collect::<Vec<_>>())
        .bind(
            answers().map(|answer| answer.map(|answer| answer.body.as_slice())).collect::<Vec<_>>(),
        )
        .bind(lines().map(|(order, ..)| order.uuid()).collect::<Vec<_>>())
        .bind(lines().map(|(_, position, _)| position).collect::<Vec<_>>())
        .bind(lines().map(|(.., line)| line.product.uuid()).collect::<Vec<_>>())
        .bind(lines().map(|(.., line)| line.name.as_str()).collect::<Vec<_>>())
        .bind(lines().map(|(.., line)| line.unit_price.minor()).collect::<Vec<_>>())
        .bind(lines().map(|(.., line)| line.quantity).collect::<Vec<_>>())
        .bind(LIFETIME.as_secs_f64())
        .fetch_all(access)
        .await?;
    let made: HashSet<i32> = made.into_iter().collect();
    Ok((1..).take(changes.len()).map(|place| made.contains(&place)).collect())
}
