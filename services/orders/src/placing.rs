//! Placing an order: once, however often it is asked for with the same key.

use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use souk_db::idempotency::{Answer, Call, Record};
use souk_db::{Batches, Database, Limits, Work};
use souk_kit::id::{self, AddressId, OrderId, ProductId, UserId};
use souk_kit::request::Context;
use souk_kit::{Money, clock};
use tokio::sync::oneshot;
use tokio::time::{Instant, timeout, timeout_at};

use crate::address::PostalAddress;
use crate::catalog::Catalog;
use crate::crash::{self, Moment};
use crate::numbering::Numbers;
use crate::order::{Item, Line, Order, price, refuse_repeats, sum};
use crate::purchase::Purchase;
use crate::saga::Saga;
use crate::slots::{Slot, Slots};
use crate::state::State;
use crate::stock::Stock;
use crate::transition::{Encoding, FIRST_EPOCH, Transitions};
use crate::waiting::{LOOK, Waiting, latest};
use crate::{Error, store};

/// A catalog that takes longer to tell prices is not waited for before the key is looked up.
const PROMPT: Duration = Duration::from_millis(250);

/// Places orders. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Placing {
    database: Database,
    catalog: Arc<Catalog>,
    saga: Saga,
    waiting: Waiting,
    slots: Slots,
    encoding: Encoding,
    records: Batches<Records>,
    transitions: Transitions,
    numbers: Arc<Numbers>,
}

/// What somebody wants to order.
#[derive(Debug)]
pub struct Wanted {
    pub items: Vec<Item>,
    pub ships_to: Option<ShipsTo>,
}

/// Where an order shall go.
#[derive(Debug)]
pub enum ShipsTo {
    /// To an address in the customer's address book.
    Book(AddressId),
    Postal(PostalAddress),
}

/// What has become of a call that places an order.
#[derive(Debug)]
pub enum Placed {
    /// What the call is answered, as it is kept under its key.
    Answered {
        answer: Answer,
        /// Whether an earlier call with the same key was answered so first.
        replayed: bool,
    },
    /// The order is accepted and still under way.
    Pending(Box<Order>),
}

/// Records that are looked up while one statement is under way go together in the next.
struct Records(Database);

impl Work for Records {
    type Item = Call;
    type Outcome = Option<Record>;

    async fn run(&self, calls: &[Call]) -> Result<Vec<Option<Record>>, sqlx::Error> {
        store::records::find(&self.0.for_many(), calls).await
    }
}

impl Placing {
    pub fn new(
        database: Database,
        catalog: Arc<Catalog>,
        transitions: Transitions,
        saga: Saga,
        waiting: Waiting,
        slots: Slots,
        encoding: Encoding,
    ) -> Self {
        Self {
            records: Batches::new(Records(database.clone()), Limits::READS),
            numbers: Arc::new(Numbers::new(database.clone())),
            transitions,
            database,
            catalog,
            saga,
            waiting,
            slots,
            encoding,
        }
    }

    /// Places an order, and waits for it while the caller does. Once it is accepted it goes on whether
    /// or not anybody waits.
    pub async fn place(
        &self,
        context: &Context,
        customer: UserId,
        call: Call,
        wanted: Wanted,
    ) -> Result<Placed, Error> {
        let items = &wanted.items;
        refuse_repeats(items)?;
        let mut priced = pin!(async {
            let ships_to = self.ships_to(context, customer, wanted.ships_to);
            let ((lines, total), ships_to) =
                tokio::try_join!(self.lines(context, items), ships_to)?;
            Ok::<_, Error>((lines, total, ships_to))
        });
        let (lines, total, ships_to) = match timeout(PROMPT, &mut priced).await {
            Ok(Ok(priced)) => priced,
            // a repeat needs no catalog, and neither products nor an address, which may be gone
            unpriced => match (self.records.submit(call.clone()).await?, unpriced) {
                (Some(earlier), _) => return self.replay(context, &call, earlier).await,
                (None, Ok(failed)) => failed?,
                (None, Err(_)) => priced.await?,
            },
        };
        let now = clock::now();
        let order = Order {
            id: id::new(),
            number: Some(self.numbers.next(context).await?),
            customer,
            key: call.key.clone(),
            state: State::Pending,
            stock: Stock::Unknown,
            paid: Money::zero(total.currency()),
            refunded: Money::zero(total.currency()),
            total,
            lines,
            ships_to,
            shortages: Vec::new(),
            reserved_until: None,
            version: 1,
            created_at: now,
            updated_at: now,
            request_id: context.request_id.to_string(),
        };
        let products: Vec<ProductId> = order.lines.iter().map(|line| line.product).collect();
        let slot = self.slots.take(&products, latest(context).into()).await;
        self.begin(context, call, order, slot).await
    }

