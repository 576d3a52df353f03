//! Rows of another release: this one leaves them alone, and they are nobody else's misfortune.

use souk_proto::souk::orders::v1::{ListOrdersRequest, ListOrdersResponse, OrderStatus};

use crate::support::{Buyer, Shop, World, reason, uuid};

async fn list(shop: &Shop, buyer: &Buyer, request: ListOrdersRequest) -> ListOrdersResponse {
    shop.client().list_orders(buyer.sign(request)).await.unwrap().into_inner()
}

/// The orders of a list, page by page.
async fn listed(shop: &Shop, buyer: &Buyer, size: i32) -> Vec<String> {
    let (mut orders, mut cursor) = (Vec::new(), String::new());
    loop {
        let request =
            ListOrdersRequest { size: Some(size), cursor, ..ListOrdersRequest::default() };
        let page = list(shop, buyer, request).await;
        orders.extend(page.data.into_iter().map(|order| order.id));
        match page.pagination.unwrap().next_cursor {
            Some(next) => cursor = next,
            None => return orders,
        }
    }
}

#[tokio::test]
async fn an_order_in_a_state_of_a_later_release_is_left_alone_and_can_be_read() {
    let world = World::new().await;
    let product = world.catalog.product("5.00", 10);
    let shop = world.shop().await;
    let buyer = world.buyer();
    let later = shop.order(&buyer, "later", &[(&product, 1)]).await;
    let ours = shop.order(&buyer, "ours", &[(&product, 1)]).await;
    let id = uuid(&later.id);
    world
        .test
        .sql(&format!(
            "update orders set state = 'on_its_way', version = version + 1 where id = '{id}'"
        ))
        .await;
    let before: String =
        world.test.ask(&format!("select orders::text from orders where id = '{id}'")).await;
    world.test.sql("update orders set due_at = now() - interval '1 hour'").await;
    world.let_reservations_end().await;
    shop.work();
    // its neighbour is carried
    world.becomes(&ours.id, "expired").await;
    world.settles().await;
    shop.rest().await;
    let row = format!("select orders::text from orders where id = '{id}'");
    world.test.sql("update orders set due_at = reserved_until where state = 'on_its_way'").await;
    assert_eq!(world.test.ask::<String>(&row).await, before);

    let read = shop.get(&buyer, &later.id).await.unwrap();
    assert_eq!(read.status(), OrderStatus::Unspecified);
    assert_eq!((&read.items, read.expires_at), (&later.items, None));
    assert_eq!(listed(&shop, &buyer, 100).await, [ours.id, later.id.clone()]);
    let refused = shop.cancel(&buyer, &later.id).await.unwrap_err();
    assert_eq!(reason(&refused), "ILLEGAL_TRANSITION");
    assert_eq!(world.test.ask::<String>(&row).await, before);
    // its first answer is what it was
    assert_eq!(shop.order(&buyer, "later", &[(&product, 1)]).await, later);
}

#[tokio::test]
async fn an_order_that_cannot_be_read_does_not_take_the_others_with_it() {
    const ORDERS: usize = 12;
    let world = World::new().await;
    let product = world.catalog.product("5.00", 100);
    let shop = world.shop().await;
    let buyer = world.buyer();
    let mut orders = Vec::new();
    for number in 0..ORDERS {
        orders.push(shop.order(&buyer, &format!("key-{number}"), &[(&product, 1)]).await.id);
    }
    // newest first
    orders.reverse();
    for broken in [1, 4, 5, 6, 11] {
        let id = uuid(&orders[broken]);
        world.test.sql(&format!("update orders set currency = 'ZZZ' where id = '{id}'")).await;
    }
    let readable: Vec<String> = [0, 2, 3, 7, 8, 9, 10].map(|place| orders[place].clone()).into();
    for size in [1, 2, 3, 5, 100] {
        assert_eq!(listed(&shop, &buyer, size).await, readable, "pages of {size}");
    }
    let mut by_number = Vec::new();
    for page in 1..=4 {
        let request = ListOrdersRequest { size: Some(3), page: Some(page), ..Default::default() };
        by_number.extend(list(&shop, &buyer, request).await.data.into_iter().map(|order| order.id));
    }
    assert_eq!(by_number, readable);

    // and the saga carries the others
    world.let_reservations_end().await;
    shop.work();
    let expired = i64::try_from(readable.len()).unwrap();
    world.all_become("expired", expired).await;
    for order in &readable {
        assert_eq!(world.state(order).await, "expired");
    }
}

#[tokio::test]
async fn an_order_with_a_line_that_cannot_be_read_does_not_either() {
    let world = World::new().await;
    let product = world.catalog.product("5.00", 100);
    let shop = world.shop().await;
    let buyer = world.buyer();
    let broken = shop.order(&buyer, "broken", &[(&product, 2)]).await.id;
    let whole = shop.order(&buyer, "whole", &[(&product, 2)]).await.id;
    let id = uuid(&broken);
    // an amount that no message can say
    let most = i64::MAX;
    let break_it =
        format!("update order_lines set unit_price_minor = {most} where order_id = '{id}'");
    world.test.sql(&break_it).await;
    assert_eq!(reason(&shop.get(&buyer, &broken).await.unwrap_err()), "INTERNAL");
    assert_eq!(shop.get(&buyer, &whole).await.unwrap().id, whole);
    assert_eq!(listed(&shop, &buyer, 100).await, [whole]);
}
