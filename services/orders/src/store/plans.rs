//! However many orders there are, a page of them costs a page: counted in rows that statements look at, under plans
//! that are made for any values.

use std::time::Duration;

use futures::FutureExt as _;
use souk_db::{Access, Database};
use souk_kit::id::{ProductId, UserId};
use souk_kit::page::Window;
use souk_testing::TestDatabase;
use sqlx::PgConnection;
use time::OffsetDateTime;
use uuid::Uuid;

use super::{events, listing};
use crate::MIGRATOR;
use crate::listing::Filters;
use crate::state::State;

/// One customer has every other order, and one product is in every third; a state and a product are only in the
/// oldest. One order a second.
const LOAD: &str = "
    create function place(kind int, n bigint) returns uuid language sql immutable as $$
        select (lpad(to_hex(1780000000000 + n * 1000), 12, '0') || '70008000'
            || lpad(to_hex(kind), 4, '0') || lpad(to_hex(n), 8, '0'))::uuid
    $$;
    insert into orders (id, customer_id, idempotency_key, fingerprint, state, total_minor, currency,
            request_id, created_at)
        select place(1, n), place(2, case when n % 2 = 0 then 0 else n % 1000 end), 'key-' || n, '',
            case when n <= 5 then 'payment_failed' when n % 10 < 2 then 'cancelled' else 'delivered' end,
            100, 'USD', 'req', to_timestamp(1780000000 + n)
        from generate_series(1::bigint, 20000) as n;
    insert into order_lines (order_id, position, product_id, name, unit_price_minor, quantity)
        select place(1, n), 0, place(3, case when n % 3 = 0 then 0 when n <= 10 then 1 else 1000 + n % 500 end),
            'A cup', 100, 1
        from generate_series(1::bigint, 20000) as n;
    analyze";

/// A quarter of the orders. Most statements look at some hundred rows.
const MOST_TOUCHED: i64 = 5_000;

fn place(kind: u128, number: u128) -> Uuid {
    let at = 1_780_000_000_000 + number * 1_000;
    Uuid::from_u128((at << 80) | (0x7000_8000 << 48) | (kind << 32) | number)
}

async fn loaded() -> (TestDatabase, Access) {
    let test = TestDatabase::new(&MIGRATOR).await;
    test.sql(LOAD).await;
    let database = Database::open(test.options.clone(), &MIGRATOR, 2).await.unwrap();
    let access = database.within(Duration::from_secs(60));
    (test, access)
}

/// How many rows and entries of indexes the connection has looked at since some time.
async fn touched(connection: &mut PgConnection) -> i64 {
    let sum = "select sum(pg_stat_get_xact_tuples_returned(oid))::bigint from pg_class
        where relname ~ '^(orders|order_lines|outbox)' and relkind in ('r', 'i')";
    sqlx::query_scalar(sum).fetch_one(connection).await.unwrap()
}

/// Each filter with each other. What is in a list that is counted first is there often enough to fill a page.
fn filters() -> Vec<Filters> {
    let customers = [None, Some(place(2, 0)), Some(place(2, 7))];
    let products = [None, Some(place(3, 0)), Some(place(3, 1)), Some(place(3, 1001))];
    let states = [None, Some(State::Delivered), Some(State::Cancelled), Some(State::PaymentFailed)];
    let at = |second: i64| OffsetDateTime::from_unix_timestamp(1_780_000_000 + second).ok();
    // all, an hour in the middle, and all
    let hours = [(None, None), (at(10_000), at(13_600)), (at(0), None)];
    let mut filters = Vec::new();
    for customer in customers {
        for product in products {
            for state in states {
                for (created_after, created_before) in hours {
                    filters.push(Filters {
                        customer: customer.map(UserId::from_uuid),
                        state,
                        created_after,
                        created_before,
                        product: product.map(ProductId::from_uuid),
                    });
                }
            }
        }
    }
    filters
}

