//! What is written of an order that is no change of it: how far the saga is with it, and when it looks at it again.

use std::time::Duration;

use souk_db::{Database, Work};
use souk_kit::clock;
use time::OffsetDateTime;

use super::{FIRST_RETRY, Saga, Taken};
use crate::Error;
use crate::purchase::Purchase;
use crate::store::changes::Due;
use crate::store::claims::{self, Looked, Note};
use crate::transition::due;

/// Notes that are made while one statement is under way go together in the next.
#[derive(Debug)]
pub struct Notes(pub Database);

impl Work for Notes {
    type Item = Note;
    /// Whether the claim was still good.
    type Outcome = bool;

    async fn run(&self, notes: &[Note]) -> Result<Vec<bool>, sqlx::Error> {
        let noted = claims::note(&self.0.for_many(), notes).await?;
        Ok(notes.iter().map(|note| noted.contains(&(note.order.uuid(), note.epoch))).collect())
    }
}

impl Saga {
    /// Writes how far the order is, which is no change of it.
    pub(super) async fn note(
        &self,
        next: Purchase,
        epoch: i64,
        looked: Option<(Looked, Option<OffsetDateTime>)>,
    ) -> Result<Taken, Error> {
        let due: Due = due(next.next(clock::now()));
        let progress = claims::Progress { stock: next.order.stock, due, looked };
        match self.inner.notes.submit(Note { order: next.id(), epoch, progress }).await? {
            true => Ok(Taken::Written(Box::new(next))),
            false => Ok(Taken::Lost),
        }
    }

    /// Leaves the order for later, and no later than what is to be done `until` then. Every step is safe to repeat.
    pub(super) async fn postpone(
        &self,
        purchase: &Purchase,
        epoch: i64,
        last: Duration,
        until: Option<OffsetDateTime>,
    ) {
        let (access, id) = (self.access(), purchase.id());
        let pauses = (FIRST_RETRY, last);
        let postponed = claims::postpone(&access, id, epoch, pauses, until).await;
        if let Err(error) = postponed {
            // the lease ends by itself
            tracing::warn!(order_id = %id, %error, "cannot postpone the order");
        }
    }
}