    /// What is asked for at today's prices, and what it costs together.
    async fn lines(&self, context: &Context, items: &[Item]) -> Result<(Vec<Line>, Money), Error> {
        let products: Vec<ProductId> = items.iter().map(|item| item.product).collect();
        let lines = price(items, &self.catalog.quote(context, &products).await?)?;
        let total = sum(&lines)?;
        Ok((lines, total))
    }

    /// Accepts an order and carries it, apart from the request; and waits for both.
    async fn begin(
        &self,
        context: &Context,
        call: Call,
        order: Order,
        slot: Option<Slot>,
    ) -> Result<Placed, Error> {
        let mut waiter = self.waiting.begin(order.id);
        let (sender, accepted) = oneshot::channel();
        let (placing, kept, placed) = (self.clone(), call.clone(), order.clone());
        self.saga.detach(async move {
            let since = std::time::Instant::now();
            let accepted = placing.accept(kept, placed.clone()).await;
            let is_ours = matches!(accepted, Ok(None));
            let _ = sender.send(accepted);
            if is_ours {
                placing.saga.carry(placed, (FIRST_EPOCH, since), None).await;
            }
            drop(slot);
        });
        let accepted = match timeout_at(context.deadline.into(), accepted).await {
            Ok(accepted) => accepted.unwrap_or(Err(Error::Late)),
            Err(_) => return Err(Error::Late),
        };
        if let Some(earlier) = accepted? {
            return self.replay(context, &call, earlier).await;
        }
        let latest = latest(context).into();
        let is_settled = |purchase: &Purchase| purchase.order.state != State::Pending;
        loop {
            let look = (Instant::now() + LOOK).min(latest);
            let settled = match timeout_at(look, waiter.until(is_settled)).await {
                Ok(purchase) => purchase.order.clone(),
                // somebody in another process may have brought it there
                Err(_) => match self.order(context, order.id).await {
                    Ok(order) if order.state != State::Pending => order,
                    Ok(_) | Err(_) if look < latest => continue,
                    // it cannot be seen at the moment, but it is accepted, which is what counts
                    Ok(_) | Err(_) => return Ok(Placed::Pending(order.into())),
                },
            };
            let answer = (self.encoding.answer)(&settled);
            return Ok(Placed::Answered { answer, replayed: false });
        }
    }

    /// Where the order goes: a copy of what stands in the address book at this moment.
    async fn ships_to(
        &self,
        context: &Context,
        customer: UserId,
        ships_to: Option<ShipsTo>,
    ) -> Result<Option<PostalAddress>, Error> {
        let id = match ships_to {
            None => return Ok(None),
            Some(ShipsTo::Postal(address)) => return Ok(Some(address)),
            Some(ShipsTo::Book(id)) => id,
        };
        let access = self.database.until(context.deadline);
        let found = store::addresses::get(&access, id, customer).await?;
        let issue = "must be an address in the caller's address book";
        let address = found.ok_or_else(|| Error::invalid("address_id", issue))?;
        Ok(Some(address.postal))
    }

    /// Makes an order true, whole or not at all; what is known of an earlier call with its key, in which
    /// case it is not made.
    async fn accept(&self, call: Call, order: Order) -> Result<Option<Record>, Error> {
        let id = order.id;
        crash::point("place", Moment::Writes);
        let placed = self.transitions.place(order, &call).await;
        crash::point("place", Moment::Written);
        let refused = match placed {
            Ok(true) => return Ok(None),
            Ok(false) => Error::InFlight(id),
            // perhaps the commit gave no answer
            Err(error) => error,
        };
        // what is stored under the key says what happened, and may be ours after all
        match self.records.submit(call).await {
            Ok(Some(record)) if record.resource == Some(id.uuid()) => Ok(None),
            Ok(Some(record)) => Ok(Some(record)),
            Ok(None) | Err(_) => Err(refused),
        }
    }

    /// What a call with the same key was answered.
    async fn replay(
        &self,
        context: &Context,
        call: &Call,
        earlier: Record,
    ) -> Result<Placed, Error> {
        let resource = earlier.resource;
        let answer = match (earlier.for_repeat(call)?, resource) {
            (Some(answer), _) => answer,
            (None, Some(id)) => match self.order(context, OrderId::from_uuid(id)).await? {
                order if order.state == State::Pending => return Err(Error::InFlight(order.id)),
                // the record is forgotten after a while, the order never
                order => (self.encoding.answer)(&order),
            },
            (None, None) => return Err(souk_db::idempotency::Refusal::InFlight.into()),
        };
        Ok(Placed::Answered { answer, replayed: true })
    }

    /// Any order, for the service itself.
    async fn order(&self, context: &Context, id: OrderId) -> Result<Order, Error> {
        let access = self.database.until(context.deadline);
        store::orders::get(&access, id, None).await?.ok_or(Error::NotFound(id))
    }
}