#[tokio::test]
async fn a_page_of_a_list_costs_a_page_whatever_its_filters() {
    let (_test, access) = loaded().await;
    let window = Window { after: None, offset: 0, limit: 21 };
    for filters in filters() {
        let what = format!("{filters:?}");
        let read = access.transaction(move |transaction| {
            async move {
                let before = touched(transaction).await;
                let (rows, _) = listing::found(transaction, &filters, window, None).await?;
                Ok::<_, sqlx::Error>((rows.len(), touched(transaction).await - before))
            }
            .boxed()
        });
        let (rows, touched) = read.await.unwrap();
        assert!(touched < MOST_TOUCHED, "{touched} looked at for {rows}: {what}");
    }
}

#[tokio::test]
async fn a_page_of_the_newest_costs_a_page_whoever_asks() {
    let (_test, access) = loaded().await;
    let window = Window { after: None, offset: 0, limit: 21 };
    // one with every other order, one with some, and one with none
    for customer in [None, Some(0), Some(7), Some(20_001)] {
        let read = access.transaction(move |transaction| {
            async move {
                let customer = customer.map(|number| UserId::from_uuid(place(2, number)));
                let before = touched(transaction).await;
                let rows = listing::newest(&mut *transaction, customer, window).await?;
                Ok::<_, sqlx::Error>((rows.len(), touched(transaction).await - before))
            }
            .boxed()
        });
        let (rows, touched) = read.await.unwrap();
        assert!(touched < 200, "{touched} looked at for {rows}: {customer:?}");
    }
}

#[tokio::test]
async fn to_count_a_list_costs_no_more_than_is_counted() {
    let (_test, access) = loaded().await;
    let window = Window { after: None, offset: 0, limit: 21 };
    let product = |number| Some(ProductId::from_uuid(place(3, number)));
    let all = Filters::default;
    for (filters, counted) in [
        (Filters { state: Some(State::Delivered), ..all() }, 1_001),
        (Filters { state: Some(State::PaymentFailed), ..all() }, 5),
        (Filters { product: product(0), ..all() }, 1_001),
        (Filters { product: product(1), ..all() }, 7),
    ] {
        let what = format!("{filters:?}");
        let read = access.transaction(move |transaction| {
            async move {
                let before = touched(transaction).await;
                let (_, count) = listing::found(transaction, &filters, window, Some(1_000)).await?;
                Ok::<_, sqlx::Error>((count, touched(transaction).await - before))
            }
            .boxed()
        });
        let (count, touched) = read.await.unwrap();
        assert_eq!(count, Some(counted), "{what}");
        assert!(touched < MOST_TOUCHED, "{touched} looked at: {what}");
    }
}

/// An event of each order; of those of one customer, only of the last.
const EVENTS: &str = "
    insert into outbox (event_id, subject, sequence, kind, payload)
        select gen_random_uuid(), place(1, n), 1, 'order.paid', convert_to(repeat('x', 300), 'UTF8')
        from generate_series(1::bigint, 20000) as n where n % 1000 <> 7 or n = 19007;
    select place_events(30000);
    analyze outbox";

#[tokio::test]
async fn a_page_of_a_replay_costs_a_page_whoever_follows() {
    let (test, access) = loaded().await;
    test.sql(EVENTS).await;
    for (customer, after, expected) in [(0, 0, 16), (0, 15_000, 16), (7, 0, 1)] {
        let read = access.transaction(move |transaction| {
            async move {
                let before = touched(transaction).await;
                let page: Vec<events::Kept> = sqlx::query_as(events::OF_CUSTOMER)
                    .bind(place(2, customer))
                    .bind(after)
                    .bind(events::PAGE)
                    .fetch_all(&mut *transaction)
                    .await?;
                Ok::<_, sqlx::Error>((page.len(), touched(transaction).await - before))
            }
            .boxed()
        });
        let (events, touched) = read.await.unwrap();
        assert_eq!(events, expected, "of {customer} after {after}");
        assert!(touched <= 32, "{touched} looked at: of {customer} after {after}");
    }
}
