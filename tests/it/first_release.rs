//! Versions one after the other: this release on databases as the first one has left them, with orders
//! under way. The rows are written as that release wrote them.

use std::time::Duration;

use http::{Method, StatusCode};
use prost::Message as _;
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use souk_db::idempotency::Fingerprint;
use souk_kit::id::{self, CategoryId, OrderId, ProductId, SessionId, UserId};
use souk_proto::google::r#type::Decimal;
use souk_proto::souk::auth::v1::CreateTokenRequest;
use souk_proto::souk::orders::v1::{
    CreateOrderItem, CreateOrderRequest, Order, OrderItem, OrderStatus,
};
use sqlx::PgConnection;

use crate::support::{Databases, PATIENCE, Response, Suite, assert_ledger, keyed, unique};

const EMAIL: &str = "ada@example.com";
const PASSWORD: &str = "four camels cross the market";
/// Of the password, by the parameters of the first release.
const PASSWORD_HASH: &str = "$argon2id$v=19$m=19456,t=2,p=1$I7WlV6zC3ni3d780iB5ftg$\
                             auvTpqmh/3MAXmdvC+hjTbp5Epmm91wC4hEgMFlGLVY";
const REFRESH_TOKEN: &str = "a refresh token of the first release";
const CREATE_ORDER: &str = "souk.orders.v1.OrdersService/CreateOrder";

/// What the first release has left.
struct Left {
    customer: UserId,
    category: CategoryId,
    book: Product,
    lamp: Product,
    /// By their keys.
    orders: Vec<Placed>,
}

struct Product {
    id: ProductId,
    name: &'static str,
    price_minor: i64,
}

/// An order of the first release: the reservation that the catalog has made for it, the state that it
/// has come to, and the state that its call was answered with.
struct Placed {
    key: &'static str,
    id: OrderId,
    product: ProductId,
    quantity: i32,
    state: &'static str,
    is_due: bool,
    reservation: Option<&'static str>,
    answered: Option<OrderStatus>,
    /// Whether the record of its key is there: they were kept for a day.
    recorded: bool,
}

impl Placed {
    fn request(&self) -> CreateOrderRequest {
        let (product_id, quantity) = (self.product.to_string(), self.quantity);
        CreateOrderRequest {
            items: vec![CreateOrderItem { product_id, quantity }],
            ..CreateOrderRequest::default()
        }
    }
}

impl Left {
    fn new() -> Self {
        let product = |name, price_minor| Product { id: id::new(), name, price_minor };
        let (book, lamp) = (product("The book", 500), product("The lamp", 250));
        let placed = |key, product: &Product, quantity, state| Placed {
            key,
            id: id::new(),
            product: product.id,
            quantity,
            state,
            is_due: false,
            reservation: Some("held"),
            answered: None,
            recorded: true,
        };
        let reserved = Some(OrderStatus::Reserved);
        let orders = vec![
            Placed { answered: reserved, ..placed("reserved", &book, 2, "reserved") },
            // the answer of the catalog was lost
            Placed { is_due: true, ..placed("on its way", &book, 3, "pending") },
            Placed { is_due: true, reservation: None, ..placed("accepted", &lamp, 1, "pending") },
            // cancelled a moment ago: its stock is to go back
            Placed {
                is_due: true,
                answered: reserved,
                ..placed("cancelled", &lamp, 1, "cancelled")
            },
            Placed {
                reservation: Some("rejected"),
                answered: Some(OrderStatus::Rejected),
                ..placed("rejected", &lamp, 99, "rejected")
            },
            Placed { recorded: false, ..placed("long ago", &book, 1, "reserved") },
        ];
        Self { customer: id::new(), category: id::new(), book, lamp, orders }
    }

    fn order(&self, key: &str) -> &Placed {
        self.orders.iter().find(|order| order.key == key).unwrap()
    }

    fn product(&self, id: ProductId) -> &Product {
        if self.book.id == id { &self.book } else { &self.lamp }
    }

