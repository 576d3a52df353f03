//! Stock: never oversold, and always what the ledger says.

use http::StatusCode;
use prost_reflect::prost_types::Duration;
use serde_json::json;
use souk_kit::id::{self, OrderId};
use souk_proto::souk::catalog::v1::{
    AdjustStockRequest, CommitStockRequest, GetProductRequest, Product, ReleaseStockRequest,
    Reservation, ReservationStatus, ReserveStockRequest, StockLine,
};
use tonic::Status;

use crate::support::{PATIENCE, Suite, assert_ledger, keyed, product, signed, unique};

/// The catalog as the orders service calls it.
struct Warehouse<'a> {
    suite: &'a Suite,
    token: String,
}

impl<'a> Warehouse<'a> {
    async fn of(suite: &'a Suite) -> Self {
        Self { suite, token: suite.service().await }
    }

    async fn reserve(
        &self,
        order: OrderId,
        lines: &[(&Product, i32)],
        seconds: i64,
    ) -> Result<Reservation, Status> {
        let line = |(product, quantity): &(&Product, i32)| StockLine {
            product_id: product.id.clone(),
            quantity: *quantity,
        };
        let request = ReserveStockRequest {
            order_id: order.to_string(),
            lines: lines.iter().map(line).collect(),
            ttl: Some(Duration { seconds, nanos: 0 }),
        };
        let reply = self.suite.catalog().reserve_stock(signed(&self.token, request)).await;
        reply.map(tonic::Response::into_inner)
    }

    async fn release(&self, order: OrderId) -> Result<ReservationStatus, Status> {
        let request = ReleaseStockRequest { order_id: order.to_string() };
        let reply = self.suite.catalog().release_stock(signed(&self.token, request)).await;
        reply.map(|reply| reply.into_inner().status())
    }

    async fn commit(&self, order: OrderId) -> Result<ReservationStatus, Status> {
        let request = CommitStockRequest { order_id: order.to_string() };
        let reply = self.suite.catalog().commit_stock(signed(&self.token, request)).await;
        reply.map(|reply| reply.into_inner().status())
    }

    async fn available(&self, product: &Product) -> i32 {
        let request = GetProductRequest { id: product.id.clone() };
        self.suite.catalog().get_product(request).await.unwrap().into_inner().available
    }
}

#[tokio::test]
async fn two_hundred_buyers_of_fifty_units_get_exactly_fifty() {
    let suite = Suite::start().await;
    let book = product(&suite, "HOT", "5.00", 50).await;
    let token = suite.user().await;
    let http = suite.http();
    let items = json!([{ "product_id": book.id, "quantity": 1 }]);
    let keys: Vec<String> = (0..200).map(|buyer| format!("buyer-{buyer}")).collect();
    let orders = keys.iter().map(|key| http.order(&token, key, &items));
    let (mut sold, mut refused) = (0, 0);
    for response in futures::future::join_all(orders).await {
        let response = response.expect("an answer");
        match response.status {
            StatusCode::CREATED => sold += 1,
            StatusCode::CONFLICT => {
                assert_eq!(response.code(), "OUT_OF_STOCK");
                refused += 1;
            }
            other => panic!("{other}: {:?}", response.body),
        }
    }
    assert_eq!((sold, refused), (50, 150));
    let mut database = suite.database("catalog").await;
    let stock: (i32, i32) = sqlx::query_as("select available, reserved from stock")
        .fetch_one(&mut database)
        .await
        .unwrap();
    assert_eq!(stock, (0, 50));
    assert_ledger(&mut database).await;
}

#[tokio::test]
async fn a_repeated_reservation_answers_what_the_first_did() {
    let suite = Suite::start().await;
    let warehouse = Warehouse::of(&suite).await;
    let book = product(&suite, "BOOK", "5.00", 3).await;
    let (held, refused) = (id::new(), id::new());
    for _ in 0..2 {
        let reservation = warehouse.reserve(held, &[(&book, 2)], 60).await.unwrap();
        assert_eq!(reservation.status(), ReservationStatus::Held);
        let reservation = warehouse.reserve(refused, &[(&book, 2)], 60).await.unwrap();
        assert_eq!(reservation.status(), ReservationStatus::Rejected);
        assert_eq!(reservation.shortages[0].available, 1);
    }
    // stock that comes later does not change an answer that was given
    let request = AdjustStockRequest { id: book.id.clone(), delta: 10, reason: "more".to_owned() };
    let request = keyed(&suite.admin().await, "delivery", request);
    let stock = suite.catalog().adjust_stock(request).await.unwrap();
    assert_eq!((stock.get_ref().available, stock.get_ref().on_hand), (11, 13));
    let reservation = warehouse.reserve(refused, &[(&book, 2)], 60).await.unwrap();
    assert_eq!(reservation.status(), ReservationStatus::Rejected);
    assert_ledger(&mut suite.database("catalog").await).await;
}

