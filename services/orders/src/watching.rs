//! Following orders: what has happened since the last event that a client has seen, and each further one as it happens.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use futures::Stream;
use futures::stream::try_unfold;
use souk_kit::id::{OrderId, UserId};
use souk_proto::souk::orders::v1::OrderEvent;
use tokio::sync::broadcast::Receiver;
use tokio::sync::broadcast::error::RecvError;
use tokio::time::timeout;

use crate::feed::{Feed, Told, read};
use crate::order::Order;
use crate::{Error, store};

/// How often who hears nothing looks at the database.
const LOOK: Duration = Duration::from_secs(10);

/// Somebody who follows.
struct Follower<F> {
    feed: Feed,
    live: Receiver<Arc<Told>>,
    follow: F,
    /// Read, and not yet told.
    ready: VecDeque<Told>,
}

/// What somebody follows.
trait Follow: Send + 'static {
    /// What comes after what was seen last, from the database; empty when there is nothing.
    fn missed(&mut self, feed: &Feed)
    -> impl Future<Output = Result<VecDeque<Told>, Error>> + Send;
    /// Where an event stands to what was seen last.
    fn place(&self, told: &Told) -> Place;
    /// It is seen; whether it is to be told.
    fn see(&mut self, told: &Told) -> bool;
}

enum Place {
    Before,
    Next,
    /// Something between has not been heard.
    Beyond,
}

/// The changes of one order.
struct One {
    order: OrderId,
    id: String,
    sequence: i32,
    /// How far the order was when it began to be followed.
    version: i32,
}

/// The changes of all orders of a customer, or of everybody.
struct All {
    customer: Option<UserId>,
    position: i64,
}

/// Follows an order, whose events up to a sequence the client has seen; from the first that is known, where it has seen
/// none.
pub fn order(
    feed: &Feed,
    order: &Order,
    after: i32,
) -> impl Stream<Item = Result<OrderEvent, Error>> + Send + use<> {
    let (id, version) = (order.id, order.version);
    follow(feed, One { order: id, id: id.to_string(), sequence: after, version })
}

/// Follows all orders of a customer, or of everybody: after a position, or from now on.
pub async fn orders(
    feed: &Feed,
    customer: Option<UserId>,
    after: Option<i64>,
) -> Result<impl Stream<Item = Result<OrderEvent, Error>> + Send + use<>, Error> {
    // before the end is read: what happens since then is heard
    let live = feed.subscribe();
    let (first, end) = store::events::ends(&feed.access()).await?;
    let position = match after {
        None => end,
        Some(after) if after + 1 < first || after > end => {
            return Err(Error::EventsForgotten(after.to_string()));
        }
        Some(after) => after,
    };
    Ok(follow_from(feed, live, All { customer, position }))
}

fn follow<F: Follow>(
    feed: &Feed,
    follow: F,
) -> impl Stream<Item = Result<OrderEvent, Error>> + Send + use<F> {
    follow_from(feed, feed.subscribe(), follow)
}

fn follow_from<F: Follow>(
    feed: &Feed,
    live: Receiver<Arc<Told>>,
    follow: F,
) -> impl Stream<Item = Result<OrderEvent, Error>> + Send + use<F> {
    let follower = Follower { feed: feed.clone(), live, follow, ready: VecDeque::new() };
    try_unfold((follower, true), |(mut follower, is_first)| async move {
        let event = follower.next(is_first).await?;
        Ok(event.map(|event| (event, (follower, false))))
    })
}

impl<F: Follow> Follower<F> {
    async fn next(&mut self, is_first: bool) -> Result<Option<OrderEvent>, Error> {
        let mut is_behind = is_first;
        loop {
            while let Some(told) = self.ready.pop_front() {
                if self.follow.see(&told) {
                    return Ok(Some(told.event));
                }
            }
            if is_behind {
                self.ready = self.follow.missed(&self.feed).await?;
                // until there is nothing that was missed
                is_behind = !self.ready.is_empty();
                continue;
            }
            // whatever becomes of the feed, nobody stays behind for long
            let Ok(heard) = timeout(LOOK, self.live.recv()).await else {
                is_behind = true;
                continue;
            };
            match heard {
                Ok(told) => match self.follow.place(&told) {
                    Place::Before => {}
                    Place::Next => self.ready.push_back(Told::clone(&told)),
                    Place::Beyond => is_behind = true,
                },
                Err(RecvError::Lagged(_)) => is_behind = true,
                Err(RecvError::Closed) => return Ok(None),
            }
        }
    }
}

impl Follow for One {
    async fn missed(&mut self, feed: &Feed) -> Result<VecDeque<Told>, Error> {
        let rows = store::events::of_order(&feed.access(), self.order, self.sequence).await?;
        let events: VecDeque<Told> = rows.into_iter().map(read).collect::<Result<_, _>>()?;
        let next = events.front().map_or(self.version, |first| first.event.sequence - 1);
        if self.sequence > 0 && next > self.sequence {
            return Err(Error::EventsForgotten(self.sequence.to_string()));
        }
        Ok(events)
    }

    fn place(&self, told: &Told) -> Place {
        let is_ours = told.event.order.as_ref().is_some_and(|order| order.id == self.id);
        match told.event.sequence - self.sequence {
            _ if !is_ours => Place::Before,
            ..=0 => Place::Before,
            1 => Place::Next,
            _ => Place::Beyond,
        }
    }

    fn see(&mut self, told: &Told) -> bool {
        self.sequence = self.sequence.max(told.event.sequence);
        true
    }
}

impl Follow for All {
    async fn missed(&mut self, feed: &Feed) -> Result<VecDeque<Told>, Error> {
        let access = feed.access();
        // before the events are read: none of these up to there is passed over
        let (_, end) = store::events::ends(&access).await?;
        let (after, customer) = (self.position, self.customer);
        if after >= end {
            return Ok(VecDeque::new());
        }
        let rows = match customer {
            Some(customer) => store::events::of_customer(&access, customer, after).await?,
            None => store::events::after(&access, after).await?,
        };
        if rows.is_empty() {
            self.position = after.max(end);
        }
        rows.into_iter().map(read).collect()
    }

    fn place(&self, told: &Told) -> Place {
        match told.position - self.position {
            ..=0 => Place::Before,
            1 => Place::Next,
            _ => Place::Beyond,
        }
    }

    fn see(&mut self, told: &Told) -> bool {
        self.position = told.position;
        let Some(customer) = self.customer else { return true };
        told.event.order.as_ref().is_some_and(|order| order.customer_id == customer.to_string())
    }
}
