//! Versions side by side: this release on databases that the next one has migrated, and has written to.

use std::time::Duration;

use http::{Method, StatusCode};
use serde_json::{Value, json};
use souk_proto::souk::auth::v1::GetMeRequest;
use souk_proto::souk::orders::v1::{GetOrderRequest, OrderStatus};
use sqlx::PgConnection;
use time::OffsetDateTime;
use tonic_health::pb::health_check_response::ServingStatus;

use crate::health::{SERVICES, becomes};
use crate::support::{PATIENCE, Suite, product, signed, unique};

/// How often the saga looks for work in each start, at least.
const SCANS: usize = 3;

/// What the next release has done to the schema: more migrations, columns that this release does not
/// know, and words in checks that it does not know.
const NEXT_RELEASE: [(&str, &str); 3] = [
    (
        "auth",
        "alter table accounts add column locale text, drop constraint accounts_roles_known,
             add constraint accounts_roles_known check (roles <@ array['user', 'admin', 'guest']);
         alter table sessions add column device text;
         alter table refresh_tokens add column address inet;
         update accounts set roles = array_append(roles, 'guest')",
    ),
    (
        "catalog",
        "alter table products add column weight_grams integer;
         alter table categories add column image_id uuid;
         alter table stock add column incoming integer not null default 0;
         alter table reservations add column pinned_at timestamptz;
         alter table idempotency_keys add column trace text",
    ),
    (
        "orders",
        "alter table orders add column shipping jsonb not null default '{}';
         alter table order_lines add column tax_minor bigint not null default 0;
         alter table outbox add column attempts integer not null default 0;
         create table subscriptions (order_id uuid primary key references orders)",
    ),
];

/// What the next release has brought an order to, and when it looks at it again: now.
const ON_ITS_WAY: &str = "update orders set state = 'on_its_way', epoch = 7,
    due_at = now() - interval '1 minute' where id = (select min(id::text)::uuid from orders)";

async fn run(database: &mut PgConnection, sql: &'static str) {
    sqlx::raw_sql(sql).execute(database).await.unwrap();
}

async fn migrate(suite: &Suite) {
    for (service, schema) in NEXT_RELEASE {
        let mut database = suite.database(service).await;
        run(&mut database, schema).await;
        let note = "insert into _sqlx_migrations
                (version, description, success, checksum, execution_time)
            select max(version) + 1, 'of the next release', true, '\\x00', 0 from _sqlx_migrations";
        run(&mut database, note).await;
        run(&mut database, note).await;
    }
}

/// What the saga would change of an order, if it took it.
type Carried = (String, i64, Option<OffsetDateTime>, i32, i32, OffsetDateTime);

async fn carried(database: &mut PgConnection) -> Carried {
    sqlx::query_as(
        "select state, epoch, due_at, version, attempts, updated_at from orders
         where state = 'on_its_way'",
    )
    .fetch_one(database)
    .await
    .unwrap()
}

