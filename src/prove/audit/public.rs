//! What can be asked of any suite, through its public API alone: orders with their timelines, and the ledger.

use std::time::{Duration, Instant};

use futures::{StreamExt as _, TryStreamExt as _, stream};
use souk_kit::Money;
use souk_kit::money::Currency;
use souk_proto::google::r#type::Decimal;
use souk_proto::souk::catalog::v2::catalog_service_client::CatalogServiceClient;
use souk_proto::souk::catalog::v2::{GetStockRequest, ListStockMovesRequest, Stock};
use souk_proto::souk::orders::v1::orders_service_client::OrdersServiceClient;
use souk_proto::souk::orders::v1::{
    GetOrderRequest, GetTimelineRequest, ListOrdersRequest, Order, OrderStatus, PaymentStatus,
    RefundStatus, Timeline,
};

use super::acknowledged::Seen;
use crate::login::explain;
use crate::prove::buyers::{Market, Product};
use crate::prove::history::Basket;
use crate::prove::people::Person;
use crate::prove::shop::signed;
use crate::prove::verdict::Finding;

/// How many timelines are read at once.
const AT_ONCE: usize = 8;
const PAGE: i32 = 100;
/// How long an order may take to come to rest.
const REST_LIMIT: Duration = Duration::from_secs(60);
const LOOK: Duration = Duration::from_secs(1);

/// What its customers see, and what is wrong with it.
pub async fn of_public(market: &Market) -> anyhow::Result<(Seen, Vec<Finding>)> {
    let (mut seen, mut findings) = (Seen::default(), Vec::new());
    let deadline = Instant::now() + REST_LIMIT;
    for person in &market.people {
        let listed = list(market, person).await?;
        let looked = stream::iter(listed).map(|id| look(market, person, id, deadline));
        let looked: Vec<_> = looked.buffer_unordered(AT_ONCE).try_collect().await?;
        for (order, timeline, wrong) in looked {
            note(&mut seen, &order, &timeline);
            findings.extend(wrong);
        }
    }
    let sold = seen.sold();
    for product in &market.products {
        let sold = sold.get(product.id.as_str()).copied().unwrap_or_default();
        findings.extend(ledger(market, product, sold, deadline).await?);
    }
    Ok((seen, findings))
}

/// The ids of all orders of somebody.
async fn list(market: &Market, person: &Person) -> anyhow::Result<Vec<String>> {
    let mut orders = OrdersServiceClient::new(market.shop.orders[0].clone());
    let mut request = ListOrdersRequest { size: Some(PAGE), ..ListOrdersRequest::default() };
    let mut ids = Vec::new();
    loop {
        let page = orders.list_orders(signed(request.clone(), &person.token().await, "")).await;
        let page = page.map_err(|status| explain(&status))?.into_inner();
        ids.extend(page.data.into_iter().map(|order| order.id));
        match page.pagination.and_then(|pagination| pagination.next_cursor) {
            Some(cursor) => request.cursor = cursor,
            None => return Ok(ids),
        }
    }
}

/// An order with its timeline, once it is at rest, and what is wrong with it.
async fn look(
    market: &Market,
    person: &Person,
    id: String,
    deadline: Instant,
) -> anyhow::Result<(Order, Timeline, Vec<Finding>)> {
    let mut orders = OrdersServiceClient::new(market.shop.orders[0].clone());
    loop {
        let token = person.token().await;
        let asked = signed(GetTimelineRequest { id: id.clone() }, &token, "");
        let timeline = orders.get_timeline(asked).await;
        let timeline = timeline.map_err(|status| explain(&status))?.into_inner();
        let order = orders.get_order(signed(GetOrderRequest { id: id.clone() }, &token, "")).await;
        let order = order.map_err(|status| explain(&status))?.into_inner();
        let findings = judge(&order, &timeline);
        if findings.is_empty() || Instant::now() > deadline {
            return Ok((order, timeline, findings));
        }
        tokio::time::sleep(LOOK).await;
    }
}

