//! Changing an order because somebody asks for it: once, however often it is asked for with the same key, and to its
//! end, whether or not the caller stays.

use std::time::Instant;

use souk_db::idempotency::{Answer, Refusal};
use souk_db::{Batches, Database, Limits, Work};
use souk_kit::id::{OrderId, PaymentId, UserId};
use souk_kit::request::Context;
use tokio::sync::oneshot;
use tokio::time::{sleep, timeout_at};

use crate::crash::{self, Moment};
use crate::purchase::{Event, Purchase};
use crate::saga::Saga;
use crate::store::purchases::{Found, Wanted};
use crate::transition::{Applied, Author, Claim, Recorded, Transitions};
use crate::waiting::{LOOK, Waiting, latest};
use crate::{Error, store};

/// How often a change is tried that others are faster than.
const ATTEMPTS: usize = 5;

/// Changes orders for callers. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Changing {
    database: Database,
    reads: Batches<Reads>,
    transitions: Transitions,
    saga: Saga,
    waiting: Waiting,
}

/// A change that somebody asks for.
#[derive(Debug, Clone)]
pub struct Asked {
    pub order: OrderId,
    /// Whose order it must be; anybody's when there is no owner.
    pub owner: Option<UserId>,
    pub event: Event,
    pub author: Author,
    /// The call with its key, where it has one.
    pub recorded: Option<Recorded>,
}

/// What becomes of it.
#[derive(Debug)]
pub enum Changed {
    /// The order is as it was asked for.
    Made {
        /// How it is by now.
        purchase: Box<Purchase>,
        /// What is kept under the key of the call, where the change itself decided that.
        answer: Option<Answer>,
    },
    /// An earlier call with the same key was answered this.
    Replayed(Answer),
}

/// Orders that are read while one statement is under way go together in the next.
struct Reads(Database);

impl Work for Reads {
    type Item = Wanted;
    type Outcome = Found;

    async fn run(&self, wanted: &[Wanted]) -> Result<Vec<Found>, sqlx::Error> {
        store::purchases::get_many(&self.0.for_many(), wanted).await
    }
}

impl Changing {
    pub fn new(database: Database, transitions: Transitions, saga: Saga, waiting: Waiting) -> Self {
        let reads = Batches::new(Reads(database.clone()), Limits::READS);
        Self { database, reads, transitions, saga, waiting }
    }

    /// Makes a change, and waits until `is_done`, or for as long as the caller does. From the change on the order goes
    /// on by itself.
    pub async fn change(
        &self,
        context: &Context,
        asked: Asked,
        is_done: impl Fn(&Purchase) -> bool,
    ) -> Result<Changed, Error> {
        let (id, owner) = (asked.order, asked.owner);
        let mut waiter = self.waiting.begin(id);
        let (sender, receiver) = oneshot::channel();
        let (changing, context_of_change) = (self.clone(), context.clone());
        self.saga.detach(async move {
            let fresh = fresh(&asked.event);
            let since = Instant::now();
            let (changed, epoch) = match changing.make(&context_of_change, asked).await {
                Ok((changed, epoch)) => (Ok(changed), epoch),
                Err(error) => (Err(error), None),
            };
            let ours = match &changed {
                Ok(Changed::Made { purchase, .. }) => {
                    epoch.map(|epoch| (Purchase::clone(purchase), epoch))
                }
                _ => None,
            };
            let _ = sender.send(changed);
            if let Some((purchase, epoch)) = ours {
                changing.saga.carry(purchase, (epoch, since), fresh).await;
            }
        });
        let changed = match timeout_at(context.deadline.into(), receiver).await {
            Ok(changed) => changed.unwrap_or(Err(Error::Late))?,
            Err(_) => return Err(Error::Late),
        };
        let Changed::Made { mut purchase, answer } = changed else { return Ok(changed) };
        let latest = latest(context);
        while !is_done(&purchase) && Instant::now() < latest {
            tokio::select! {
                next = waiter.until(&is_done) => *purchase = Purchase::clone(&next),
                // somebody in another process may have brought it there
                () = sleep(LOOK) => {
                    if let Ok(Some((next, _))) = self.read(id, owner).await {
                        *purchase = next;
                    }
                }
                () = tokio::time::sleep_until(latest.into()) => {}
            }
        }
        Ok(Changed::Made { purchase, answer })
    }

