//! Nobody takes what is not theirs any more, and what is owed goes back, whoever was stopped, fails or refuses.

use std::time::Duration;

use souk_proto::souk::orders::v1::GetTimelineRequest;
use tokio::time::sleep;
use tonic::Status;

use crate::catalog::{Fault, Rpc};
use crate::gate::Gate;
use crate::log::Log;
use crate::support::{Buyer, Shop, World, soon};

#[tokio::test]
async fn who_was_stopped_before_a_charge_and_has_lost_the_order_charges_nothing() {
    let world = World::new().await;
    let product = world.catalog.product("5.00", 10);
    let (stopped, other) = (world.shop().await, world.shop().await);
    let buyer = world.buyer();
    let order = stopped.order(&buyer, "key", &[(&product, 1)]).await.id;
    stopped.pay(&buyer, "first", &order, "late").await.unwrap();
    world.stock_is(&order, "held").await;
    // a worker stops between the pin and the charge
    let gate = Gate::new();
    world.catalog.once(Rpc::Pin, Fault::HoldAnswer(gate.clone()));
    let mut request = buyer.payment("second", &order, "ok");
    request.set_timeout(Duration::from_millis(700));
    stopped.payments().create_payment(request).await.unwrap();
    gate.arrived(1).await;
    // another finds that the first payment has succeeded, and gives the second one up
    world.test.sql("update sandbox_charges set charged_at = now()").await;
    world.test.sql("update payments set look_at = now() where look_at is not null").await;
    world.let_time_pass().await;
    other.work();
    let given_up = "payments where failure = 'superseded'";
    soon("given up", || async { world.test.count(given_up).await == 1 }).await;
    // for longer than its claim is taken for good unasked, and less than it waits for the catalog
    sleep(Duration::from_millis(2500)).await;
    gate.open();
    sleep(Duration::from_secs(1)).await;
    assert_eq!(world.charges(&order).await, (1, 0));
    assert_eq!(world.state(&order).await, "paid");
    world.audit().await;
}

/// An order whose payment nobody has confirmed in time, and which was cancelled then.
async fn given_up(world: &World, shop: &Shop, buyer: &Buyer) -> String {
    let product = world.catalog.product("5.00", 10);
    let order = shop.order(buyer, "key", &[(&product, 1)]).await.id;
    shop.pay(buyer, "pay", &order, "confirm").await.unwrap();
    let too_late =
        "update payments set look_at = now(), created_at = now() - interval '16 minutes'";
    world.test.sql(too_late).await;
    world.let_time_pass().await;
    world.becomes(&order, "payment_failed").await;
    shop.cancel(buyer, &order).await.unwrap();
    order
}

/// Lets the next look at a payment come, so long after it was given up, and waits for it.
async fn look_after(world: &World, minutes: u32) {
    let later = format!(
        "update payments set look_at = now(), updated_at = now() - interval '{minutes} minutes'
         where look_at is not null"
    );
    world.test.sql(&later).await;
    world.let_time_pass().await;
    let due = || async { world.test.count("payments where look_at <= now()").await == 0 };
    soon("a look", due).await;
}

#[tokio::test]
async fn money_that_moves_long_after_its_payment_was_given_up_goes_back() {
    let world = World::new().await;
    let shop = world.working_shop().await;
    let order = given_up(&world, &shop, &world.buyer()).await;
    for minutes in [2, 10] {
        look_after(&world, minutes).await;
    }
    // who was stopped in the middle of the call goes on
    world.test.sql("update sandbox_charges set charged_at = now()").await;
    look_after(&world, 40).await;
    soon("the money goes back", || async { world.charges(&order).await == (1, 1) }).await;
    world.settles().await;
    assert_eq!(world.state(&order).await, "cancelled");
    world.audit().await;
    world.audit_stock().await;
}

#[tokio::test]
async fn a_payment_that_was_given_up_is_looked_at_for_three_hours() {
    let world = World::new().await;
    let shop = world.working_shop().await;
    let order = given_up(&world, &shop, &world.buyer()).await;
    for minutes in [2, 10, 60] {
        look_after(&world, minutes).await;
        assert_eq!(world.test.count("payments where look_at > now()").await, 1);
    }
    look_after(&world, 190).await;
    world.let_time_pass().await;
    world.settles().await;
    assert_eq!(world.test.count("payments where look_at is not null").await, 0);
    assert_eq!(world.charges(&order).await, (0, 0));
    world.audit().await;
}

#[tokio::test]
async fn money_that_a_bank_does_not_take_back_is_told_of_and_tried_again() {
    let world = World::new().await;
    let product = world.catalog.product("5.00", 10);
    let shop = world.working_shop().await;
    let (buyer, log) = (world.buyer(), Log::begin());
    let order = shop.order(&buyer, "key", &[(&product, 1)]).await.id;
    // the bank says it never had so much
    world
        .test
        .sql(
            "create function have_less() returns trigger language plpgsql as
                 'begin new.amount_minor := 1; return new; end';
             create trigger have_less before insert on sandbox_charges
                 for each row execute function have_less()",
        )
        .await;
    shop.pay(&buyer, "pay", &order, "twice").await.unwrap();
    let refused = "refunds where state = 'failed'";
    soon("refused", || async { world.test.count(refused).await == 1 }).await;
    let surplus = shop.payments_of(&buyer, &order).await.swap_remove(1);
    let told = log.errors("a provider refuses to give money back");
    assert_eq!(told.len(), 1);
    assert!(told[0].contains(&order) && told[0].contains(&surplus.id), "{told:?}");
    let request = GetTimelineRequest { id: order.clone() };
    let timeline = shop.client().get_timeline(world.staff().sign(request)).await.unwrap();
    let changes = timeline.into_inner().changes;
    let told = changes.iter().find(|change| change.action == "order.fail_refund");
    assert_eq!(told.unwrap().reason, "more_than_charged");
    // and when it does, nobody has to ask for it
    world.test.sql("update sandbox_charges set amount_minor = 500").await;
    world.test.sql("update refunds set look_at = now() where state = 'pending'").await;
    world.let_time_pass().await;
    soon("it goes back", || async { world.charges(&order).await == (2, 1) }).await;
    world.settles().await;
    world.audit().await;
}