fn note(seen: &mut Seen, order: &Order, timeline: &Timeline) {
    let word = |name: &str, prefix: &str| name.trim_start_matches(prefix).to_lowercase();
    let state = word(order.status().as_str_name(), "ORDER_STATUS_");
    seen.orders.insert(order.id.clone(), state);
    let lines = order.items.iter().map(|it| (it.product_id.clone(), i64::from(it.quantity)));
    let basket = Basket { lines: lines.collect(), cents: minor(&order.total) };
    seen.baskets.insert(order.id.clone(), basket);
    for payment in &timeline.payments {
        let state = word(payment.status().as_str_name(), "PAYMENT_STATUS_");
        seen.payments.insert(payment.id.clone(), (order.id.clone(), state));
    }
    let refunds = timeline.refunds.iter();
    seen.refunds.extend(refunds.map(|refund| (refund.id.clone(), order.id.clone())));
    seen.shipped.extend(timeline.shipments.first().map(|_| order.id.clone()));
}

/// What is wrong with an order that should be at rest.
fn judge(order: &Order, timeline: &Timeline) -> Vec<Finding> {
    let mut findings = Vec::new();
    let mut wrong = |rule, what: String| findings.push(Finding::of(rule, &order.id, what));
    let of =
        |status: PaymentStatus| timeline.payments.iter().filter(move |it| it.status() == status);
    let refunded = |payment: &str| -> i64 {
        let refunds = timeline.refunds.iter().filter(|it| it.payment_id == payment);
        refunds
            .filter(|it| it.status() == RefundStatus::Succeeded)
            .map(|it| minor(&it.amount))
            .sum()
    };
    let status = order.status();
    let waits = of(PaymentStatus::RequiresConfirmation).count() > 0;
    let is_moving = status == OrderStatus::Pending
        || (status == OrderStatus::Paying && !waits)
        || of(PaymentStatus::Pending).count() > 0
        || timeline.refunds.iter().any(|refund| refund.status() == RefundStatus::Pending);
    if is_moving {
        wrong("everything comes to rest", format!("it is {}", status.as_str_name()));
    }
    let is_paid = matches!(
        status,
        OrderStatus::Paid
            | OrderStatus::Fulfilled
            | OrderStatus::Delivered
            | OrderStatus::PartiallyRefunded
            | OrderStatus::Refunded
    );
    let (counted, total) = (of(PaymentStatus::Succeeded).count(), minor(&order.total));
    let paid = minor(&order.amount_paid);
    if counted != usize::from(is_paid) || paid != if is_paid { total } else { 0 } {
        let what = format!("{counted} payments that count, {paid} of {total} paid");
        wrong("one payment that counts", what);
    }
    let given_back: i64 = of(PaymentStatus::Succeeded).map(|it| refunded(&it.id)).sum();
    if given_back != minor(&order.amount_refunded) || given_back > paid {
        wrong("refunds within captures", format!("{given_back} of {paid} went back"));
    }
    for payment in of(PaymentStatus::Surplus).filter(|it| refunded(&it.id) != minor(&it.amount)) {
        wrong("surplus money goes back", format!("{} has not", payment.id));
    }
    let changes = timeline.changes.iter();
    let collected = changes.filter(|change| change.action == "order.collect").count();
    if collected > 1 {
        wrong("an order is paid once", format!("paid for {collected} times"));
    }
    findings
}

fn minor(amount: &Option<Decimal>) -> i64 {
    let text = amount.as_ref().map_or("0", |amount| &amount.value);
    Money::parse(text, Currency::USD).map_or(0, Money::minor)
}

/// What is wrong with the stock of a product, of which so many units have left with orders. Reservations of the last
/// orders may end, or be committed, while it is looked at.
async fn ledger(
    market: &Market,
    product: &Product,
    sold: i64,
    deadline: Instant,
) -> anyhow::Result<Vec<Finding>> {
    loop {
        let (stock, moved) = stock(market, product).await?;
        let findings = count(product, &stock, moved, sold);
        if findings.is_empty() || Instant::now() > deadline {
            return Ok(findings);
        }
        tokio::time::sleep(LOOK).await;
    }
}

/// The stock of a product, and what its ledger comes to: units that are available, and reserved.
async fn stock(market: &Market, product: &Product) -> anyhow::Result<(Stock, (i32, i32))> {
    let mut catalog = CatalogServiceClient::new(market.shop.catalog.clone());
    let id = product.id.clone();
    let asked = signed(GetStockRequest { id: id.clone() }, &market.admin.token().await, "");
    let stock = catalog.get_stock(asked).await.map_err(|status| explain(&status))?.into_inner();
    let mut request =
        ListStockMovesRequest { id, size: Some(PAGE), ..ListStockMovesRequest::default() };
    let (mut available, mut reserved) = (0, 0);
    loop {
        let asked = signed(request.clone(), &market.admin.token().await, "");
        let page = catalog.list_stock_moves(asked).await;
        let page = page.map_err(|status| explain(&status))?.into_inner();
        available += page.data.iter().map(|line| line.available).sum::<i32>();
        reserved += page.data.iter().map(|line| line.reserved).sum::<i32>();
        match page.pagination.and_then(|pagination| pagination.next_cursor) {
            Some(cursor) => request.cursor = cursor,
            None => return Ok((stock, (available, reserved))),
        }
    }
}

