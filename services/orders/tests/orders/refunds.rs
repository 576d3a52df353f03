//! Money goes back: never more than there was, and to the end.

use futures::future::join_all;
use souk_proto::souk::catalog::v2::ReservationStatus;
use souk_proto::souk::orders::v1::{ListRefundsRequest, OrderStatus, RefundStatus};
use tonic::Code;

use crate::support::{World, is_replayed, reason, uuid};

#[tokio::test]
async fn a_refund_of_everything_brings_the_stock_back() {
    let world = World::new().await;
    let product = world.catalog.product("50.00", 10);
    let shop = world.working_shop().await;
    let (buyer, staff) = (world.buyer(), world.staff());
    let order = shop.paid_order(&buyer, "key", &[(&product, 2)]).await.id;
    let refund = shop.refund(&staff, "back", &order, None).await.unwrap().into_inner();
    assert_eq!(refund.status(), RefundStatus::Pending);
    assert_eq!(refund.amount.as_ref().unwrap().value, "100.00");
    world.becomes(&order, "refunded").await;
    world.settles().await;
    assert_eq!(world.catalog.stock(&product), (10, 0));
    assert_eq!(world.catalog.reservation(&order), Some(ReservationStatus::Returned));
    assert_eq!(world.charges(&order).await, (1, 1));
    let refunded = shop.get(&buyer, &order).await.unwrap();
    assert_eq!(refunded.amount_refunded.unwrap().value, "100.00");
    let read = shop.refunds_of(&buyer, &order).await;
    assert_eq!((read.len(), read[0].status()), (1, RefundStatus::Succeeded));
    world.audit().await;
    world.audit_stock().await;
}

#[tokio::test]
async fn a_part_goes_back_and_then_the_rest() {
    let world = World::new().await;
    let product = world.catalog.product("100.00", 10);
    let shop = world.working_shop().await;
    let (buyer, staff) = (world.buyer(), world.staff());
    let order = shop.paid_order(&buyer, "key", &[(&product, 1)]).await.id;
    shop.refund(&staff, "part", &order, Some("30.50")).await.unwrap();
    world.becomes(&order, "partially_refunded").await;
    let refused = shop.refund(&staff, "much", &order, Some("69.51")).await.unwrap_err();
    assert_eq!(
        (refused.code(), reason(&refused)),
        (Code::FailedPrecondition, "REFUND_TOO_LARGE".into())
    );
    let rest = shop.refund(&staff, "rest", &order, None).await.unwrap().into_inner();
    assert_eq!(rest.amount.unwrap().value, "69.50");
    world.becomes(&order, "refunded").await;
    world.settles().await;
    world.audit().await;
    world.audit_stock().await;
}

#[tokio::test]
async fn of_many_refunds_at_once_no_more_goes_back_than_there_was() {
    let world = World::new().await;
    let product = world.catalog.product("100.00", 10);
    let (one, two) = (world.working_shop().await, world.working_shop().await);
    let (buyer, staff) = (world.buyer(), world.staff());
    for round in 0..4 {
        let order = one.paid_order(&buyer, &format!("key-{round}"), &[(&product, 1)]).await.id;
        let refunds = (0..6).map(|number| {
            let shop = if number % 2 == 0 { &one } else { &two };
            let (staff, order, key) = (&staff, order.clone(), format!("{round}-{number}"));
            async move { shop.refund(staff, &key, &order, Some("60.00")).await }
        });
        let answers = join_all(refunds).await;
        assert_eq!(answers.iter().filter(|answer| answer.is_ok()).count(), 1);
        for refused in answers.into_iter().filter_map(Result::err) {
            assert_eq!(reason(&refused), "REFUND_TOO_LARGE");
        }
        world.becomes(&order, "partially_refunded").await;
    }
    world.settles().await;
    world.audit().await;
}

#[tokio::test]
async fn the_database_itself_refuses_what_is_too_much() {
    let world = World::new().await;
    let product = world.catalog.product("100.00", 10);
    let shop = world.working_shop().await;
    let buyer = world.buyer();
    let order = shop.paid_order(&buyer, "key", &[(&product, 1)]).await.id;
    let insert = |amount: i64| {
        format!(
            "insert into refunds (id, order_id, customer_id, payment_id, state, amount_minor, currency,
                 reason, created_at, updated_at)
             select gen_random_uuid(), order_id, customer_id, id, 'pending', {amount}, 'USD', '', now(),
                 now()
             from payments where order_id = '{}'",
            uuid(&order)
        )
    };
    let pool = &world.test.pool;
    let sql = |amount| sqlx::AssertSqlSafe(insert(amount));
    sqlx::query(sql(6_000)).execute(pool).await.unwrap();
    let refused = sqlx::query(sql(4_001)).execute(pool).await.unwrap_err();
    assert_eq!(souk_db::constraint(&refused), Some("payments_refunded_at_most_charged"));
    sqlx::query(sql(4_000)).execute(pool).await.unwrap();
}

