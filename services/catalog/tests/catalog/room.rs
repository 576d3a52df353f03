//! Work that takes long leaves connections to the database to others.

use std::time::Duration;

use futures::future::join_all;
use futures::stream;
use souk_proto::souk::catalog::v2::ListCategoriesRequest;
use tokio::time::timeout;

use crate::support::{World, soon};

#[tokio::test]
async fn lists_and_imports_leave_connections_to_others() {
    const MANY: usize = 20;
    let world = World::new().await;
    let shop = world.shop().await;
    let product = shop.product("BOOK", 1).await.id;
    let mut busy = world.test.pool.begin().await.unwrap();
    let lock = "lock table categories, import_lines in access exclusive mode";
    sqlx::query(lock).execute(&mut *busy).await.unwrap();
    let lists = join_all((0..MANY).map(|_| async {
        shop.client().list_categories(shop.admin(ListCategoriesRequest::default())).await
    }));
    let imports = join_all((0..MANY).map(|number| {
        let rows = vec![crate::importing::row(1, &format!("SKU-{number}"))];
        let shop = &shop;
        async move { shop.client().import_products(shop.admin(stream::iter(rows))).await }
    }));
    let others = async {
        let waiting =
            "pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'";
        soon("both wait", || async { world.test.count(waiting).await >= 6 }).await;
        let got = timeout(Duration::from_secs(3), shop.get(&product)).await;
        busy.rollback().await.unwrap();
        got.expect("a connection is left")
    };
    let (lists, imports, product) = tokio::join!(lists, imports, others);
    assert_eq!(product.sku, "BOOK");
    assert!(lists.iter().all(Result::is_ok) && imports.iter().all(Result::is_ok));
}