    /// Units of a product that the catalog holds for orders.
    fn held(&self, product: &Product) -> i32 {
        let of = |order: &&Placed| order.product == product.id && order.reservation == Some("held");
        self.orders.iter().filter(of).map(|order| order.quantity).sum()
    }

    /// What the call that placed an order was answered.
    fn answer(&self, order: &Placed, status: OrderStatus) -> Order {
        let product = self.product(order.product);
        let decimal = |minor: i64| Decimal { value: format!("{}.{:02}", minor / 100, minor % 100) };
        let total = product.price_minor * i64::from(order.quantity);
        Order {
            id: order.id.to_string(),
            status: status.into(),
            items: vec![OrderItem {
                product_id: product.id.to_string(),
                name: product.name.to_owned(),
                quantity: order.quantity,
                unit_price: Some(decimal(product.price_minor)),
                line_total: Some(decimal(total)),
            }],
            total: Some(decimal(total)),
            currency: "USD".to_owned(),
            customer_id: self.customer.to_string(),
            ..Order::default()
        }
    }
}

async fn write_account(database: &mut PgConnection, left: &Left) {
    sqlx::query(
        "insert into accounts (id, email, name, password_hash, roles)
         values ($1, $2, 'Ada', $3, array['user'])",
    )
    .bind(left.customer.uuid())
    .bind(EMAIL)
    .bind(PASSWORD_HASH)
    .execute(&mut *database)
    .await
    .unwrap();
    let session: SessionId = id::new();
    sqlx::query(
        "with begun as (insert into sessions (id, account_id) values ($1, $2))
         insert into refresh_tokens (hash, session_id, expires_at)
         values ($3, $1, now() + interval '7 days')",
    )
    .bind(session.uuid())
    .bind(left.customer.uuid())
    .bind(Sha256::digest(REFRESH_TOKEN).as_slice())
    .execute(database)
    .await
    .unwrap();
}

async fn write_catalog(database: &mut PgConnection, left: &Left) {
    sqlx::query("insert into categories (id, slug, name) values ($1, 'books', 'Books')")
        .bind(left.category.uuid())
        .execute(&mut *database)
        .await
        .unwrap();
    for (sku, product) in [("BOOK", &left.book), ("LAMP", &left.lamp)] {
        sqlx::query(
            "with created as (
                 insert into products (id, sku, name, price_minor, available, reserved)
                 values ($1, $2, $3, $4, 20 - $5, $5) returning id
             ), linked as (
                 insert into product_categories (product_id, category_id) select id, $6 from created
             )
             insert into stock_moves (product_id, kind, available, reserved, actor)
             select id, 'create', 20, 0, 'usr' from created",
        )
        .bind(product.id.uuid())
        .bind(sku)
        .bind(product.name)
        .bind(product.price_minor)
        .bind(left.held(product))
        .bind(left.category.uuid())
        .execute(&mut *database)
        .await
        .unwrap();
    }
    sqlx::query(
        "with gone as (
             insert into products (id, sku, name, price_minor, deleted_at)
             values (gen_random_uuid(), 'GONE', 'Gone', 100, now()) returning id
         )
         insert into stock_moves (product_id, kind, available, reserved, actor)
         select id, 'adjust', delta, 0, 'usr' from gone, unnest(array[1, -1]) as delta",
    )
    .execute(&mut *database)
    .await
    .unwrap();
    for order in &left.orders {
        let Some(status) = order.reservation else { continue };
        sqlx::query(
            "with reserved as (
                 insert into reservations (order_id, status, shortages, expires_at)
                 values ($1, $2, $5, now() + interval '1 day')
             ), lined as (
                 insert into reservation_lines (order_id, product_id, quantity)
                 select $1, $3, $4 where $2 = 'held'
             )
             insert into stock_moves (order_id, product_id, kind, available, reserved, actor)
             select $1, $3, 'reserve', -$4, $4, 'service:orders' where $2 = 'held'",
        )
        .bind(order.id.uuid())
        .bind(status)
        .bind(order.product.uuid())
        .bind(order.quantity)
        .bind(shortages(order))
        .execute(&mut *database)
        .await
        .unwrap();
    }
}

