//! Imports that go on where they were broken off, and whatever becomes of them, each row is decided once.

use futures::{StreamExt as _, stream};
use souk_proto::souk::catalog::v2::{
    CancelImportRequest, CreateImportRequest, ExportProductsRequest, GetImportRequest, Import,
    ImportProductsRequest, ImportProductsResponse, ImportState, ListImportsRequest,
    ListRejectedRowsRequest, RejectedRow,
};
use tonic::{Code, Status};

use crate::importing::row;
use crate::support::{Shop, World, reason, soon};

async fn create(shop: &Shop, dry_run: bool) -> Import {
    let request = CreateImportRequest {
        dry_run,
        source: "rows.csv".to_owned(),
        ..CreateImportRequest::default()
    };
    shop.client().create_import(shop.admin(request)).await.unwrap().into_inner()
}

async fn get(shop: &Shop, id: &str) -> Import {
    let request = shop.admin(GetImportRequest { id: id.to_owned() });
    shop.client().get_import(request).await.unwrap().into_inner()
}

/// Rows from one line to another, the first of which names the import.
fn rows(id: &str, from: i32, to: i32) -> Vec<ImportProductsRequest> {
    let mut rows: Vec<_> = (from..=to).map(|line| row(line, &format!("SKU-{line}"))).collect();
    if let Some(first) = rows.first_mut() {
        first.import_id = id.to_owned();
    }
    rows
}

async fn send(
    shop: &Shop,
    rows: Vec<ImportProductsRequest>,
) -> Result<ImportProductsResponse, Status> {
    let request = shop.admin(stream::iter(rows));
    Ok(shop.client().import_products(request).await?.into_inner())
}

/// Sends rows, and dies when at least so many of them are decided.
async fn send_and_die(shop: &Shop, rows: Vec<ImportProductsRequest>, id: &str, decided: i32) {
    let rows = stream::iter(rows).chain(stream::pending());
    let mut client = shop.client();
    let call = client.import_products(shop.admin(rows));
    let stored = soon("rows are decided", || async { get(shop, id).await.last_line >= decided });
    tokio::select! {
        answer = call => panic!("the stream has no end: {answer:?}"),
        () = stored => {}
    }
}

async fn rejected(shop: &Shop, id: &str) -> Vec<RejectedRow> {
    let request = shop.admin(ListRejectedRowsRequest { id: id.to_owned() });
    let rows = shop.client().list_rejected_rows(request).await.unwrap().into_inner();
    rows.map(Result::unwrap).collect().await
}

#[tokio::test]
async fn an_import_goes_on_where_its_stream_was_broken_off_and_decides_each_row_once() {
    let world = World::new().await;
    let shop = world.shop().await;
    let id = create(&shop, false).await.id;
    let mut all = rows(&id, 1, 1_700);
    all[100].price = None;
    send_and_die(&shop, all[..750].to_vec(), &id, 500).await;
    let half = get(&shop, &id).await;
    assert_eq!((half.state(), half.last_line, half.created), (ImportState::Open, 500, 499));

    // to another process, and everything again
    let other = world.shop().await;
    let report = send(&other, all.clone()).await.unwrap();
    assert_eq!((report.created, report.updated, report.rejected), (1_699, 0, 1));
    assert_eq!(report.import_id, id);
    let done = get(&shop, &id).await;
    assert_eq!((done.state(), done.last_line), (ImportState::Completed, 1_700));
    assert_eq!(rejected(&shop, &id).await.len(), 1);
    assert_eq!(world.test.count("products").await, 1_699);
    let moves = "select count(*) from stock_moves";
    assert_eq!(world.test.ask::<i64>(moves).await, 1_699, "no stock moves twice");
    world.audit().await;

    let refused = send(&shop, all).await.unwrap_err();
    assert_eq!(
        (refused.code(), reason(&refused).as_str()),
        (Code::FailedPrecondition, "ILLEGAL_TRANSITION")
    );
}

#[tokio::test]
async fn a_stream_goes_on_behind_the_last_line_and_lines_must_grow() {
    let world = World::new().await;
    let shop = world.shop().await;
    let id = create(&shop, false).await.id;
    send_and_die(&shop, rows(&id, 1, 600), &id, 500).await;
    let mut rest = rows(&id, 501, 900);
    rest[10].line = 505;
    let report = send(&shop, rest).await.unwrap();
    assert_eq!((report.created, report.rejected), (899, 1));
    assert_eq!(report.errors[0].field, "line");
    world.audit().await;
}

#[tokio::test]
async fn of_two_streams_of_one_import_only_the_later_stores_rows() {
    let world = World::new().await;
    let shop = world.shop().await;
    let id = create(&shop, false).await.id;
    let (release, held) = tokio::sync::oneshot::channel::<()>();
    let first = stream::iter(rows(&id, 1, 500)).chain(
        stream::once(async move {
            let _ = held.await;
            stream::iter(rows("", 501, 1_100))
        })
        .flatten(),
    );
    let mut client = shop.client();
    let first = client.import_products(shop.admin(first));
    let second = async {
        soon("the first has stored", || async { get(&shop, &id).await.last_line == 500 }).await;
        let report = send(&shop, rows(&id, 1, 800)).await.unwrap();
        release.send(()).unwrap();
        report
    };
    let (first, second) = tokio::join!(first, second);
    assert_eq!((second.created, second.updated), (800, 0));
    assert_eq!(reason(&first.unwrap_err()), "ILLEGAL_TRANSITION");
    assert_eq!(world.test.count("products").await, 800);
    world.audit().await;
}

