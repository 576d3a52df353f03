//! What must always be so, as questions to the databases: each names what is not.

use souk_kit::id::{OrderId, ProductId};
use sqlx::types::Uuid;

/// A question to one database, whose rows are findings: the id of what is wrong, and how.
pub struct Rule {
    pub name: &'static str,
    /// How the id is written.
    pub of: fn(Uuid) -> String,
    pub sql: &'static str,
}

/// Orders that have not come to rest: something is due, or under way. What waits for a customer is at rest.
pub const UNSETTLED: &str = "
    select id, format('%s, stock %s, due at %s, tried %s times', state, stock, due_at, attempts)
    from orders
    where state = 'pending'
       or due_at <= now() - interval '1 second'
       or (state = 'paying' and not exists (
               select from payments where order_id = orders.id and payments.state = 'requires_confirmation'))
       or exists (select from payments where order_id = orders.id
                  and (payments.state in ('pending', 'confirming') or look_at <= now()))
       or exists (select from refunds where order_id = orders.id and refunds.state = 'pending')
       or exists (select from sandbox_charges as charges
                  where charges.order_id = orders.id and charged_at is not null and not exists (
                      select from payments where payments.reference = charges.reference
                      and payments.state in ('succeeded', 'surplus')))
       or (state in ('reserved', 'payment_failed') and reserved_until <= now() - interval '1 second')
       or (state in ('paid', 'fulfilled', 'delivered', 'partially_refunded') and stock <> 'committed')
       or (state in ('cancelled', 'expired') and stock <> 'back')
       or (state = 'refunded' and stock <> 'back'
           and not exists (select from shipments where order_id = orders.id))
       or exists (select from outbox where subject = orders.id and position is null)";

/// Orders that hold stock for a time, and so will change by themselves.
pub const HELD_FOR_A_TIME: &str =
    "select count(*) from orders where state in ('reserved', 'payment_failed')";

/// Of the database of orders.
pub const ORDERS: &[Rule] = &[
    Rule {
        name: "one order per key",
        of: order,
        sql: "select (array_agg(id))[1], format('the key %s of a customer has %s', idempotency_key, count(*))
              from orders group by customer_id, idempotency_key having count(*) > 1",
    },
    Rule {
        name: "an order costs what its lines do",
        of: order,
        sql: "select id, format('%s, and its lines %s', total_minor, lines)
              from orders left join (
                  select order_id, sum(unit_price_minor * quantity) as lines from order_lines group by order_id
              ) as sums on order_id = id
              where total_minor is distinct from lines",
    },
    Rule {
        name: "one payment that counts",
        of: order,
        sql: "select id, format('%s, paid %s of %s, with %s payments that count',
                      state, paid_minor, total_minor, counted)
              from orders, lateral (
                  select count(*) as counted, coalesce(sum(amount_minor), 0) as paid from payments
                  where order_id = orders.id and payments.state = 'succeeded') as sums
              where case when state in ('paid', 'fulfilled', 'delivered', 'partially_refunded', 'refunded')
                  then counted <> 1 or paid <> total_minor or paid_minor <> total_minor
                  else counted <> 0 or paid_minor <> 0 end",
    },
    Rule {
        name: "one charge per order",
        of: order,
        sql: "select id, format('%s, charged %s times and %s went back as surplus', state, charged, surplus)
              from orders, lateral (
                  select count(*) as charged,
                      count(*) filter (where given_back = amount_minor and exists (
                          select from payments where payments.reference = kept.reference
                          and payments.state = 'surplus')) as surplus
                  from (select reference, amount_minor, (select coalesce(sum(amount_minor), 0)
                            from sandbox_refunds where reference = charges.reference) as given_back
                        from sandbox_charges as charges
                        where order_id = orders.id and charged_at <= now()) as kept) as charges
              where charged - surplus <> case
                  when state in ('paid', 'fulfilled', 'delivered', 'partially_refunded', 'refunded') then 1
                  else 0 end",
    },
    Rule {
        name: "charges equal orders",
        of: order,
        sql: "select id, format('%s, the provider has %s and the order %s', state, bank,
                      paid_minor - refunded_minor)
              from orders, lateral (
                  select coalesce((select sum(amount_minor) from sandbox_charges
                                   where order_id = orders.id and charged_at <= now()), 0)
                       - coalesce((select sum(refunds.amount_minor) from sandbox_refunds as refunds
                                   join sandbox_charges as charges using (reference)
                                   where charges.order_id = orders.id), 0) as bank) as sums
              where bank <> paid_minor - refunded_minor",
    },
    Rule {
        name: "every charge is known",
        of: order,
        sql: "select order_id, format('%s of %s is of no payment', charges.reference, amount_minor)
              from sandbox_charges as charges
              where charged_at <= now() and not exists (
                  select from payments where payments.order_id = charges.order_id
                  and payments.reference = charges.reference and state in ('succeeded', 'surplus')
                  and payments.amount_minor = charges.amount_minor)",
    },
    Rule {
        name: "every payment was charged",
        of: order,
        sql: "select order_id, format('%s is %s', id, state) from payments
              where state in ('succeeded', 'surplus') and not exists (
                  select from sandbox_charges as charges
                  where charges.reference = payments.reference and charged_at <= now())",
    },
    Rule {
        name: "refunds within captures",
        of: order,
        sql: "select order_id, format('%s of %s: noted %s, refunded %s, the provider %s',
                      state, amount_minor, refunded_minor, refunds, bank)
              from payments, lateral (
                  select coalesce((select sum(amount_minor) from refunds
                                   where payment_id = payments.id and state <> 'failed'), 0) as refunds,
                      coalesce((select sum(amount_minor) from sandbox_refunds
                                where reference = payments.reference), 0) as bank) as sums
              where refunds <> refunded_minor or bank <> refunds or refunds > amount_minor
                 or (state = 'surplus' and refunds <> amount_minor)",
    },
    Rule {
        name: "refunds of an order are summed",
        of: order,
        sql: "select orders.id, format('%s, refunded %s of %s, its refunds %s', orders.state,
                      orders.refunded_minor, paid_minor, coalesce(sum(refunds.amount_minor), 0))
              from orders
              left join payments on payments.order_id = orders.id and payments.state = 'succeeded'
              left join refunds on payment_id = payments.id and refunds.state = 'succeeded'
              group by orders.id
              having orders.refunded_minor <> coalesce(sum(refunds.amount_minor), 0)
                  or (orders.state = 'refunded') <> (paid_minor > 0 and orders.refunded_minor = paid_minor)",
    },
    Rule {
        name: "what is sent was paid",
        of: order,
        sql: "select order_id, 'sent, and never paid' from shipments
              join orders on orders.id = order_id where paid_minor = 0",
    },
    Rule {
        name: "events in sequence",
        of: order,
        sql: "select id, format('version %s, %s events from %s to %s', version, events, first, last)
              from orders left join (
                  select subject, count(*) as events, min(sequence) as first, max(sequence) as last
                  from outbox group by subject) as sums on subject = id
              where events is distinct from version or first <> 1 or last <> version",
    },
    Rule {
        name: "events have their places in sequence",
        of: order,
        sql: "select subject, format('event %s comes after a later one', sequence)
              from (select subject, sequence, position, lag(position) over (
                        partition by subject order by sequence) as earlier from outbox) as events
              where position is null or position < earlier",
    },
];

