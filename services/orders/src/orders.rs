//! Orders: accepting, reading and cancelling them.

use std::collections::{HashMap, HashSet};
use std::time::Duration;

use prost::Message as _;
use serde::{Deserialize, Serialize};
use souk_db::idempotency::{self, Call, Record};
use souk_db::{audit, outbox};
use souk_kit::Money;
use souk_kit::id::{self, OrderId, ProductId, UserId};
use souk_kit::page::Page;
use souk_kit::request::Context;
use souk_proto::souk::orders::v1 as proto;
use souk_proto::souk::types::v1::Pagination;
use sqlx::PgConnection;
use time::OffsetDateTime;
use uuid::Uuid;

use crate::state::{Event, State};
use crate::{Error, Orders, store};

/// How often a call that waits for its order looks at it, when another process carries it.
const POLL_INTERVAL: Duration = Duration::from_millis(500);
/// What a waiting call keeps of its deadline to still answer in time.
const ANSWER_MARGIN: Duration = Duration::from_millis(500);

/// An order.
#[derive(Debug, Clone)]
pub struct Order {
    pub id: OrderId,
    pub customer: UserId,
    pub state: State,
    pub lines: Vec<Line>,
    pub total: Money,
    pub shortages: Vec<Shortage>,
    pub reserved_until: Option<OffsetDateTime>,
    pub version: i32,
    pub created_at: OffsetDateTime,
    pub updated_at: OffsetDateTime,
    /// Whether the saga has something to do with it.
    pub is_due: bool,
    /// The request that placed it.
    pub request_id: String,
}

/// A product of an order, with its name and price at the moment of the order.
#[derive(Debug, Clone)]
pub struct Line {
    pub product: ProductId,
    pub name: String,
    pub quantity: i32,
    pub unit_price: Money,
    pub total: Money,
}

/// A product that somebody wants.
#[derive(Debug, Clone, Copy)]
pub struct Item {
    pub product: ProductId,
    pub quantity: i32,
}

/// A product of which there is too little, as it is kept.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub struct Shortage {
    pub product: Uuid,
    pub requested: i32,
    pub available: i32,
}

/// A product of which there is too little, and its place in the order.
#[derive(Debug, Clone, Copy)]
pub struct Shortfall {
    pub position: usize,
    pub product: ProductId,
    pub requested: i32,
    pub available: i32,
}

/// The answer to a call that places an order.
#[derive(Debug)]
pub struct Placed {
    pub order: proto::Order,
    /// Whether the order was placed by an earlier call with the same key.
    pub replayed: bool,
}

impl Orders {
    /// Places an order once, however often it is asked for with the same key.
    pub(crate) async fn place(
        &self,
        context: &Context,
        call: Call,
        items: Vec<Item>,
    ) -> Result<Placed, Error> {
        refuse_repeated_products(&items)?;
        // a repeat needs no prices, which may have changed, or be gone
        if let Some(earlier) = self.earlier(&call).await? {
            return self.replay(&call, earlier).await;
        }
        let order = self.price(context, call.principal, items).await?;
        let accepted = self.accept(context, &call, &order).await;
        if !matches!(accepted, Ok(true)) {
            // a call with the same key was faster, or the commit gave no answer: what is stored
            // under the key says what happened
            let earlier = self.earlier(&call).await?;
            match (accepted, earlier) {
                (Err(_), Some(earlier)) if earlier.resource == order.id.uuid() => {}
                (Ok(_), Some(earlier)) => return self.replay(&call, earlier).await,
                (Err(error), _) => return Err(error),
                (Ok(_), None) => return Err(Error::InFlight(order.id)),
            }
        }
        let order = self.settle(context, order).await;
        let order = self.answer(&call, order, false).await?;
        Ok(Placed { order, replayed: false })
    }

    /// The order with the prices of the moment.
    async fn price(
        &self,
        context: &Context,
        customer: Uuid,
        items: Vec<Item>,
    ) -> Result<Order, Error> {
        let ids: Vec<ProductId> = items.iter().map(|item| item.product).collect();
        let quotes = self.catalog.quote(context, &ids).await?;
        let quotes: HashMap<ProductId, _> =
            quotes.into_iter().map(|quote| (quote.product, quote)).collect();
        let mut lines = Vec::with_capacity(items.len());
        for (position, item) in items.into_iter().enumerate() {
            let quote = quotes.get(&item.product).ok_or_else(|| {
                Error::invalid(
                    format!("items[{position}].product_id"),
                    "must be a product that exists",
                )
            })?;
            let total = quote.price.times(item.quantity).ok_or_else(|| too_much(position))?;
            lines.push(Line {
                product: item.product,
                name: quote.name.clone(),
                quantity: item.quantity,
                unit_price: quote.price,
                total,
            });
        }
        let total = sum(&lines)?;
        let now = OffsetDateTime::now_utc();
        Ok(Order {
            id: id::new(),
            customer: UserId::from_uuid(customer),
            state: State::Pending,
            lines,
            total,
            shortages: Vec::new(),
            reserved_until: None,
            version: 1,
            created_at: now,
            updated_at: now,
            is_due: true,
            request_id: context.request_id.clone(),
        })
    }