/// Lets an order's time be over, and waits until the saga has expired it: a scan has come by.
async fn expire(suite: &Suite, token: &str, order: &Value) {
    let id: souk_kit::id::OrderId = order["id"].as_str().unwrap().parse().unwrap();
    sqlx::query("update orders set reserved_until = now(), due_at = now() where id = $1")
        .bind(id.uuid())
        .execute(&mut suite.database("orders").await)
        .await
        .unwrap();
    let path = format!("/v1/orders/{id}");
    let expired = async {
        while suite.http().get_as(token, &path).await.json()["status"] != "expired" {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    tokio::time::timeout(PATIENCE, expired).await.expect("the order expires");
}

#[tokio::test]
async fn this_release_starts_and_works_on_what_the_next_one_has_migrated() {
    let mut suite = Suite::start().await;
    let book = product(&suite, "BOOK", "5.00", 100).await;
    let user = suite.user().await;
    let items = json!([{ "product_id": book.id, "quantity": 1 }]);
    let first = suite.http().order(&user, "first", &items).await.unwrap();
    assert_eq!(first.status, StatusCode::CREATED);
    let later = first.json()["id"].as_str().unwrap().to_owned();
    let mut neighbours = Vec::new();
    for _ in 0..2 * SCANS {
        let order = suite.http().order(&user, &unique("key"), &items).await.unwrap();
        neighbours.push(order.json());
    }
    suite.kill();
    migrate(&suite).await;
    let mut orders = suite.database("orders").await;
    run(&mut orders, ON_ITS_WAY).await;
    let mut catalog = suite.database("catalog").await;
    let pinned = "update reservations set status = 'pinned', expires_at = now() - interval '1 hour'
        where order_id = (select min(order_id::text)::uuid from reservations)";
    run(&mut catalog, pinned).await;
    let before = carried(&mut orders).await;

    // two starts, and in each some scans
    for neighbours in neighbours.chunks(SCANS) {
        suite.restart();
        let http = suite.http();
        for service in SERVICES {
            becomes(&suite, service, ServingStatus::Serving).await;
        }
        for neighbour in neighbours {
            expire(&suite, &user, neighbour).await;
        }
        assert_eq!(carried(&mut orders).await, before, "the order is not ours to carry");

        let list = http.get_as(&user, "/v1/orders").await.json();
        let listed = list["data"].as_array().unwrap();
        assert!(listed.iter().any(|order| order["id"] == *later));
        assert!(listed.len() > neighbours.len(), "and its neighbours");
        let get = signed(&user, GetOrderRequest { id: later.clone() });
        let read = suite.orders().get_order(get).await.unwrap().into_inner();
        assert_eq!((read.status(), read.items.len()), (OrderStatus::Unspecified, 1));
        let cancel = format!("/v1/orders/{later}/cancel");
        let refused = http.json_as(&user, Method::POST, &cancel, &json!({})).await;
        let illegal = (StatusCode::CONFLICT, "ILLEGAL_TRANSITION".to_owned());
        assert_eq!((refused.status, refused.code()), illegal);
        let again = http.order(&user, "first", &items).await.unwrap();
        assert_eq!((again.status, &again.body), (first.status, &first.body));

        // everything else goes on
        let placed = http.order(&user, &unique("key"), &items).await.unwrap();
        assert_eq!(placed.status, StatusCode::CREATED);
        assert_eq!(placed.json()["status"], "reserved");
        let me = suite.auth().get_me(signed(&user, GetMeRequest {})).await.unwrap().into_inner();
        assert_eq!(me.roles, ["user"], "a role that is not known here allows nothing");
        product(&suite, &unique("NEW"), "1.00", 1).await;
        suite.user().await;
        suite.kill();
    }
    assert_eq!(carried(&mut orders).await, before);
    let pinned: i64 =
        sqlx::query_scalar("select count(*) from reservations where status = 'pinned'")
            .fetch_one(&mut catalog)
            .await
            .unwrap();
    assert_eq!(pinned, 1, "a reservation that is not ours to end");
}

/// Some of everything: what is answered when all is well.
async fn some_of_everything(suite: &Suite, user: &str, book: &str) {
    let (http, admin) = (suite.http(), suite.admin().await);
    for path in [
        format!("/v1/products/{book}"),
        format!("/v2/products/{book}"),
        "/v2/products?size=5".to_owned(),
        "/v2/products?q=book&sort=price".to_owned(),
        "/v2/categories".to_owned(),
        format!("/v2/products/{book}/images"),
    ] {
        let read = http.get(&path).await;
        assert_eq!(read.status, StatusCode::OK, "{path}: {:?}", read.body);
    }
    let category = json!({ "slug": unique("kept"), "name": "Kept" });
    let made = http.json_as(&admin, Method::POST, "/v2/categories", &category).await;
    assert_eq!(made.status, StatusCode::CREATED, "{:?}", made.body);
    let name = json!({ "name": unique("A book") });
    let path = format!("/v2/products/{book}");
    let changed = http.json_as(&admin, Method::PATCH, &path, &name).await;
    assert_eq!(changed.status, StatusCode::OK, "{:?}", changed.body);
    let items = json!([{ "product_id": book, "quantity": 1 }]);
    let placed = http.order(user, &unique("key"), &items).await.unwrap();
    assert_eq!(placed.status, StatusCode::CREATED, "{:?}", placed.body);
    let path = format!("/v1/orders/{}", placed.json()["id"].as_str().unwrap());
    assert_eq!(http.get_as(user, &path).await.status, StatusCode::OK);
    assert_eq!(http.get_as(user, "/v1/orders").await.status, StatusCode::OK);
    assert_eq!(http.get_as(user, "/v1/me").await.status, StatusCode::OK);
    product(suite, &unique("NEW"), "1.00", 1).await;
    suite.user().await;
}

#[tokio::test]
async fn this_release_goes_on_while_the_next_one_migrates_beneath_it() {
    let suite = Suite::start().await;
    let book = product(&suite, "BOOK", "5.00", 1_000).await.id;
    let user = suite.user().await;
    // each statement on each connection, as far as that goes
    for _ in 0..3 {
        let many = (0..8).map(|_| some_of_everything(&suite, &user, &book));
        futures::future::join_all(many).await;
    }
    migrate(&suite).await;
    for _ in 0..3 {
        let many = (0..8).map(|_| some_of_everything(&suite, &user, &book));
        futures::future::join_all(many).await;
    }
}