#[tokio::test]
async fn a_reservation_that_comes_after_its_release_holds_nothing() {
    let suite = Suite::start().await;
    let warehouse = Warehouse::of(&suite).await;
    let book = product(&suite, "BOOK", "5.00", 3).await;
    let order = id::new();
    assert_eq!(warehouse.release(order).await.unwrap(), ReservationStatus::Released);
    let late = warehouse.reserve(order, &[(&book, 1)], 60).await.unwrap();
    assert_eq!(late.status(), ReservationStatus::Released);
    assert_eq!(warehouse.available(&book).await, 3);
}

#[tokio::test]
async fn stock_that_has_left_does_not_come_back() {
    let suite = Suite::start().await;
    let warehouse = Warehouse::of(&suite).await;
    let book = product(&suite, "BOOK", "5.00", 3).await;
    let order = id::new();
    warehouse.reserve(order, &[(&book, 2)], 60).await.unwrap();
    for _ in 0..2 {
        assert_eq!(warehouse.commit(order).await.unwrap(), ReservationStatus::Committed);
    }
    let refused = warehouse.release(order).await.unwrap_err();
    assert_eq!(refused.code(), tonic::Code::FailedPrecondition);
    assert_eq!(warehouse.available(&book).await, 1);
    let nothing = warehouse.commit(id::new()).await.unwrap_err();
    assert_eq!(nothing.code(), tonic::Code::FailedPrecondition);
    assert_ledger(&mut suite.database("catalog").await).await;
}

#[tokio::test]
async fn a_reservation_ends_by_itself() {
    let suite = Suite::start().await;
    let warehouse = Warehouse::of(&suite).await;
    let book = product(&suite, "BOOK", "5.00", 3).await;
    let order = id::new();
    warehouse.reserve(order, &[(&book, 2)], 1).await.unwrap();
    let back = async {
        while warehouse.available(&book).await != 3 {
            tokio::time::sleep(std::time::Duration::from_millis(50)).await;
        }
    };
    tokio::time::timeout(PATIENCE, back).await.expect("the stock comes back");
    assert_eq!(warehouse.release(order).await.unwrap(), ReservationStatus::Expired);
    assert!(warehouse.commit(order).await.is_err());
    assert_ledger(&mut suite.database("catalog").await).await;
}

#[tokio::test]
async fn orders_that_share_products_in_any_order_never_block_each_other() {
    let suite = Suite::start().await;
    let warehouse = Warehouse::of(&suite).await;
    let one = product(&suite, "ONE", "5.00", 1000).await;
    let two = product(&suite, "TWO", "5.00", 1000).await;
    let orders = (0..60).map(|turn| {
        let lines = if turn % 2 == 0 { [(&one, 1), (&two, 1)] } else { [(&two, 1), (&one, 1)] };
        let warehouse = &warehouse;
        async move {
            let order = id::new();
            let reservation = warehouse.reserve(order, &lines, 60).await.unwrap();
            assert_eq!(reservation.status(), ReservationStatus::Held);
            if turn % 3 == 0 {
                warehouse.release(order).await.unwrap();
            }
        }
    });
    futures::future::join_all(orders).await;
    assert_eq!(warehouse.available(&one).await, 960);
    assert_eq!(warehouse.available(&two).await, 960);
    assert_ledger(&mut suite.database("catalog").await).await;
}

#[tokio::test]
async fn an_adjustment_never_leaves_less_than_nothing() {
    let suite = Suite::start().await;
    let book = product(&suite, "BOOK", "5.00", 3).await;
    let adjust = |delta: i32| {
        let request =
            AdjustStockRequest { id: book.id.clone(), delta, reason: "breakage".to_owned() };
        let (suite, key) = (&suite, unique("key"));
        async move { suite.catalog().adjust_stock(keyed(&suite.admin().await, &key, request)).await }
    };
    assert_eq!(adjust(-4).await.unwrap_err().code(), tonic::Code::FailedPrecondition);
    assert_eq!(adjust(0).await.unwrap_err().code(), tonic::Code::InvalidArgument);
    assert_eq!(adjust(-3).await.unwrap().get_ref().available, 0);
    assert_ledger(&mut suite.database("catalog").await).await;
}