    /// Makes an order true, whole or not at all: the idempotency record, the order, its lines, its
    /// first event and its audit line commit together. `false` when the key was used before.
    async fn accept(&self, context: &Context, call: &Call, order: &Order) -> Result<bool, Error> {
        let mut transaction = self.database.begin(context.remaining()).await?;
        let is_new = idempotency::claim(&mut transaction, call, order.id.uuid()).await?
            && store::insert(&mut transaction, order, call).await?;
        if !is_new {
            transaction.rollback().await?;
            return Ok(false);
        }
        store::insert_lines(&mut transaction, order).await?;
        append_event(&mut transaction, order).await?;
        let (actor, subject) = (order.customer.to_string(), order.id.to_string());
        let entry = audit::Entry {
            actor: &actor,
            action: "order.create",
            subject: &subject,
            request_id: &context.request_id,
        };
        audit::append(&mut transaction, &entry).await?;
        transaction.commit().await?;
        tracing::info!(order_id = %order.id, "order accepted");
        Ok(true)
    }

    /// Hands the order to the saga and waits for it while the caller does. The order goes on
    /// whether or not anybody waits.
    async fn settle(&self, context: &Context, order: Order) -> Order {
        self.saga.carry(order.clone(), store::FIRST_EPOCH);
        let deadline = context.remaining().saturating_sub(ANSWER_MARGIN);
        match tokio::time::timeout(deadline, self.until_settled(order.id)).await {
            Ok(Ok(settled)) => settled,
            Ok(Err(error)) => {
                // it cannot be read at the moment, but it is accepted, which is what counts
                let error = souk_kit::failure::chain(&error);
                tracing::warn!(order_id = %order.id, error, "cannot see what becomes of the order");
                order
            }
            Err(_) => order,
        }
    }

    async fn until_settled(&self, id: OrderId) -> Result<Order, Error> {
        loop {
            let changed = self.saga.changed(id);
            let order = self.order(id).await?;
            if order.is_settled() {
                return Ok(order);
            }
            // the interval is for orders that another process carries
            let _ = tokio::time::timeout(POLL_INTERVAL, changed).await;
        }
    }

    /// The answer to the call, kept for its repeats once the order is settled.
    async fn answer(
        &self,
        call: &Call,
        order: Order,
        replayed: bool,
    ) -> Result<proto::Order, Error> {
        if order.state == State::Pending {
            return Ok(order.into());
        }
        let snapshot = proto::Order::from(order.clone()).encode_to_vec();
        let stored = idempotency::complete(self.database.pool(), call, snapshot).await?;
        self.reply(order.id, &stored, replayed).await
    }

    /// What a call with the same key did.
    async fn earlier(&self, call: &Call) -> Result<Option<Record>, Error> {
        if let Some(record) = idempotency::find(self.database.pool(), call).await? {
            return Ok(Some(record));
        }
        // the record is forgotten after a day, the order never
        Ok(store::find_by_key(self.database.pool(), call).await?)
    }

    async fn replay(&self, call: &Call, earlier: Record) -> Result<Placed, Error> {
        if !earlier.same_request {
            return Err(Error::KeyReused);
        }
        let id = OrderId::from_uuid(earlier.resource);
        let order = match earlier.response {
            Some(response) => self.reply(id, &response, true).await?,
            None => match self.order(id).await? {
                order if order.state == State::Pending => return Err(Error::InFlight(id)),
                order => self.answer(call, order, true).await?,
            },
        };
        Ok(Placed { order, replayed: true })
    }

    /// The stored answer; for a rejected order that is an error.
    async fn reply(
        &self,
        id: OrderId,
        stored: &[u8],
        replayed: bool,
    ) -> Result<proto::Order, Error> {
        let order = proto::Order::decode(stored)
            .map_err(|error| Error::Database(sqlx::Error::Decode(Box::new(error))))?;
        if order.status() == proto::OrderStatus::Rejected {
            let shortfalls = self.order(id).await?.shortfalls();
            return Err(Error::OutOfStock { order: id, shortfalls, replayed });
        }
        Ok(order)
    }

    /// Any order, for the service itself.
    async fn order(&self, id: OrderId) -> Result<Order, Error> {
        let mut connection = self.database.pool().acquire().await?;
        store::get(&mut connection, id, None).await?.ok_or(Error::NotFound(id))
    }