    /// The same for a call whose answer the change itself decides: that, and whether an earlier call was given it.
    pub async fn answered(
        &self,
        context: &Context,
        (order, event): (OrderId, Event),
        recorded: Recorded,
    ) -> Result<(Answer, bool), Error> {
        let author = Author::of(context, &context.principal()?.subject);
        let asked = Asked { order, owner: None, event, author, recorded: Some(recorded) };
        match self.change(context, asked, |_| true).await? {
            Changed::Made { answer, .. } => Ok((answer.ok_or(Error::NotFound(order))?, false)),
            Changed::Replayed(answer) => Ok((answer, true)),
        }
    }

    /// The order after the change, with the epoch of the claim on it if it was changed now.
    async fn make(&self, context: &Context, asked: Asked) -> Result<(Changed, Option<i64>), Error> {
        let Asked { order, owner, recorded, .. } = &asked;
        let answer = |purchase: &Purchase| {
            let Recorded { resource, answer, .. } = recorded.as_ref()?;
            answer(purchase, *resource)
        };
        // as it may still be: version and epoch decide
        let mut remembered = self.saga.remembered(*order, *owner);
        for _ in 0..=ATTEMPTS {
            let (found, is_read) = match remembered.take() {
                Some(found) => (found, false),
                None => (self.read(*order, *owner).await?.ok_or(Error::NotFound(*order))?, true),
            };
            let (purchase, epoch) = found;
            let claim = Claim::TakenOver(epoch);
            let applied = self.apply(&purchase, claim, &asked).await;
            if let Ok(Applied::Changed(next)) = applied {
                let answer = answer(&next);
                return Ok((Changed::Made { purchase: next, answer }, Some(claim.epoch())));
            }
            // what is said of it must be true of the order as it is
            if !is_read && !matches!(applied, Err(Error::Database(_))) {
                continue;
            }
            // a repeat finds the order as the first call has left it, and what that was answered
            if let Some(answer) = self.earlier(context, recorded.as_ref()).await? {
                return Ok((Changed::Replayed(answer), None));
            }
            if let Applied::Unchanged = applied? {
                let answer = answer(&purchase);
                // where it is not decided, who has asked first waits for it
                if let (Some(Recorded { call, resource, .. }), Some(answer)) = (recorded, &answer) {
                    let access = self.database.until(context.deadline);
                    if !store::records::keep(&access, call, *resource, answer).await? {
                        continue;
                    }
                }
                return Ok((Changed::Made { purchase: purchase.into(), answer }, None));
            }
        }
        Err(Error::Late)
    }

    /// Makes the change under a new epoch: whoever carries the order at this moment has lost it.
    async fn apply(
        &self,
        purchase: &Purchase,
        claim: Claim,
        asked: &Asked,
    ) -> Result<Applied, Error> {
        let Asked { event, author, recorded, .. } = asked;
        crash::point("change", Moment::Writes);
        let applied = self
            .transitions
            .apply(purchase, claim, event, author.clone(), recorded.clone())
            .await?;
        if let Applied::Changed(_) = applied {
            crash::point("change", Moment::Written);
        }
        Ok(applied)
    }

    /// What an earlier call with the same key was answered.
    async fn earlier(
        &self,
        context: &Context,
        recorded: Option<&Recorded>,
    ) -> Result<Option<Answer>, Error> {
        let Some(Recorded { call, .. }) = recorded else { return Ok(None) };
        let access = self.database.until(context.deadline);
        match store::records::of_call(&access, call).await? {
            Some(record) => Ok(Some(record.for_repeat(call)?.ok_or(Refusal::InFlight)?)),
            None => Ok(None),
        }
    }

    async fn read(&self, order: OrderId, owner: Option<UserId>) -> Found {
        self.reads.submit((order, owner)).await?
    }
}

/// A payment that begins, of which no provider can have heard.
fn fresh(event: &Event) -> Option<PaymentId> {
    match event {
        Event::Pay(attempt) => Some(attempt.id),
        _ => None,
    }
}
