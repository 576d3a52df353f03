//! What the databases of a suite of one's own say.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use souk_kit::id::{PaymentId, RefundId};
use sqlx::PgConnection;
use sqlx::types::Uuid;

use super::acknowledged::Seen;
use super::rules::{self, Rule, order, product};
use crate::prove::history::Basket;
use crate::prove::town::{Databases, RESERVATION_TTL};
use crate::prove::verdict::Finding;

/// How long everything may take to come to rest, after the last fault and the last buyer.
const REST_LIMIT: Duration = Duration::from_secs(60);
const LOOK: Duration = Duration::from_millis(250);

/// Everything of interest.
#[derive(Debug, Default)]
pub struct Books {
    pub orders: BTreeMap<String, Order>,
    pub reservations: BTreeMap<String, Reservation>,
    /// Units that can be ordered, and that are held, of each product.
    pub stock: BTreeMap<String, (i64, i64)>,
    /// For the acknowledged to be looked for.
    pub seen: Seen,
    pub findings: Vec<Finding>,
}

#[derive(Debug, Clone, Default)]
pub struct Order {
    pub state: String,
    pub is_shipped: bool,
    pub version: i64,
    /// Units of each product.
    pub lines: BTreeMap<String, i64>,
}

#[derive(Debug, Clone, Default)]
pub struct Reservation {
    pub status: String,
    pub lines: BTreeMap<String, i64>,
}

/// Waits until every order has come to rest, and until those have expired that nobody has paid: how long the first
/// took, and those that have not.
pub async fn settle(databases: &Databases) -> anyhow::Result<(Duration, Vec<Finding>)> {
    let mut orders = databases.connect("orders").await?;
    wait(&mut orders, REST_LIMIT, Duration::from_secs(RESERVATION_TTL)).await
}

/// The same with so much time for all to come to rest, and so much more for those that expire.
async fn wait(
    orders: &mut PgConnection,
    rest_limit: Duration,
    expiry: Duration,
) -> anyhow::Result<(Duration, Vec<Finding>)> {
    let begin = Instant::now();
    let restless = Rule { name: "everything comes to rest", of: order, sql: rules::UNSETTLED };
    let mut findings = ask(orders, &restless).await?;
    while !findings.is_empty() && begin.elapsed() < rest_limit {
        tokio::time::sleep(LOOK).await;
        findings = ask(orders, &restless).await?;
    }
    let settled = begin.elapsed();
    // what is audited shall not change meanwhile
    while begin.elapsed() < rest_limit + expiry {
        let held: i64 = sqlx::query_scalar(rules::HELD_FOR_A_TIME).fetch_one(&mut *orders).await?;
        if held == 0 && ask(orders, &restless).await?.is_empty() {
            return Ok((settled, findings));
        }
        tokio::time::sleep(LOOK).await;
    }
    // what has not expired by now does not
    for late in ask(orders, &restless).await? {
        if !findings.contains(&late) {
            findings.push(late);
        }
    }
    Ok((settled, findings))
}

async fn ask(database: &mut PgConnection, rule: &Rule) -> anyhow::Result<Vec<Finding>> {
    let rows: Vec<(Uuid, String)> = sqlx::query_as(rule.sql).fetch_all(database).await?;
    let finding = |(id, what): (Uuid, String)| Finding::of(rule.name, &(rule.of)(id), what);
    Ok(rows.into_iter().map(finding).collect())
}

impl Books {
    /// Reads them, and asks what must be so in each.
    pub async fn read(databases: &Databases) -> anyhow::Result<Self> {
        let mut books = Self::default();
        let mut orders = databases.connect("orders").await?;
        let mut catalog = databases.connect("catalog").await?;
        for rule in rules::ORDERS {
            books.findings.extend(ask(&mut orders, rule).await?);
        }
        for rule in rules::CATALOG {
            books.findings.extend(ask(&mut catalog, rule).await?);
        }
        books.read_orders(&mut orders).await?;
        books.read_history(&mut orders).await?;
        books.read_money(&mut orders).await?;
        books.read_stock(&mut catalog).await?;
        Ok(books)
    }