/// Of the catalog's.
pub const CATALOG: &[Rule] = &[
    Rule {
        name: "the ledger is the stock",
        of: product,
        sql: "select stock.product_id, format('%s and %s reserved, the ledger says %s and %s',
                      stock.available, stock.reserved, sum(moves.available), sum(moves.reserved))
              from stock left join stock_moves as moves on moves.product_id = stock.product_id
              group by stock.product_id
              having stock.available <> coalesce(sum(moves.available), 0)
                  or stock.reserved <> coalesce(sum(moves.reserved), 0)",
    },
    Rule {
        name: "nothing is negative",
        of: product,
        sql: "select product_id, format('%s available, %s reserved', available, reserved)
              from stock where available < 0 or reserved < 0",
    },
    Rule {
        name: "what is reserved is held for somebody",
        of: product,
        sql: "select stock.product_id, format('%s reserved, %s held', reserved, coalesce(held, 0))
              from stock left join (
                  select product_id, sum(quantity) as held
                  from reservations, unnest(product_ids, quantities) as lines (product_id, quantity)
                  where status = 'held' group by product_id) as holds on holds.product_id = stock.product_id
              where reserved <> coalesce(held, 0)",
    },
    Rule {
        name: "a reservation moves its units once",
        of: order,
        sql: "select order_id, format('%s, %s units, moved %s and %s', status, units,
                      coalesce(available, 0), coalesce(reserved, 0))
              from reservations
              left join lateral (select coalesce(sum(quantity), 0) as units
                  from unnest(quantities) as lines (quantity)) as lines on true
              left join (select order_id, sum(available) as available, sum(reserved) as reserved
                  from stock_moves where order_id is not null group by order_id) as moves using (order_id)
              where coalesce(available, 0) <> case when status in ('held', 'committed') then -units else 0 end
                 or coalesce(reserved, 0) <> case when status = 'held' then units else 0 end",
    },
];

pub fn order(id: Uuid) -> String {
    OrderId::from_uuid(id).to_string()
}

pub fn product(id: Uuid) -> String {
    ProductId::from_uuid(id).to_string()
}
