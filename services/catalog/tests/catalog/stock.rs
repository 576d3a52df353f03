//! Stock that is counted, set, watched and explained.

use souk_kit::id::{self, OrderId, kind};
use souk_proto::souk::catalog::v2::{
    GetStockRequest, ListOrderStockMovesRequest, ListStockMovesRequest, SetStockRequest, Stock,
    StockMoveKind, UpdateStockRequest,
};
use tonic::{Code, Response, Status};
use tonic_types::StatusExt as _;

use crate::support::{Shop, World, is_replayed, reason, sku};

async fn set(
    shop: &Shop,
    key: &str,
    product: &str,
    available: i32,
    expected: Option<i32>,
) -> Result<Response<Stock>, Status> {
    let (id, reason) = (product.to_owned(), "recount".to_owned());
    let message = SetStockRequest { id, available: Some(available), expected, reason };
    shop.client().set_stock(shop.keyed(key, message)).await
}

#[tokio::test]
async fn stock_is_set_while_it_is_what_is_expected_and_the_ledger_has_the_difference() {
    let world = World::new().await;
    let shop = world.shop().await;
    let product = shop.product(&sku(), 10).await.id;
    let order: OrderId = id::new();
    shop.reserve(order, &[(&product, 3)]).await.unwrap();
    let stock = set(&shop, "a", &product, 5, Some(7)).await.unwrap().into_inner();
    assert_eq!((stock.available, stock.reserved, stock.on_hand), (5, 3, 8));
    let refused = set(&shop, "b", &product, 9, Some(7)).await.unwrap_err();
    assert_eq!(
        (refused.code(), reason(&refused).as_str()),
        (Code::FailedPrecondition, "STOCK_MISMATCH")
    );
    assert_eq!(refused.get_details_error_info().unwrap().metadata["available"], "5");
    set(&shop, "c", &product, 0, None).await.unwrap();
    let refused = set(&shop, "d", &product, 1_000_000_000, None).await.unwrap_err();
    assert_eq!(reason(&refused), "INSUFFICIENT_STOCK", "what is reserved may come back");
    assert_eq!(world.stock(&product).await, (0, 3));
    let missing = id::new::<kind::Product>().to_string();
    assert_eq!(set(&shop, "e", &missing, 1, None).await.unwrap_err().code(), Code::NotFound);
    world.audit().await;
}

#[tokio::test]
async fn a_repeat_answers_the_same_and_sets_nothing_again() {
    let world = World::new().await;
    let shop = world.shop().await;
    let product = shop.product(&sku(), 10).await.id;
    let first = set(&shop, "key", &product, 4, Some(10)).await.unwrap();
    shop.adjust("other", &product, 5).await.unwrap();
    let again = set(&shop, "key", &product, 4, Some(10)).await.unwrap();
    assert!(!is_replayed(first.metadata()) && is_replayed(again.metadata()));
    assert_eq!(first.into_inner(), again.into_inner());
    assert_eq!(world.stock(&product).await, (9, 0));
    let keyless = SetStockRequest { id: product, ..SetStockRequest::default() };
    let refused = shop.client().set_stock(shop.admin(keyless)).await.unwrap_err();
    assert_eq!(reason(&refused), "IDEMPOTENCY_KEY_MISSING");
}

#[tokio::test]
async fn of_two_counts_of_the_same_stock_one_wins() {
    let world = World::new().await;
    let shop = world.shop().await;
    let product = shop.product(&sku(), 10).await.id;
    for round in 0..10 {
        let before = world.stock(&product).await.0;
        let (a, b) = (format!("a{round}"), format!("b{round}"));
        let (one, other) = tokio::join!(
            set(&shop, &a, &product, before + 1, Some(before)),
            set(&shop, &b, &product, before + 2, Some(before)),
        );
        assert!(one.is_ok() != other.is_ok(), "round {round}");
    }
    world.audit().await;
}