/// What a rejected order is short of.
fn shortages(order: &Placed) -> Value {
    let (product, requested) = (order.product.uuid(), order.quantity);
    match order.state {
        "rejected" => json!([{ "product": product, "requested": requested, "available": 19 }]),
        _ => json!([]),
    }
}

async fn write_orders(database: &mut PgConnection, left: &Left) {
    for order in &left.orders {
        let product = left.product(order.product);
        let fingerprint = Fingerprint::of(&order.request());
        sqlx::query(
            "with placed as (
                 insert into orders (id, customer_id, idempotency_key, fingerprint, state,
                     total_minor, currency, shortages, reserved_until, version, request_id, due_at)
                 values ($1, $2, $3, $4, $5, $6 * $7, 'USD', $8,
                     case when $5 = 'reserved' then now() + interval '1 day' end, 2, 'req_old',
                     case when $9 then now() when $5 = 'reserved' then now() + interval '1 day' end)
                 returning id
             )
             insert into outbox (subject, sequence, kind, payload)
             select id, sequence, 'order.something', '{\"status\": \"something\"}'
             from placed, generate_series(1, 2) as sequence",
        )
        .bind(order.id.uuid())
        .bind(left.customer.uuid())
        .bind(order.key.replace(' ', "-"))
        .bind(fingerprint.as_bytes())
        .bind(order.state)
        .bind(product.price_minor)
        .bind(order.quantity)
        .bind(shortages(order))
        .bind(order.is_due)
        .execute(&mut *database)
        .await
        .unwrap();
        sqlx::query(
            "insert into order_lines
                 (order_id, position, product_id, name, unit_price_minor, quantity)
             values ($1, 1, $2, $3, $4, $5)",
        )
        .bind(order.id.uuid())
        .bind(order.product.uuid())
        .bind(product.name)
        .bind(product.price_minor)
        .bind(order.quantity)
        .execute(&mut *database)
        .await
        .unwrap();
        if order.recorded {
            let answer = order.answered.map(|status| left.answer(order, status).encode_to_vec());
            sqlx::query(
                "insert into idempotency_keys
                     (principal, operation, key, fingerprint, resource, response, expires_at)
                 values ($1, $2, $3, $4, $5, $6, now() + interval '1 day')",
            )
            .bind(left.customer.uuid())
            .bind(CREATE_ORDER)
            .bind(order.key.replace(' ', "-"))
            .bind(fingerprint.as_bytes())
            .bind(order.id.uuid())
            .bind(answer)
            .execute(&mut *database)
            .await
            .unwrap();
        }
    }
}

/// Sends the request of an order once more.
async fn repeat(suite: &Suite, token: &str, order: &Placed) -> Response {
    let items = json!([{ "product_id": order.product.to_string(), "quantity": order.quantity }]);
    suite.http().order(token, &order.key.replace(' ', "-"), &items).await.unwrap()
}

