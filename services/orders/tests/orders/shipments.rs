//! Orders are sent once they are paid, and arrive.

use std::time::Duration;

use souk_proto::souk::catalog::v2::ReservationStatus;
use souk_proto::souk::orders::v1::{
    DeliverShipmentRequest, ListShipmentsRequest, OrderStatus, Shipment,
};
use sqlx::{AssertSqlSafe, ConnectOptions as _, Executor as _};
use tonic::{Code, Response, Status};

use crate::support::{Buyer, Shop, World, is_replayed, reason, uuid};

async fn deliver(
    shop: &Shop,
    staff: &Buyer,
    key: &str,
    shipment: &Shipment,
) -> Result<Response<Shipment>, Status> {
    let message =
        DeliverShipmentRequest { order_id: shipment.order_id.clone(), id: shipment.id.clone() };
    shop.shipments().deliver_shipment(staff.keyed(key, message)).await
}

#[tokio::test]
async fn a_paid_order_is_sent_and_arrives() {
    let world = World::new().await;
    let product = world.catalog.product("5.00", 10);
    let shop = world.working_shop().await;
    let (buyer, staff) = (world.buyer(), world.staff());
    let order = shop.order(&buyer, "key", &[(&product, 1)]).await.id;
    let unpaid = shop.ship(&staff, "early", &order).await.unwrap_err();
    assert_eq!(reason(&unpaid), "ILLEGAL_TRANSITION");
    shop.pay(&buyer, "pay", &order, "ok").await.unwrap();
    let sent = shop.ship(&staff, "send", &order).await.unwrap().into_inner();
    assert_eq!(sent.tracking_number, "42");
    assert_eq!(shop.get(&buyer, &order).await.unwrap().status(), OrderStatus::Fulfilled);
    let again = shop.ship(&staff, "send", &order).await.unwrap();
    assert!(is_replayed(again.metadata()));
    assert_eq!(again.into_inner(), sent);
    let twice = shop.ship(&staff, "twice", &order).await.unwrap_err();
    assert_eq!(reason(&twice), "ILLEGAL_TRANSITION");

    let arrived = deliver(&shop, &staff, "there", &sent).await.unwrap().into_inner();
    assert!(arrived.delivered_at.is_some());
    let again = deliver(&shop, &staff, "there", &sent).await.unwrap().into_inner();
    assert_eq!(again, arrived);
    assert_eq!(deliver(&shop, &staff, "still", &sent).await.unwrap().into_inner(), arrived);
    assert_eq!(shop.get(&buyer, &order).await.unwrap().status(), OrderStatus::Delivered);
    let request = buyer.sign(ListShipmentsRequest { order_id: order.clone() });
    let listed = shop.shipments().list_shipments(request).await.unwrap().into_inner().data;
    assert_eq!(listed, [arrived]);
    world.settles().await;
    world.audit().await;
    world.audit_stock().await;
}

#[tokio::test]
async fn an_order_that_is_sent_while_a_refund_reads_it_stays_with_the_customer() {
    let world = World::new().await;
    let product = world.catalog.product("5.00", 10);
    let shop = world.working_shop().await;
    let (buyer, staff) = (world.buyer(), world.staff());
    let order = shop.paid_order(&buyer, "key", &[(&product, 2)]).await.id;
    world.settles().await;
    // who reads the order now waits, and who reads what is beside it does not
    let mut sending = world.test.options.connect().await.unwrap();
    sending.execute("begin; lock table orders in access exclusive mode").await.unwrap();
    let send = async {
        tokio::time::sleep(Duration::from_millis(500)).await;
        let sent = format!(
            "insert into shipments values (gen_random_uuid(), '{id}', 'DHL', '42', now());
             update orders set state = 'fulfilled', version = version + 1, epoch = epoch + 1
             where id = '{id}'; commit",
            id = uuid(&order)
        );
        sending.execute(AssertSqlSafe(sent)).await.unwrap();
    };
    let (refund, ()) = tokio::join!(shop.refund(&staff, "back", &order, None), send);
    refund.unwrap();
    world.becomes(&order, "refunded").await;
    world.settles().await;
    assert_eq!(world.catalog.reservation(&order), Some(ReservationStatus::Committed));
}

#[tokio::test]
async fn an_order_of_which_a_part_went_back_is_sent_all_the_same() {
    let world = World::new().await;
    let product = world.catalog.product("5.00", 10);
    let shop = world.working_shop().await;
    let (buyer, staff) = (world.buyer(), world.staff());
    let order = shop.paid_order(&buyer, "key", &[(&product, 2)]).await.id;
    shop.refund(&staff, "part", &order, Some("1.00")).await.unwrap();
    world.becomes(&order, "partially_refunded").await;
    let sent = shop.ship(&staff, "send", &order).await.unwrap().into_inner();
    deliver(&shop, &staff, "there", &sent).await.unwrap();
    let order = shop.get(&buyer, &order).await.unwrap();
    assert_eq!(order.status(), OrderStatus::Delivered);
    assert_eq!(order.amount_refunded.unwrap().value, "1.00");
    world.settles().await;
    world.audit().await;
}

#[tokio::test]
async fn customers_do_not_send_their_orders() {
    let world = World::new().await;
    let product = world.catalog.product("5.00", 10);
    let shop = world.working_shop().await;
    let (buyer, staff) = (world.buyer(), world.staff());
    let order = shop.paid_order(&buyer, "key", &[(&product, 1)]).await.id;
    let refused = shop.ship(&buyer, "send", &order).await.unwrap_err();
    assert_eq!(refused.code(), Code::PermissionDenied);
    let sent = shop.ship(&staff, "send", &order).await.unwrap().into_inner();
    let refused = deliver(&shop, &buyer, "there", &sent).await.unwrap_err();
    assert_eq!(refused.code(), Code::PermissionDenied);
    // a shipment of another order is none of this one's
    let other = shop.paid_order(&buyer, "other", &[(&product, 1)]).await.id;
    let confused = Shipment { order_id: other, ..sent };
    let refused = deliver(&shop, &staff, "where", &confused).await.unwrap_err();
    assert_eq!(refused.code(), Code::NotFound);
}