/// Holds the stock of a product to its ledger, and to what was there when it was made.
fn count(product: &Product, stock: &Stock, moved: (i32, i32), sold: i64) -> Vec<Finding> {
    let mut findings = Vec::new();
    let mut wrong = |rule, what| findings.push(Finding::of(rule, &product.id, what));
    let told = format!("{} available, {} reserved", stock.available, stock.reserved);
    if moved != (stock.available, stock.reserved) {
        let (available, reserved) = moved;
        let what = format!("{told}, the ledger says {available} and {reserved}");
        wrong("the ledger is the stock", what);
    }
    let is_negative = stock.available < 0 || stock.reserved < 0;
    if is_negative || stock.on_hand != stock.available + stock.reserved {
        wrong("on hand is available and reserved", format!("{told}, {} on hand", stock.on_hand));
    }
    // others may buy here as well: less than there was is no finding
    if i64::from(stock.available) + i64::from(stock.reserved) + sold > i64::from(product.units) {
        wrong("nothing is oversold", format!("{told}, {sold} sold, of {}", product.units));
    }
    findings
}

#[cfg(test)]
mod tests {
    use souk_proto::souk::orders::v1::{Payment, Refund};

    use super::*;

    fn amount(value: &str) -> Option<Decimal> {
        Some(Decimal { value: value.to_owned() })
    }

    fn paid() -> (Order, Timeline) {
        let order = Order {
            status: OrderStatus::Paid.into(),
            total: amount("5.00"),
            amount_paid: amount("5.00"),
            ..Order::default()
        };
        let payment = Payment {
            id: "pay_1".to_owned(),
            status: PaymentStatus::Succeeded.into(),
            amount: amount("5.00"),
            ..Payment::default()
        };
        (order, Timeline { payments: vec![payment], ..Timeline::default() })
    }

    #[test]
    fn an_order_that_was_paid_once_is_fine() {
        let (order, timeline) = paid();
        assert_eq!(judge(&order, &timeline), []);
    }

    #[test]
    fn stock_that_was_not_there_and_a_ledger_that_says_otherwise_are_found() {
        let cup = Product { id: "cup".to_owned(), cents: 500, units: 10 };
        let rules = |stock: &Stock, moved, sold| -> Vec<&str> {
            count(&cup, stock, moved, sold).iter().map(|finding| finding.rule).collect()
        };
        let stock = Stock { available: 3, reserved: 2, on_hand: 5, ..Stock::default() };
        assert!(rules(&stock, (3, 2), 5).is_empty() && rules(&stock, (3, 2), 1).is_empty());
        assert_eq!(rules(&stock, (3, 2), 6), ["nothing is oversold"]);
        assert_eq!(rules(&stock, (4, 2), 5), ["the ledger is the stock"]);
        let odd = Stock { on_hand: 4, ..stock };
        assert_eq!(rules(&odd, (3, 2), 5), ["on hand is available and reserved"]);
    }

    #[test]
    fn two_payments_money_that_stays_and_work_that_stays_are_found() {
        let (order, mut timeline) = paid();
        let twice = Payment { id: "pay_2".to_owned(), ..timeline.payments[0].clone() };
        timeline.payments.push(twice);
        assert_eq!(judge(&order, &timeline)[0].rule, "one payment that counts");
        timeline.payments[1].status = PaymentStatus::Surplus.into();
        assert_eq!(judge(&order, &timeline)[0].rule, "surplus money goes back");
        timeline.refunds.push(Refund {
            payment_id: "pay_2".to_owned(),
            status: RefundStatus::Pending.into(),
            amount: amount("5.00"),
            ..Refund::default()
        });
        assert_eq!(judge(&order, &timeline)[0].rule, "everything comes to rest");
        timeline.refunds[0].status = RefundStatus::Succeeded.into();
        assert_eq!(judge(&order, &timeline), []);
    }
}