    /// An order that the customer may see; any order when there is no customer.
    pub(crate) async fn find(&self, id: OrderId, customer: Option<UserId>) -> Result<Order, Error> {
        let mut connection = self.database.pool().acquire().await?;
        store::get(&mut connection, id, customer).await?.ok_or(Error::NotFound(id))
    }

    /// The orders of a customer, or of everybody, newest first.
    pub(crate) async fn list(
        &self,
        customer: Option<UserId>,
        list: &str,
        page: &Page,
    ) -> Result<(Vec<Order>, Pagination), Error> {
        let rows = store::list(self.database.pool(), customer, page.window()).await?;
        let total = match page.known_total() {
            Some(total) => total,
            None => store::count(self.database.pool(), customer).await?,
        };
        Ok(page.finish(&self.cursors, list, rows, total, |order| order.id.uuid()))
    }

    /// Cancels an order of the customer, and waits for its stock to go back while the caller does.
    pub(crate) async fn cancel(
        &self,
        context: &Context,
        id: OrderId,
        customer: UserId,
    ) -> Result<Order, Error> {
        let mut transaction = self.database.begin(context.remaining()).await?;
        let locked = store::lock(&mut transaction, id, customer).await?;
        let (state, epoch) = locked.ok_or(Error::NotFound(id))?;
        if state == State::Cancelled {
            transaction.rollback().await?;
            return self.order(id).await;
        }
        let next = state
            .on(Event::Cancel)
            .map_err(|illegal| Error::IllegalTransition { order: id, illegal })?;
        // a new epoch: whoever carries the order at this moment has lost it
        let epoch = store::take_over(&mut transaction, id, epoch).await?;
        let change = store::Change::to(next).due_after(store::LEASE);
        let order = store::change(&mut transaction, id, (state, epoch), &change).await?;
        let order = order.ok_or(Error::NotFound(id))?;
        append_event(&mut transaction, &order).await?;
        let (actor, subject) = (customer.to_string(), id.to_string());
        let entry = audit::Entry {
            actor: &actor,
            action: "order.cancel",
            subject: &subject,
            request_id: &context.request_id,
        };
        audit::append(&mut transaction, &entry).await?;
        transaction.commit().await?;
        self.saga.carry(order, epoch);
        let deadline = context.remaining().saturating_sub(ANSWER_MARGIN);
        match tokio::time::timeout(deadline, self.until_settled(id)).await {
            Ok(order) => order,
            Err(_) => self.order(id).await,
        }
    }
}

impl Order {
    /// Whether the saga has brought the order to where it stays for now.
    pub fn is_settled(&self) -> bool {
        self.state != State::Pending && (self.state == State::Reserved || !self.is_due)
    }

    fn shortfalls(&self) -> Vec<Shortfall> {
        self.shortages
            .iter()
            .filter_map(|shortage| {
                let product = ProductId::from_uuid(shortage.product);
                let position = self.lines.iter().position(|line| line.product == product)?;
                let Shortage { requested, available, .. } = *shortage;
                Some(Shortfall { position, product, requested, available })
            })
            .collect()
    }
}

/// Adds the event of the order's last change to the transaction that made it.
pub async fn append_event(transaction: &mut PgConnection, order: &Order) -> Result<(), Error> {
    let payload = serde_json::json!({
        "id": order.id.to_string(),
        "status": order.state.as_str(),
        "customer_id": order.customer.to_string(),
        "total": order.total.to_string(),
        "currency": order.total.currency().code(),
    });
    let event = outbox::Event {
        subject: order.id.uuid(),
        sequence: order.version,
        kind: &format!("order.{}", order.state),
        payload: &payload,
    };
    outbox::append(transaction, &event).await?;
    Ok(())
}

fn refuse_repeated_products(items: &[Item]) -> Result<(), Error> {
    let mut seen = HashSet::with_capacity(items.len());
    match items.iter().position(|item| !seen.insert(item.product.uuid())) {
        None => Ok(()),
        Some(position) => Err(Error::invalid(
            format!("items[{position}].product_id"),
            "must not be repeated; raise the quantity instead",
        )),
    }
}

fn sum(lines: &[Line]) -> Result<Money, Error> {
    let mut totals = lines.iter().map(|line| line.total);
    let first = totals.next().ok_or_else(|| Error::invalid("items", "must not be empty"))?;
    totals.try_fold(first, Money::plus).ok_or_else(|| {
        Error::invalid("items", "must add up to an amount of one currency that fits")
    })
}

fn too_much(position: usize) -> Error {
    Error::invalid(format!("items[{position}].quantity"), "makes an amount that is too large")
}
