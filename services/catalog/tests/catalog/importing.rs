//! Imports: rows of a stream, batch by batch, each row once.

use std::time::Duration;

use futures::{StreamExt as _, stream};
use souk_proto::souk::catalog::v2::{ImportProductsRequest, ImportProductsResponse};
use souk_testing::Proxy;
use tonic::Code;

use crate::support::{Shop, World, price, soon};

pub fn row(line: i32, sku: &str) -> ImportProductsRequest {
    ImportProductsRequest {
        line,
        sku: sku.to_owned(),
        name: format!("The {sku} of line {line}"),
        price: Some(price("1.00")),
        stock: Some(line),
        ..ImportProductsRequest::default()
    }
}

async fn import(shop: &Shop, rows: Vec<ImportProductsRequest>) -> ImportProductsResponse {
    let request = shop.admin(stream::iter(rows));
    shop.client().import_products(request).await.unwrap().into_inner()
}

fn counts(report: &ImportProductsResponse) -> (i32, i32, i32) {
    (report.created, report.updated, report.rejected)
}

/// More rows than two batches have.
fn many() -> Vec<ImportProductsRequest> {
    (1..=1_200).map(|line| row(line, &format!("SKU-{line}"))).collect()
}

#[tokio::test]
async fn rows_of_several_batches_are_created_and_then_updated() {
    let world = World::new().await;
    let shop = world.shop().await;
    assert_eq!(counts(&import(&shop, many()).await), (1_200, 0, 0));
    assert_eq!(counts(&import(&shop, many()).await), (0, 1_200, 0));
    assert_eq!(world.test.count("products").await, 1_200);
    assert_eq!(world.test.ask::<i64>("select sum(available) from stock").await, 1_200 * 1_201 / 2);
    assert_eq!(world.test.count("import_lines").await, 0, "an import leaves nothing behind");
    world.audit().await;
}

#[tokio::test]
async fn an_import_that_cannot_be_stored_is_told_so_though_its_client_pauses() {
    let world = World::new().await;
    let shop = world.shop().await;
    world.test.sql("alter table import_lines rename to moved").await;
    let rows = stream::iter(many()).chain(stream::pending());
    let imported = shop.client().import_products(shop.admin(rows)).await;
    world.test.sql("alter table moved rename to import_lines").await;
    assert_eq!(imported.unwrap_err().code(), Code::Internal);
}

#[tokio::test]
async fn the_same_sku_twice_in_an_import_is_told_wherever_it_stands() {
    let world = World::new().await;
    let shop = world.shop().await;
    let mut rows = many();
    // within a batch, and across two
    rows[20].sku = "SKU-3".to_owned();
    rows[1_100].sku = "SKU-7".to_owned();
    rows[1_150].sku = "SKU-7".to_owned();
    let report = import(&shop, rows).await;
    assert_eq!(counts(&report), (1_197, 0, 3));
    let told: Vec<(i32, &str, &str)> = (report.errors.iter())
        .map(|error| (error.line, error.field.as_str(), error.issue.as_str()))
        .collect();
    assert_eq!(
        told,
        [
            (21, "sku", "is the sku of line 3 already"),
            (1_101, "sku", "is the sku of line 7 already"),
            (1_151, "sku", "is the sku of line 7 already"),
        ]
    );
    let name: String = world.test.ask("select name from products where sku = 'SKU-7'").await;
    assert_eq!(name, "The SKU-7 of line 7");
    world.audit().await;
}

#[tokio::test]
async fn the_same_sku_twice_is_told_also_where_all_rows_have_one_line() {
    let world = World::new().await;
    let shop = world.shop().await;
    let report = import(&shop, vec![row(7, "A"), row(7, "B"), row(7, "A")]).await;
    assert_eq!(counts(&report), (2, 0, 1));
    assert_eq!(report.errors[0].issue, "is the sku of line 7 already");
    world.audit().await;
}

#[tokio::test]
async fn rows_that_break_a_rule_are_left_out_and_the_others_stored() {
    let world = World::new().await;
    let shop = world.shop().await;
    let mut rows = many();
    rows[4].sku = "white space".to_owned();
    rows[700].price = Some(price("1.005"));
    rows[900].price = None;
    let report = import(&shop, rows).await;
    assert_eq!(counts(&report), (1_197, 0, 3));
    let told: Vec<(i32, &str)> =
        report.errors.iter().map(|error| (error.line, error.field.as_str())).collect();
    assert_eq!(told, [(5, "sku"), (701, "price"), (901, "price")]);
    world.audit().await;
}