#[tokio::test]
async fn the_ledger_is_read_newest_first_and_in_pages() {
    let world = World::new().await;
    let shop = world.shop().await;
    let product = shop.product(&sku(), 10).await.id;
    let order: OrderId = id::new();
    shop.reserve(order, &[(&product, 3)]).await.unwrap();
    shop.commit(order).await.unwrap();
    set(&shop, "recount", &product, 5, None).await.unwrap();
    let list = async |cursor: String| {
        let request =
            ListStockMovesRequest { id: product.clone(), size: Some(3), cursor, page: None };
        shop.client().list_stock_moves(shop.admin(request)).await.unwrap().into_inner()
    };
    let first = list(String::new()).await;
    let kinds: Vec<StockMoveKind> = first.data.iter().map(|moved| moved.kind()).collect();
    assert_eq!(kinds, [StockMoveKind::Set, StockMoveKind::Commit, StockMoveKind::Reserve]);
    let units: Vec<_> = first.data.iter().map(|moved| (moved.available, moved.reserved)).collect();
    assert_eq!(units, [(-2, 0), (0, -3), (-3, 3)]);
    assert_eq!(first.data[0].reason, "recount");
    assert!(first.data[0].actor.starts_with("usr_"));
    assert_eq!(first.data[1].order_id, Some(order.to_string()));
    let pagination = first.pagination.unwrap();
    assert_eq!(pagination.total, 4);
    let rest = list(pagination.next_cursor.unwrap()).await;
    assert_eq!(rest.data[0].kind(), StockMoveKind::Create);
    assert!(!rest.pagination.unwrap().has_more);
}

#[tokio::test]
async fn what_has_moved_for_an_order_is_told_to_services() {
    let world = World::new().await;
    let shop = world.shop().await;
    let (cup, pot) = (shop.product(&sku(), 10).await.id, shop.product(&sku(), 10).await.id);
    let (order, other): (OrderId, OrderId) = (id::new(), id::new());
    shop.reserve(order, &[(&cup, 3), (&pot, 1)]).await.unwrap();
    shop.reserve(other, &[(&cup, 2)]).await.unwrap();
    shop.commit(order).await.unwrap();
    let ask = |order: OrderId| ListOrderStockMovesRequest { order_id: order.to_string() };
    let moves = shop.client().list_order_stock_moves(shop.warehouse(ask(order))).await.unwrap();
    let moves = moves.into_inner().data;
    let kinds: Vec<StockMoveKind> = moves.iter().map(|moved| moved.kind()).collect();
    let (reserve, commit) = (StockMoveKind::Reserve, StockMoveKind::Commit);
    assert_eq!(kinds, [reserve, reserve, commit, commit]);
    let of_cup = moves.iter().filter(|moved| moved.product_id == cup);
    let units: Vec<_> = of_cup.map(|moved| (moved.available, moved.reserved)).collect();
    assert_eq!(units, [(-3, 3), (0, -3)]);
    assert!(moves.iter().all(|moved| moved.order_id == Some(order.to_string())));

    let nothing = shop.client().list_order_stock_moves(shop.warehouse(ask(id::new()))).await;
    assert!(nothing.unwrap().into_inner().data.is_empty());
    let refused = shop.client().list_order_stock_moves(shop.admin(ask(order))).await.unwrap_err();
    assert_eq!(refused.code(), Code::PermissionDenied);
}

#[tokio::test]
async fn stock_that_becomes_low_is_told_once_until_there_is_more() {
    let world = World::new().await;
    let shop = world.shop().await;
    let product = shop.product(&sku(), 10).await.id;
    let (id, low_stock_threshold) = (product.clone(), Some(5));
    let message = UpdateStockRequest { id, low_stock_threshold, update_mask: None };
    let stock = shop.client().update_stock(shop.admin(message)).await.unwrap().into_inner();
    assert_eq!(stock.low_stock_threshold, Some(5));
    let told = async || {
        let told = "select count(*) from outbox where kind = 'stock_low'";
        sqlx::query_scalar::<_, i64>(told).fetch_one(&world.test.pool).await.unwrap()
    };
    shop.reserve(id::new(), &[(&product, 4)]).await.unwrap();
    assert_eq!(told().await, 0, "6 are left");
    let order: OrderId = id::new();
    shop.reserve(order, &[(&product, 1)]).await.unwrap();
    assert_eq!(told().await, 1, "5 are left");
    shop.reserve(id::new(), &[(&product, 1)]).await.unwrap();
    assert_eq!(told().await, 1, "it was low before");
    shop.adjust("delivery", &product, 10).await.unwrap();
    set(&shop, "loss", &product, 0, None).await.unwrap();
    assert_eq!(told().await, 2);

    let clear = UpdateStockRequest {
        id: product.clone(),
        low_stock_threshold: None,
        update_mask: Some(prost_types::FieldMask { paths: vec!["low_stock_threshold".into()] }),
    };
    shop.client().update_stock(shop.admin(clear)).await.unwrap();
    let get = shop.admin(GetStockRequest { id: product.clone() });
    let stock = shop.client().get_stock(get).await.unwrap().into_inner();
    assert_eq!((stock.available, stock.low_stock_threshold), (0, None));
    shop.adjust("more", &product, 1).await.unwrap();
    set(&shop, "none", &product, 0, None).await.unwrap();
    assert_eq!(told().await, 2);
}