    async fn read_orders(&mut self, database: &mut PgConnection) -> anyhow::Result<()> {
        type Row = (Uuid, String, bool, i32, i64, Vec<Uuid>, Vec<i32>);
        let rows: Vec<Row> = sqlx::query_as(
            "select id, state, exists (select from shipments where order_id = orders.id), version,
                 total_minor,
                 array(select product_id from order_lines where order_id = orders.id order by position),
                 array(select quantity from order_lines where order_id = orders.id order by position)
             from orders",
        )
        .fetch_all(database)
        .await?;
        for (id, state, is_shipped, version, cents, products, quantities) in rows {
            let id = order(id);
            self.seen.orders.insert(id.clone(), state.clone());
            if is_shipped {
                self.seen.shipped.insert(id.clone());
            }
            let lines = lines(products, quantities);
            self.seen.baskets.insert(id.clone(), Basket { lines: lines.clone(), cents });
            let version = i64::from(version);
            self.orders.insert(id, Order { state, is_shipped, version, lines });
        }
        Ok(())
    }

    /// Every change is in the history, and no order was paid for twice in it.
    async fn read_history(&mut self, database: &mut PgConnection) -> anyhow::Result<()> {
        let rows: Vec<(String, i64, i64)> = sqlx::query_as(
            "select subject, count(*), count(*) filter (where action = 'order.collect')
             from audit_log group by subject",
        )
        .fetch_all(database)
        .await?;
        let history: BTreeMap<String, (i64, i64)> =
            rows.into_iter().map(|(id, changes, paid)| (id, (changes, paid))).collect();
        for (id, order) in &self.orders {
            let (changes, paid) = history.get(id).copied().unwrap_or_default();
            if changes != order.version {
                let what = format!("version {}, {changes} lines", order.version);
                self.findings.push(Finding::of("every change is in the history", id, what));
            }
            if paid > 1 {
                let what = format!("paid for {paid} times");
                self.findings.push(Finding::of("an order is paid once", id, what));
            }
        }
        Ok(())
    }

    async fn read_money(&mut self, database: &mut PgConnection) -> anyhow::Result<()> {
        let payments: Vec<(Uuid, Uuid, String)> =
            sqlx::query_as("select id, order_id, state from payments")
                .fetch_all(&mut *database)
                .await?;
        let payments = payments.into_iter();
        self.seen.payments = payments
            .map(|(id, of, state)| (PaymentId::from_uuid(id).to_string(), (order(of), state)))
            .collect();
        let refunds: Vec<(Uuid, Uuid)> =
            sqlx::query_as("select id, order_id from refunds").fetch_all(database).await?;
        let refunds = refunds.into_iter();
        self.seen.refunds =
            refunds.map(|(id, of)| (RefundId::from_uuid(id).to_string(), order(of))).collect();
        Ok(())
    }

    async fn read_stock(&mut self, database: &mut PgConnection) -> anyhow::Result<()> {
        let stock: Vec<(Uuid, i32, i32)> =
            sqlx::query_as("select product_id, available, reserved from stock")
                .fetch_all(&mut *database)
                .await?;
        let stock = stock.into_iter();
        self.stock = stock
            .map(|(id, available, reserved)| (product(id), (available.into(), reserved.into())))
            .collect();
        let reservations: Vec<(Uuid, String, Vec<Uuid>, Vec<i32>)> =
            sqlx::query_as("select order_id, status, product_ids, quantities from reservations")
                .fetch_all(database)
                .await?;
        let reservations = reservations.into_iter();
        self.reservations = reservations
            .map(|(id, status, products, quantities)| {
                (order(id), Reservation { status, lines: lines(products, quantities) })
            })
            .collect();
        Ok(())
    }
}

fn lines(products: Vec<Uuid>, quantities: Vec<i32>) -> BTreeMap<String, i64> {
    products.into_iter().map(product).zip(quantities.into_iter().map(i64::from)).collect()
}

#[cfg(test)]
mod tests {
    use souk_testing::TestDatabase;

    use super::*;

    #[tokio::test]
    async fn an_order_that_nobody_pays_and_that_does_not_expire_is_found() {
        let test = TestDatabase::new(&souk_orders::MIGRATOR).await;
        let placed = "insert into orders (id, customer_id, idempotency_key, fingerprint, state,
                          total_minor, currency, request_id, reserved_until)
                      values (gen_random_uuid(), gen_random_uuid(), 'key', '', 'reserved', 100, 'USD',
                          'req', now() + interval '1 second')";
        test.sql(placed).await;
        let mut orders = test.pool.acquire().await.unwrap();
        let (_, findings) =
            wait(&mut orders, Duration::ZERO, Duration::from_secs(3)).await.unwrap();
        assert_eq!(findings.len(), 1, "it waits for its end, which does not come");
        test.sql("update orders set state = 'expired', stock = 'back'").await;
        let (_, findings) = wait(&mut orders, Duration::ZERO, Duration::ZERO).await.unwrap();
        assert_eq!(findings, []);
    }
}