#[tokio::test]
async fn a_cancelled_import_keeps_what_it_has_and_takes_no_more() {
    let world = World::new().await;
    let shop = world.shop().await;
    let id = create(&shop, false).await.id;
    send_and_die(&shop, rows(&id, 1, 600), &id, 500).await;
    let cancel = || shop.admin(CancelImportRequest { id: id.clone() });
    for _ in 0..2 {
        let cancelled = shop.client().cancel_import(cancel()).await.unwrap().into_inner();
        assert_eq!((cancelled.state(), cancelled.created), (ImportState::Cancelled, 500));
    }
    assert_eq!(reason(&send(&shop, rows(&id, 501, 600)).await.unwrap_err()), "ILLEGAL_TRANSITION");
    assert_eq!(world.test.count("products").await, 500);
    let missing = rows("imp_01h455vb4pex5vsknk084sn02q", 1, 2);
    assert_eq!(send(&shop, missing).await.unwrap_err().code(), Code::NotFound);
    assert_eq!(send(&shop, rows("nothing", 1, 2)).await.unwrap_err().code(), Code::NotFound);
}

#[tokio::test]
async fn a_dry_run_says_what_would_happen_and_stores_nothing() {
    let world = World::new().await;
    let shop = world.shop().await;
    shop.product("SKU-3", 5).await;
    let id = create(&shop, true).await.id;
    let mut all = rows(&id, 1, 700);
    all[9].name = " ".to_owned();
    all[600].sku = "SKU-20".to_owned();
    all[7].categories = vec!["new".to_owned()];
    let report = send(&shop, all).await.unwrap();
    assert_eq!((report.created, report.updated, report.rejected), (697, 1, 2));
    assert_eq!(world.test.count("products").await, 1);
    assert_eq!(world.test.count("categories").await, 0);
    assert_eq!(world.test.count("stock_moves").await, 1);
    assert_eq!(get(&shop, &id).await.state(), ImportState::Completed);
    world.audit().await;
}

#[tokio::test]
async fn every_rejected_row_is_told_however_many() {
    let world = World::new().await;
    let shop = world.shop().await;
    let id = create(&shop, false).await.id;
    let mut all = rows(&id, 1, 2_500);
    all.iter_mut().skip(1).for_each(|row| row.price = None);
    let report = send(&shop, all).await.unwrap();
    assert_eq!((report.created, report.rejected, report.errors.len()), (1, 2_499, 1_000));
    let rejected = rejected(&shop, &id).await;
    let lines: Vec<i32> = rejected.iter().map(|row| row.line).collect();
    assert_eq!(lines, (2..=2_500).collect::<Vec<_>>());
}

#[tokio::test]
async fn imports_are_listed_newest_first_and_forgotten_after_a_week() {
    let world = World::new().await;
    let shop = world.shop().await;
    let (old, new) = (create(&shop, false).await.id, create(&shop, false).await.id);
    let list = async || {
        let request = shop.admin(ListImportsRequest::default());
        let list = shop.client().list_imports(request).await.unwrap().into_inner();
        let total = list.pagination.unwrap().total;
        (list.data.into_iter().map(|import| import.id).collect::<Vec<_>>(), total)
    };
    assert_eq!(list().await, (vec![new.clone(), old.clone()], 2));
    let mut rows = rows(&old, 1, 3);
    rows[1].price = None;
    send(&shop, rows).await.unwrap();
    assert_eq!(rejected(&shop, &old).await.len(), 1);
    world
        .test
        .sql(
            "update imports set updated_at = now() - interval '8 days'
             where id = (select id from imports order by id limit 1)",
        )
        .await;
    shop.work();
    soon("the old one goes", || async { list().await == (vec![new.clone()], 1) }).await;
    assert_eq!(world.test.count("import_rejections").await, 0);
}

#[tokio::test]
async fn an_export_tells_every_product_once() {
    let world = World::new().await;
    let shop = world.shop().await;
    send(&shop, rows("", 1, 1_300)).await.unwrap();
    let request = shop.admin(ExportProductsRequest::default());
    let told = shop.client().export_products(request).await.unwrap().into_inner();
    let skus: Vec<String> = told.map(|product| product.unwrap().sku).collect().await;
    assert_eq!(skus, (1..=1_300).map(|line| format!("SKU-{line}")).collect::<Vec<_>>());
    let request = shop.admin(ExportProductsRequest { r#type: "book".to_owned() });
    let told = shop.client().export_products(request).await.unwrap().into_inner();
    assert_eq!(told.count().await, 0);
}

#[tokio::test]
async fn an_import_knows_after_a_crash_which_products_it_has_had() {
    let world = World::new().await;
    // PostgreSQL empties unlogged tables when it recovers
    let kind = "select relpersistence::text from pg_class where relname = 'import_lines'";
    assert_eq!(world.test.ask::<String>(kind).await, "p");
}