#[tokio::test]
async fn a_retry_with_the_same_key_refunds_once() {
    let world = World::new().await;
    let product = world.catalog.product("100.00", 10);
    let shop = world.working_shop().await;
    let (buyer, staff) = (world.buyer(), world.staff());
    let order = shop.paid_order(&buyer, "key", &[(&product, 1)]).await.id;
    let sends = (0..5).map(|_| shop.refund(&staff, "back", &order, Some("10.00")));
    let mut refunds = Vec::new();
    for answer in join_all(sends).await {
        refunds.push(answer.unwrap().into_inner());
    }
    let again = shop.refund(&staff, "back", &order, Some("10.00")).await.unwrap();
    assert!(is_replayed(again.metadata()));
    refunds.push(again.into_inner());
    assert!(refunds.iter().all(|refund| *refund == refunds[0]), "{refunds:?}");
    world.settles().await;
    assert_eq!(shop.refunds_of(&buyer, &order).await.len(), 1);
    let reused = shop.refund(&staff, "back", &order, Some("11.00")).await.unwrap_err();
    assert_eq!(reason(&reused), "IDEMPOTENCY_KEY_REUSED");
    world.audit().await;
}

#[tokio::test]
async fn what_was_sent_stays_with_the_customer() {
    let world = World::new().await;
    let product = world.catalog.product("5.00", 10);
    let shop = world.working_shop().await;
    let (buyer, staff) = (world.buyer(), world.staff());
    let order = shop.paid_order(&buyer, "key", &[(&product, 2)]).await.id;
    shop.ship(&staff, "send", &order).await.unwrap();
    shop.refund(&staff, "back", &order, None).await.unwrap();
    world.becomes(&order, "refunded").await;
    world.settles().await;
    assert_eq!(world.catalog.stock(&product), (8, 0));
    assert_eq!(world.catalog.reservation(&order), Some(ReservationStatus::Committed));
    world.audit().await;
}

#[tokio::test]
async fn a_refund_that_the_bank_refuses_leaves_the_money_where_it_is() {
    let world = World::new().await;
    let product = world.catalog.product("5.00", 10);
    let shop = world.working_shop().await;
    let (buyer, staff) = (world.buyer(), world.staff());
    let order = shop.paid_order(&buyer, "key", &[(&product, 2)]).await.id;
    // the bank says it never had so much
    world.test.sql("update sandbox_charges set amount_minor = 100").await;
    shop.refund(&staff, "back", &order, None).await.unwrap();
    world.settles().await;
    let has_failed =
        || async { shop.refunds_of(&buyer, &order).await[0].status() == RefundStatus::Failed };
    crate::support::soon("the refund fails", has_failed).await;
    let paid = shop.get(&buyer, &order).await.unwrap();
    assert_eq!(paid.status(), OrderStatus::Paid);
    // and can be asked for again
    world.test.sql("update sandbox_charges set amount_minor = 1000").await;
    shop.refund(&staff, "again", &order, None).await.unwrap();
    world.becomes(&order, "refunded").await;
    world.settles().await;
    world.audit().await;
}

#[tokio::test]
async fn only_staff_gives_money_back_and_only_what_was_paid() {
    let world = World::new().await;
    let product = world.catalog.product("5.00", 10);
    let shop = world.working_shop().await;
    let (buyer, staff) = (world.buyer(), world.staff());
    let order = shop.order(&buyer, "key", &[(&product, 2)]).await.id;
    let refused = shop.refund(&buyer, "mine", &order, None).await.unwrap_err();
    assert_eq!(refused.code(), Code::PermissionDenied);
    let unpaid = shop.refund(&staff, "unpaid", &order, None).await.unwrap_err();
    assert_eq!(reason(&unpaid), "ILLEGAL_TRANSITION");
    shop.pay(&buyer, "pay", &order, "ok").await.unwrap();
    for amount in ["0", "-1.00", "0.001", "1e2"] {
        let refused = shop.refund(&staff, "odd", &order, Some(amount)).await.unwrap_err();
        assert!(
            matches!(refused.code(), Code::InvalidArgument | Code::FailedPrecondition),
            "{amount}"
        );
    }
    let message = ListRefundsRequest { order_id: order.clone() };
    let stranger = shop.payments().list_refunds(world.buyer().sign(message)).await;
    assert_eq!(stranger.unwrap_err().code(), Code::NotFound);
    world.settles().await;
    world.audit().await;
}
