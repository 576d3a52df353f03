//! What has happened to an order, and which orders there are.

use souk_proto::souk::orders::v1::{
    GetTimelineRequest, ListOrdersRequest, OrderStatus, Timeline, TimelineChange, TimelineStockMove,
};
use tonic::{Code, Status};

use crate::catalog::{Fault, Rpc};
use crate::gate::Gate;
use crate::support::{Buyer, Shop, World};

async fn timeline(shop: &Shop, buyer: &Buyer, order: &str) -> Timeline {
    let request = buyer.sign(GetTimelineRequest { id: order.to_owned() });
    shop.client().get_timeline(request).await.unwrap().into_inner()
}

fn told(change: &TimelineChange) -> (&str, &str) {
    (&change.action, &change.status)
}

#[tokio::test]
async fn the_timeline_of_an_order_tells_who_did_what_and_why() {
    let world = World::new().await;
    let product = world.catalog.product("5.00", 10);
    let shop = world.working_shop().await;
    let (buyer, staff) = (world.buyer(), world.staff());
    let order = shop.order(&buyer, "key", &[(&product, 2)]).await.id;
    shop.pay(&buyer, "first", &order, "declined").await.unwrap();
    shop.pay(&buyer, "second", &order, "ok").await.unwrap();
    shop.ship(&staff, "send", &order).await.unwrap();
    shop.refund(&staff, "part", &order, Some("1.00")).await.unwrap();
    world.becomes(&order, "partially_refunded").await;

    for reader in [&buyer, &staff] {
        let timeline = timeline(&shop, reader, &order).await;
        let changes: Vec<(&str, &str)> = timeline.changes.iter().map(told).collect();
        assert_eq!(
            changes,
            [
                ("order.create", "pending"),
                ("order.reserve", "reserved"),
                ("order.pay", "paying"),
                ("order.decline", "payment_failed"),
                ("order.pay", "paying"),
                ("order.collect", "paid"),
                ("order.fulfill", "fulfilled"),
                ("order.begin_refund", "fulfilled"),
                ("order.refund_part", "partially_refunded"),
            ]
        );
        let by = |place: usize| timeline.changes[place].actor.as_str();
        assert_eq!((by(0), by(1)), (buyer.id.to_string().as_str(), "orders"));
        // who works there is nothing for customers
        let sender = if reader.id == staff.id { staff.id.to_string() } else { "staff".to_owned() };
        assert_eq!(by(6), sender);
        assert_eq!(timeline.changes[3].reason, "card_declined");
        assert_eq!(timeline.changes[7].reason, "asked for");
        assert_eq!((timeline.payments.len(), timeline.refunds.len()), (2, 1));
        assert_eq!(timeline.shipments.len(), 1);
    }
    let stranger = world.buyer().sign(GetTimelineRequest { id: order });
    assert_eq!(shop.client().get_timeline(stranger).await.unwrap_err().code(), Code::NotFound);
}

#[tokio::test]
async fn the_shop_sees_what_has_moved_in_stock_for_an_order_and_customers_do_not() {
    let world = World::new().await;
    let product = world.catalog.product("5.00", 10);
    let shop = world.working_shop().await;
    let (buyer, staff) = (world.buyer(), world.staff());
    let order = shop.paid_order(&buyer, "key", &[(&product, 2)]).await.id;
    world.stock_is(&order, "committed").await;
    shop.order(&buyer, "other", &[(&product, 1)]).await;

    let seen = timeline(&shop, &staff, &order).await;
    let told = |moved: &TimelineStockMove| (moved.kind.clone(), moved.available, moved.reserved);
    let moves: Vec<_> = seen.stock_moves.iter().map(told).collect();
    assert_eq!(moves, [("reserve".to_owned(), -2, 2), ("commit".to_owned(), 0, -2)]);
    assert!(seen.stock_moves.iter().all(|moved| moved.product_id == product));
    assert!(!seen.stock_moves_unavailable);
    let seen = timeline(&shop, &buyer, &order).await;
    assert!(seen.stock_moves.is_empty() && !seen.stock_moves_unavailable);
}

#[tokio::test]
async fn without_the_catalog_a_timeline_says_what_it_lacks_and_has_the_rest() {
    let world = World::new().await;
    let product = world.catalog.product("5.00", 10);
    let shop = world.working_shop().await;
    let staff = world.staff();
    let order = shop.paid_order(&world.buyer(), "key", &[(&product, 2)]).await.id;
    world.stock_is(&order, "committed").await;
    let down = Fault::Fail(Status::unavailable("it is down"));
    for fault in [down, Fault::Hold(Gate::new())] {
        world.catalog.once(Rpc::Moves, fault);
        let seen = timeline(&shop, &staff, &order).await;
        assert!(seen.stock_moves_unavailable && seen.stock_moves.is_empty());
        assert_eq!((seen.changes.len(), seen.payments.len()), (4, 1));
    }
    assert_eq!(timeline(&shop, &staff, &order).await.stock_moves.len(), 2);
}

async fn listed(shop: &Shop, buyer: &Buyer, request: ListOrdersRequest) -> Vec<String> {
    let mut ids = Vec::new();
    let mut cursor = String::new();
    loop {
        let request = ListOrdersRequest { size: Some(2), cursor, ..request.clone() };
        let page = shop.client().list_orders(buyer.sign(request)).await.unwrap().into_inner();
        ids.extend(page.data.into_iter().map(|order| order.id));
        match page.pagination.unwrap().next_cursor {
            Some(next) => cursor = next,
            None => return ids,
        }
    }
}

#[tokio::test]
async fn orders_are_found_by_state_date_product_and_customer() {
    let world = World::new().await;
    let (cup, pot) = (world.catalog.product("5.00", 100), world.catalog.product("9.00", 100));
    let shop = world.working_shop().await;
    let (ada, grace, staff) = (world.buyer(), world.buyer(), world.staff());
    let mut mine = Vec::new();
    for number in 0..5 {
        let product = if number % 2 == 0 { &cup } else { &pot };
        mine.push(shop.order(&ada, &format!("key-{number}"), &[(product, 1)]).await);
    }
    let theirs = shop.order(&grace, "key", &[(&cup, 1)]).await;
    shop.pay(&ada, "pay", &mine[0].id, "ok").await.unwrap();
    mine.reverse();
    let ids = |places: &[usize]| -> Vec<String> {
        places.iter().map(|place| mine[*place].id.clone()).collect()
    };
    let all = ListOrdersRequest::default();

    let paid = ListOrdersRequest { status: Some(OrderStatus::Paid.into()), ..all.clone() };
    assert_eq!(listed(&shop, &ada, paid.clone()).await, ids(&[4]));
    assert_eq!(listed(&shop, &staff, paid).await, ids(&[4]));
    let cups = ListOrdersRequest { product_id: Some(cup), ..all.clone() };
    assert_eq!(listed(&shop, &ada, cups.clone()).await, ids(&[0, 2, 4]));
    assert_eq!(listed(&shop, &staff, cups).await.len(), 4);
    let hers = ListOrdersRequest { customer_id: Some(grace.id.to_string()), ..all.clone() };
    assert_eq!(listed(&shop, &staff, hers.clone()).await, [theirs.id]);
    let refused = shop.client().list_orders(ada.sign(hers)).await.unwrap_err();
    assert_eq!(refused.code(), Code::PermissionDenied);
    let (after, before) = (mine[3].created_at, mine[1].created_at);
    let between = ListOrdersRequest { created_after: after, created_before: before, ..all };
    assert_eq!(listed(&shop, &ada, between).await, ids(&[2, 3]));
}
