//! Money that comes after its payment had failed.

use souk_proto::souk::orders::v1::{OrderStatus, PaymentStatus};

use crate::support::{World, soon};

#[tokio::test]
async fn money_that_comes_late_pays_for_stock_that_is_still_there() {
    let world = World::new().await;
    let product = world.catalog.product("5.00", 10);
    let shop = world.working_shop().await;
    let buyer = world.buyer();
    let order = shop.order(&buyer, "key", &[(&product, 2)]).await.id;
    let failed = shop.pay(&buyer, "pay", &order, "late").await.unwrap().into_inner();
    assert_eq!(failed.status(), PaymentStatus::Failed);
    world.let_reservations_end().await;
    world.becomes(&order, "expired").await;
    world.becomes(&order, "paid").await;
    world.settles().await;
    assert_eq!(world.catalog.stock(&product), (8, 0));
    assert_eq!(world.charges(&order).await, (1, 0));
    world.audit().await;
    world.audit_stock().await;
}

#[tokio::test]
async fn money_that_comes_too_late_goes_back() {
    let world = World::new().await;
    let product = world.catalog.product("5.00", 2);
    let shop = world.working_shop().await;
    let (buyer, other) = (world.buyer(), world.buyer());
    let order = shop.order(&buyer, "key", &[(&product, 2)]).await.id;
    shop.pay(&buyer, "pay", &order, "late").await.unwrap();
    world.let_reservations_end().await;
    world.becomes(&order, "expired").await;
    world.stock_is(&order, "back").await;
    shop.paid_order(&other, "key", &[(&product, 1)]).await;
    let is_back = || async { world.charges(&order).await == (1, 1) };
    soon("the money goes back", is_back).await;
    world.settles().await;
    assert_eq!(world.state(&order).await, "expired");
    assert_eq!(world.catalog.stock(&product), (1, 0));
    let payments = shop.payments_of(&buyer, &order).await;
    assert_eq!(payments[0].status(), PaymentStatus::Surplus);
    world.audit().await;
}

#[tokio::test]
async fn late_money_for_an_order_that_was_cancelled_goes_back() {
    let world = World::new().await;
    let product = world.catalog.product("5.00", 2);
    let shop = world.working_shop().await;
    let buyer = world.buyer();
    let order = shop.order(&buyer, "key", &[(&product, 2)]).await.id;
    shop.pay(&buyer, "pay", &order, "late").await.unwrap();
    let cancelled = shop.cancel(&buyer, &order).await.unwrap();
    assert_eq!(cancelled.status(), OrderStatus::Cancelled);
    let is_back = || async { world.charges(&order).await == (1, 1) };
    soon("the money goes back", is_back).await;
    world.settles().await;
    assert_eq!(world.state(&order).await, "cancelled");
    assert_eq!(world.catalog.stock(&product), (2, 0));
    world.audit().await;
    world.audit_stock().await;
}

#[tokio::test]
async fn late_money_beside_another_payment_goes_back() {
    let world = World::new().await;
    let product = world.catalog.product("5.00", 2);
    let shop = world.working_shop().await;
    let buyer = world.buyer();
    let order = shop.order(&buyer, "key", &[(&product, 2)]).await.id;
    shop.pay(&buyer, "first", &order, "late").await.unwrap();
    let paid = shop.pay(&buyer, "second", &order, "ok").await.unwrap().into_inner();
    assert_eq!(paid.status(), PaymentStatus::Succeeded);
    let is_back = || async { world.charges(&order).await == (2, 1) };
    soon("the money goes back", is_back).await;
    world.settles().await;
    assert_eq!(world.state(&order).await, "paid");
    world.audit().await;
    world.audit_stock().await;
}