#[tokio::test]
async fn money_goes_back_though_the_catalog_refuses_what_is_to_be_done_about_the_stock() {
    let world = World::new().await;
    let product = world.catalog.product("5.00", 10);
    let shop = world.working_shop().await;
    let (buyer, staff, log) = (world.buyer(), world.staff(), Log::begin());
    let refused = Fault::Fail(Status::failed_precondition("the reservation has ended"));
    for rpc in [Rpc::Commit, Rpc::Return] {
        world.catalog.always(rpc, refused.clone());
        let key = format!("{rpc:?}");
        let order = shop.paid_order(&buyer, &key, &[(&product, 1)]).await.id;
        shop.refund(&staff, &format!("{key}-part"), &order, Some("1.00")).await.unwrap();
        world.becomes(&order, "partially_refunded").await;
        shop.refund(&staff, &format!("{key}-rest"), &order, None).await.unwrap();
        world.becomes(&order, "refunded").await;
        assert_eq!(world.charges(&order).await, (1, 2));
        let told = log.errors("a step fails until somebody mends it");
        assert!(told.iter().any(|line| line.contains(&order)), "{told:?}");
        world.catalog.heal();
        world.let_time_pass().await;
        world.stock_is(&order, "back").await;
    }
    world.settles().await;
    assert_eq!(world.catalog.stock(&product), (10, 0));
    world.audit().await;
    world.audit_stock().await;
}

#[tokio::test]
async fn stock_goes_back_though_the_provider_does_not_say_what_has_become_of_the_money() {
    let world = World::new().await;
    let product = world.catalog.product("5.00", 10);
    let shop = world.working_shop().await;
    let buyer = world.buyer();
    let order = shop.order(&buyer, "key", &[(&product, 1)]).await.id;
    shop.pay(&buyer, "pay", &order, "late").await.unwrap();
    world.stock_is(&order, "held").await;
    world.test.sql("alter table sandbox_charges rename to away").await;
    world.test.sql("update payments set look_at = now() where look_at is not null").await;
    world.let_reservations_end().await;
    world.becomes(&order, "expired").await;
    world.stock_is(&order, "back").await;
    // and when it does, the money pays for stock that is still there
    world.test.sql("alter table away rename to sandbox_charges").await;
    world.becomes(&order, "paid").await;
    world.settles().await;
    world.audit().await;
    world.audit_stock().await;
}

#[tokio::test]
async fn what_a_provider_that_is_gone_would_have_to_say_is_asked_for_with_long_pauses() {
    let world = World::new().await;
    let product = world.catalog.product("5.00", 10);
    let (before, after) = (world.shop().await, world.shop_without_sandbox().await);
    let (buyer, log) = (world.buyer(), Log::begin());
    let order = before.order(&buyer, "key", &[(&product, 1)]).await.id;
    before.pay(&buyer, "pay", &order, "late").await.unwrap();
    world.stock_is(&order, "held").await;
    world.test.sql("update payments set look_at = now() where look_at is not null").await;
    world.let_reservations_end().await;
    // what was tried often
    world.test.sql("update orders set attempts = 20").await;
    after.work();
    // which keeps nobody's stock
    world.becomes(&order, "expired").await;
    world.stock_is(&order, "back").await;
    world.test.sql("update orders set attempts = 20, due_at = now()").await;
    let waits = "orders where due_at > now() + interval '20 minutes'";
    soon("a long pause", || async { world.test.count(waits).await == 1 }).await;
    assert!(log.errors("a step fails until somebody mends it")[0].contains(&order));
    // until there is one again
    before.work();
    world.let_time_pass().await;
    world.becomes(&order, "paid").await;
    world.audit().await;
}

#[tokio::test]
async fn a_look_that_is_due_soon_waits_for_no_long_pause_of_what_fails() {
    let world = World::new().await;
    let product = world.catalog.product("5.00", 10);
    let shop = world.shop().await;
    let buyer = world.buyer();
    let order = shop.order(&buyer, "key", &[(&product, 1)]).await.id;
    // it fails, and succeeds three seconds later, of which the bank tells who looks
    shop.pay(&buyer, "pay", &order, "late").await.unwrap();
    world.stock_is(&order, "held").await;
    world.catalog.always(Rpc::Release, Fault::Fail(Status::failed_precondition("no")));
    // who does not wait for the stock, which does not go back
    let mut cancellation = buyer.cancellation(&order);
    cancellation.set_timeout(Duration::from_millis(700));
    shop.client().cancel_order(cancellation).await.unwrap();
    world.test.sql("update payments set look_at = now() + interval '4 seconds'").await;
    // what was tried often, and has the longest pause
    world.test.sql("update orders set attempts = 20, due_at = now()").await;
    shop.work();
    soon("the money goes back", || async { world.charges(&order).await == (1, 1) }).await;
    world.catalog.heal();
    world.let_time_pass().await;
    world.stock_is(&order, "back").await;
    world.audit().await;
}
