//! Nobody takes what is not theirs any more, and what is owed goes back, whoever was stopped, fails or refuses.

use std::time::Duration;

use tokio::time::sleep;

use crate::catalog::{Fault, Rpc};
use crate::gate::Gate;
use crate::support::{World, soon};

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