#[tokio::test]
async fn a_batch_whose_commit_was_not_heard_of_is_stored_once_and_told_as_stored() {
    let world = World::new().await;
    let proxy = Proxy::before(&world.test.options).await;
    let shop = world.shop_on(proxy.options()).await;
    let lost = proxy.lose_answer("COMMIT");
    let report = import(&shop, many()).await;
    assert!(lost.yet());
    assert_eq!(report.rejected, 0, "{:?}", &report.errors[..3.min(report.errors.len())]);
    assert_eq!(report.created + report.updated, 1_200);
    assert_eq!(world.test.count("products").await, 1_200);
    assert_eq!(world.test.ask::<i64>("select sum(available) from stock").await, 1_200 * 1_201 / 2);
    // and what is really twice is told all the same
    let mut rows = many();
    rows[1_199].sku = "SKU-1".to_owned();
    let lost = proxy.lose_answer("COMMIT");
    let report = import(&shop, rows).await;
    assert!(lost.yet());
    assert_eq!((report.rejected, report.errors[0].line), (1, 1_200));
    world.audit().await;
}

#[tokio::test]
async fn a_batch_whose_commit_never_arrives_is_stored_again() {
    let world = World::new().await;
    let proxy = Proxy::before(&world.test.options).await;
    let shop = world.shop_on(proxy.options()).await;
    let lost = proxy.lose_request("COMMIT");
    assert_eq!(counts(&import(&shop, many()).await), (1_200, 0, 0));
    assert!(lost.yet());
    world.audit().await;
}

#[tokio::test]
async fn an_import_that_breaks_off_leaves_whole_batches_and_nothing_for_long() {
    let world = World::new().await;
    let shop = world.shop().await;
    // a batch and a half, and then silence
    let rows = stream::iter(many().into_iter().take(750)).chain(stream::pending());
    let mut client = shop.client();
    let call = client.import_products(shop.admin(rows));
    let stored = soon("a batch is stored", || async { world.test.count("products").await == 500 });
    tokio::select! {
        answer = call => panic!("the stream has no end: {answer:?}"),
        () = stored => {}
    }
    // the client has left
    world.audit().await;
    tokio::time::sleep(Duration::from_millis(50)).await;
    assert_eq!(world.test.count("products").await, 500);
    assert_eq!(world.test.count("import_lines").await, 500);
    // what was noted of it goes when no import can be as old
    world.test.sql("update import_lines set created_at = now() - interval '2 hours'").await;
    shop.work();
    soon("its lines go", || async { world.test.count("import_lines").await == 0 }).await;
    // the same rows again are as good as ever
    assert_eq!(counts(&import(&shop, many()).await), (700, 500, 0));
    world.audit().await;
}

#[tokio::test]
async fn lines_of_imports_under_way_are_not_forgotten() {
    let world = World::new().await;
    let shop = world.shop().await;
    world
        .test
        .sql(
            "insert into import_lines (import_id, sku, line, created_at) values
             (gen_random_uuid(), 'young', 1, now() - interval '20 minutes'),
             (gen_random_uuid(), 'old', 1, now() - interval '2 hours')",
        )
        .await;
    shop.work();
    soon("the old one goes", || async { world.test.count("import_lines").await == 1 }).await;
    assert_eq!(world.test.ask::<String>("select sku from import_lines").await, "young");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn imports_of_the_same_rows_at_the_same_time_store_each_product_once() {
    let world = World::new().await;
    let shops = [world.shop().await, world.shop().await];
    let with_categories = |line| ImportProductsRequest {
        categories: vec![format!("shelf-{}", line % 5)],
        ..row(line, &format!("SKU-{line}"))
    };
    let rows: Vec<_> = (1..=600).map(with_categories).collect();
    let mut other = rows.clone();
    other.reverse();
    let (one, two) = tokio::join!(import(&shops[0], rows), import(&shops[1], other));
    assert_eq!((one.rejected, two.rejected), (0, 0));
    assert_eq!(one.created + two.created, 600);
    assert_eq!(one.updated + two.updated, 600);
    assert_eq!(world.test.count("products").await, 600);
    assert_eq!(world.test.count("product_categories").await, 600);
    world.audit().await;
}