async fn becomes(suite: &Suite, token: &str, order: &Placed, status: &str) {
    let path = format!("/v1/orders/{}", order.id);
    let turned = async {
        while suite.http().get_as(token, &path).await.json()["status"] != status {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    let turned = tokio::time::timeout(PATIENCE, turned).await;
    turned.unwrap_or_else(|_| panic!("the order {} does not become {status}", order.key));
}

async fn available(suite: &Suite, product: &Product) -> Value {
    suite.http().get(&format!("/v1/products/{}", product.id)).await.json()["available"].clone()
}

#[tokio::test]
async fn what_the_first_release_has_left_goes_on() {
    let databases = Databases::of_the_first_release().await;
    let left = Left::new();
    write_account(&mut databases.connect("auth").await, &left).await;
    write_catalog(&mut databases.connect("catalog").await, &left).await;
    write_orders(&mut databases.connect("orders").await, &left).await;

    let mut suite = Suite::start_on(databases, &[]);
    let token = suite.sign_in(EMAIL, PASSWORD).await;
    let refresh = CreateTokenRequest {
        grant_type: "refresh_token".to_owned(),
        refresh_token: REFRESH_TOKEN.to_owned(),
        ..CreateTokenRequest::default()
    };
    assert!(suite.auth().create_token(refresh).await.is_ok(), "a session goes on");

    // what was under way comes to its end
    becomes(&suite, &token, left.order("on its way"), "reserved").await;
    becomes(&suite, &token, left.order("accepted"), "reserved").await;
    let back = async {
        // 20 lamps: one cancelled and given back, one sold
        while available(&suite, &left.lamp).await != 19 {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    tokio::time::timeout(PATIENCE, back).await.expect("the stock of the cancelled order is back");
    assert_eq!(available(&suite, &left.book).await, 14, "20 books, and 2 + 3 + 1 sold");
    assert_ledger(&mut suite.database("catalog").await).await;

    // lists and their totals
    let products = suite.http().get("/v1/products").await.json();
    assert_eq!(products["pagination"]["total"], 2);
    assert_eq!(products["data"][0]["category_ids"], json!([left.category.to_string()]));
    assert_eq!(suite.http().get("/v1/categories").await.json()["pagination"]["total"], 1);
    let orders = suite.http().get_as(&token, "/v1/orders").await.json();
    assert_eq!(orders["pagination"]["total"], left.orders.len());
    assert_eq!(orders["data"].as_array().unwrap().len(), left.orders.len());

    replays(&suite, &token, &left).await;

    let items = json!([{ "product_id": left.book.id.to_string(), "quantity": 1 }]);
    let placed = suite.http().order(&token, &unique("key"), &items).await.unwrap();
    assert_eq!(placed.status, StatusCode::CREATED);
    let cancel = format!("/v1/orders/{}/cancel", left.order("reserved").id);
    let cancelled = suite.http().json_as(&token, Method::POST, &cancel, &json!({})).await;
    assert_eq!(
        (cancelled.status, &cancelled.json()["status"]),
        (StatusCode::OK, &json!("cancelled"))
    );
    suite.kill();
    suite.restart();
    assert_eq!(available(&suite, &left.book).await, 15);
    assert_ledger(&mut suite.database("catalog").await).await;
}

/// Who repeats a call of the time before gets its answer.
async fn replays(suite: &Suite, token: &str, left: &Left) {
    // as it was answered, whatever has become of the order
    for key in ["reserved", "cancelled"] {
        let order = left.order(key);
        let answer = keyed(token, key, order.request());
        let answer = suite.orders().create_order(answer).await.unwrap();
        assert_eq!(answer.metadata().get("idempotent-replayed").unwrap(), "true");
        assert_eq!(*answer.get_ref(), left.answer(order, OrderStatus::Reserved), "{key}");
    }
    // not answered then, or forgotten: as they are now
    for key in ["on its way", "accepted", "long ago"] {
        let order = left.order(key);
        let answer = repeat(suite, token, order).await;
        assert_eq!(answer.status, StatusCode::CREATED, "{key}");
        assert_eq!(answer.header("idempotent-replayed"), "true", "{key}");
        assert_eq!(answer.json()["id"], order.id.to_string(), "{key}");
        assert_eq!(answer.json()["status"], "reserved", "{key}");
    }
    let refused = repeat(suite, token, left.order("rejected")).await;
    assert_eq!((refused.status, refused.code().as_str()), (StatusCode::CONFLICT, "OUT_OF_STOCK"));
    assert_eq!(refused.header("idempotent-replayed"), "true");
    let told = &refused.json()["error"]["metadata"];
    assert_eq!(told["order_id"], left.order("rejected").id.to_string());
    assert_eq!(told["available"], "19");
    let other = json!([{ "product_id": left.book.id.to_string(), "quantity": 50 }]);
    let reused = suite.http().order(token, "reserved", &other).await.unwrap();
    assert_eq!(reused.code(), "IDEMPOTENCY_KEY_REUSED");
}
