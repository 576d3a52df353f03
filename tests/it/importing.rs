//! `souk import`, as a user runs it.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use souk_proto::souk::catalog::v1::DeleteProductRequest;

use crate::support::{
    ADMIN_EMAIL, ADMIN_PASSWORD, Scratch, Suite, assert_ledger, product, run, signed, souk, unique,
};

fn import(suite: &Suite, file: &Path) -> (bool, String) {
    let mut command = souk();
    command
        .arg("import")
        .arg(file)
        .args(["--server", &suite.catalog_url(), "--email", ADMIN_EMAIL])
        .env("SOUK_ADMIN_PASSWORD", ADMIN_PASSWORD);
    let (status, text) = run(command);
    (status.success(), text)
}

/// An import that signs in and one that imports need the same address: one process has both.
async fn import_with_token(suite: &Suite, file: &Path) -> (bool, String) {
    import_with(suite, file, &[]).await
}

/// The same of a type.
async fn import_as(suite: &Suite, file: &Path, product_type: &str) -> (bool, String) {
    import_with(suite, file, &["--type", product_type]).await
}

async fn import_with(suite: &Suite, file: &Path, options: &[&str]) -> (bool, String) {
    let mut command = souk();
    command
        .arg("import")
        .arg(file)
        .args(options)
        .args(["--server", &suite.catalog_url()])
        .env("SOUK_TOKEN", suite.admin().await);
    let (status, text) = run(command);
    (status.success(), text)
}

/// The real books when they are there, else as many that are made up.
fn books(scratch: &Scratch) -> (PathBuf, usize) {
    let real = Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/data/books.csv");
    if real.exists() {
        return (real, 10_000);
    }
    let path = scratch.0.join("books.csv");
    let rows = (1..=10_000).map(|number| {
        let cents = number % 100;
        format!(
            "BK-{number:05},\"Book, the {number}th\",{number}.{cents:02},{},books\n",
            number % 7
        )
    });
    let text = format!("sku,name,price,stock,categories\n{}", rows.collect::<String>());
    std::fs::write(&path, text).unwrap();
    (path, 10_000)
}

fn books_among(seen: &BTreeSet<String>) -> usize {
    seen.iter().filter(|sku| sku.starts_with("BK-")).count()
}

/// Creates products and deletes every other one, until told to stop.
async fn come_and_go(suite: Arc<Suite>, listing: Arc<AtomicBool>) -> usize {
    let token = suite.admin().await;
    let mut created = 0;
    while listing.load(Ordering::Relaxed) {
        let passing = product(&suite, &unique("NEW"), "1.00", 0).await;
        created += 1;
        if created % 2 == 0 {
            let request = signed(&token, DeleteProductRequest { id: passing.id });
            suite.catalog().delete_product(request).await.unwrap();
        }
    }
    created
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ten_thousand_books_are_imported_and_listed_each_once_while_others_come_and_go() {
    let suite = Arc::new(Suite::start().await);
    let scratch = Scratch::new();
    let (file, expected) = books(&scratch);
    let (succeeded, text) = import_with_token(&suite, &file).await;
    assert!(succeeded && text.contains("10000 created, 0 updated, 0 rejected"), "{text}");

    let listing = Arc::new(AtomicBool::new(true));
    let others = tokio::spawn(come_and_go(suite.clone(), listing.clone()));
    let mut seen = BTreeSet::new();
    let mut path = "/v1/products?size=100".to_owned();
    // the books were there before all that comes and goes: the list is theirs until then
    while books_among(&seen) < expected {
        let page = suite.http().get(&path).await.json();
        for product in page["data"].as_array().unwrap() {
            assert!(seen.insert(product["sku"].as_str().unwrap().to_owned()));
        }
        match page["pagination"]["next_cursor"].as_str() {
            Some(cursor) => path = format!("/v1/products?size=100&cursor={cursor}"),
            None => break,
        }
    }
    listing.store(false, Ordering::Relaxed);
    assert!(others.await.unwrap() > 0, "somebody came and went meanwhile");
    assert_eq!(books_among(&seen), expected, "a page skips a book");

    let (succeeded, text) = import_with_token(&suite, &file).await;
    assert!(succeeded && text.contains("0 created, 10000 updated, 0 rejected"), "{text}");
    assert_ledger(&mut suite.database("catalog").await).await;
}

#[tokio::test]
async fn rows_that_break_a_rule_are_reported_with_their_line_and_the_others_imported() {
    let suite = Suite::start().await;
    let scratch = Scratch::new();
    let file = scratch.0.join("rows.csv");
    let rows = "sku,name,price,stock,categories,currency,author\n\
                A,Good,1.00,3,books|language/english,USD,x\n\
                ,No sku,1.00,,,,\n\
                B,Too cheap,0.00,,,,\n\
                C,Too exact,1.005,,,,\n\
                D,Wrong money,1.00,,,ZZZ,\n\
                E,Not a number,1.00,many,,,\n\
                A,Again,1.00,,,,\n\
                F,Bad slug,1.00,,Big Books,,\n\
                G,Also good,2,,,,\n";
    std::fs::write(&file, rows).unwrap();
    let (succeeded, text) = import_with_token(&suite, &file).await;
    assert!(!succeeded, "rejected rows are an error: {text}");
    assert!(text.contains("2 created, 0 updated, 7 rejected"), "{text}");
    for line in [
        "line 3: sku must not be empty",
        "line 4: price must be greater than 0",
        "line 5: price must have at most 2 decimals",
        "line 6: currency must be the code of a currency (ISO 4217), for example USD",
        "line 7: stock must be a whole number",
        "line 8: sku is the sku of line 2 already",
        "line 9: categories[0] must be lowercase words (a-z, 0-9) joined by - or /",
        "columns that are not imported: author",
    ] {
        assert!(text.contains(line), "{line:?} is not in {text}");
    }
    let products = suite.http().get("/v1/products").await.json();
    assert_eq!(products["pagination"]["total"], 2);
    assert_eq!(products["data"][0]["category_ids"].as_array().unwrap().len(), 2);
}

#[tokio::test]
async fn importing_needs_the_right_password_or_token() {
    let suite = Suite::start().await;
    let scratch = Scratch::new();
    let file = scratch.0.join("rows.csv");
    std::fs::write(&file, "sku,name,price\nA,A,1\n").unwrap();
    // the roles have no one address to sign in at and to import to
    if crate::support::is_one_process() {
        let mut command = souk();
        command.arg("import").arg(&file).args(["--server", &suite.catalog_url()]);
        command.args(["--email", ADMIN_EMAIL, "--password", "not the password"]);
        let (status, text) = run(command);
        assert!(!status.success() && text.contains("cannot sign in"), "{text}");
        assert!(text.contains("(Unauthenticated)"), "for no other reason: {text}");
        let (succeeded, text) = import(&suite, &file);
        assert!(succeeded && text.contains("1 created"), "{text}");
    }
    let mut command = souk();
    command.arg("import").arg(&file).args(["--server", &suite.catalog_url()]);
    command.env("SOUK_TOKEN", "not the token");
    let (status, text) = run(command);
    assert!(!status.success() && text.contains("(Unauthenticated)"), "{text}");
    let (succeeded, text) = import_with_token(&suite, &file).await;
    assert!(succeeded && text.contains("0 rejected"), "{text}");
}

/// A file of books as others have them: some have no ISBN, or a list of authors that is too long.
fn books_of_others(rows: usize) -> String {
    let mut file = "sku,name,author,isbn,year,rating,price,stock,publisher\n".to_owned();
    for row in 0..rows {
        let isbn = if row % 10 == 3 { String::new() } else { format!("97800000{row:05}") };
        let author = if row % 20 == 5 { "x".repeat(101) } else { format!("Author {}", row % 7) };
        let year =
            if row % 50 == 7 { "long ago".to_owned() } else { (1900 + row % 100).to_string() };
        file += &format!("B-{row},Book {row},{author},{isbn},{year},4.5,9.99,3,Someone\n");
    }
    file
}

#[tokio::test]
async fn a_file_of_books_becomes_products_of_that_type_and_what_is_no_book_is_reported() {
    let suite = Suite::start().await;
    let scratch = Scratch::new();
    let file = scratch.0.join("books.csv");
    std::fs::write(&file, books_of_others(200)).unwrap();
    let (succeeded, text) = import_as(&suite, &file, "book").await;
    assert!(!succeeded, "{text}");
    // 20 without an ISBN, 10 authors that are too long, 4 years that are none
    assert!(text.contains("166 created, 0 updated, 34 rejected"), "{text}");
    for line in [
        "line 5: attributes.isbn is required",
        "line 9: attributes.year must be a whole number",
        "columns that are not imported: publisher",
    ] {
        assert!(text.contains(line), "{line:?} is not in {text}");
    }
    assert!(text.contains("line 7: attributes.author "), "{text}");
    let found =
        suite.http().get("/v2/products?type=book&attr.year=1904&attr.author=Author+4").await;
    let book = found.json()["data"][0].clone();
    assert_eq!((book["sku"].as_str(), book["type"].as_str()), (Some("B-4"), Some("book")));
    assert_eq!(book["attributes"]["rating"], 4.5);
    assert_eq!(suite.http().get("/v1/books?size=1").await.json()["pagination"]["total"], 166);

    // the same again changes them, and products of another kind keep their type
    let (_, text) = import_as(&suite, &file, "book").await;
    assert!(text.contains("0 created, 166 updated, 34 rejected"), "{text}");
    let rows = "sku,name,price\nB-4,Renamed,5\n";
    std::fs::write(&file, rows).unwrap();
    let (succeeded, text) = import_with_token(&suite, &file).await;
    assert!(succeeded, "{text}");
    let found = suite.http().get("/v2/products?type=book&q=renamed").await.json();
    assert_eq!(found["data"][0]["attributes"]["year"], 1904);
    let (succeeded, text) = import_as(&suite, &file, "film").await;
    assert!(!succeeded && text.contains("film"), "{text}");
}

#[tokio::test]
async fn ten_thousand_real_books_are_imported_but_for_those_without_an_isbn_or_with_too_many_authors()
 {
    let file = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/data/books.csv");
    if !file.exists() {
        return; // the data is not everywhere
    }
    let suite = Suite::start().await;
    let (succeeded, text) = import_as(&suite, &file, "book").await;
    assert!(!succeeded, "rejected rows are an error");
    assert!(text.contains("created, 0 updated, 73"), "about 730 are rejected: {}", &text[..200]);
    let found = suite.http().get("/v2/products?q=rowling&type=book&size=100").await.json();
    let found = found["data"].as_array().unwrap();
    assert!(found.len() > 5, "{found:?}");
    for book in found {
        assert!(book["attributes"]["author"].as_str().unwrap().contains("Rowling"), "{book}");
    }
}

#[tokio::test]
async fn a_dry_run_stores_nothing_and_a_report_has_every_rejected_row() {
    let suite = Suite::start().await;
    let scratch = Scratch::new();
    let (file, report) = (scratch.0.join("books.csv"), scratch.0.join("rejected.csv"));
    std::fs::write(&file, books_of_others(200)).unwrap();
    let options = ["--type", "book", "--dry-run", "--report", report.to_str().unwrap()];
    let (_, text) = import_with(&suite, &file, &options).await;
    assert!(text.contains("166 created, 0 updated, 34 rejected"), "{text}");
    assert!(text.contains("nothing was stored"), "{text}");
    let report = std::fs::read_to_string(&report).unwrap();
    assert_eq!(report.lines().count(), 35, "a header, and each row: {report}");
    assert!(report.contains("5,attributes.isbn,is required"), "{report}");
    assert_eq!(suite.http().get("/v2/products").await.json()["pagination"]["total"], 0);

    let admin = suite.admin().await;
    let imports = suite.http().get_as(&admin, "/v2/imports").await.json();
    let import = &imports["data"][0];
    assert_eq!((&import["state"], &import["dry_run"]), (&"completed".into(), &true.into()));
    let rejected = format!("/v2/imports/{}/rejections", import["id"].as_str().unwrap());
    let rejected = suite.http().get_as(&admin, &rejected).await;
    let lines = String::from_utf8(rejected.body.to_vec()).unwrap();
    // four could not even be read, and were not sent; the stream has an end
    assert_eq!(lines.lines().filter(|line| line.contains("attributes")).count(), 30, "{lines}");
}

#[tokio::test]
async fn an_import_goes_on_after_everything_was_killed_and_stores_each_row_once() {
    const ROWS: usize = 20_000;
    let mut suite = Suite::start().await;
    let scratch = Scratch::new();
    let file = scratch.0.join("rows.csv");
    let rows = (1..=ROWS).map(|row| format!("S-{row},Row {row},5,{}\n", row % 9));
    let rows: String = std::iter::once("sku,name,price,stock\n".to_owned()).chain(rows).collect();
    std::fs::write(&file, rows).unwrap();
    let mut first = souk();
    first
        .arg("import")
        .arg(&file)
        .args(["--server", &suite.catalog_url()])
        .env("SOUK_TOKEN", suite.admin().await);
    let first = std::thread::spawn(move || run(first));
    let mut catalog = suite.database("catalog").await;
    loop {
        let stored = "select count(*) from products where sku like 'S-%'";
        let stored: i64 = sqlx::query_scalar(stored).fetch_one(&mut catalog).await.unwrap();
        if stored > 0 {
            break;
        }
        tokio::time::sleep(std::time::Duration::from_millis(5)).await;
    }
    suite.kill();
    let (status, text) = first.join().unwrap();
    assert!(!status.success() && text.contains("the same command goes on with it"), "{text}");

    suite.restart();
    let (succeeded, text) = import_with_token(&suite, &file).await;
    assert!(succeeded && text.contains("going on behind line"), "{text}");
    assert!(text.contains(&format!("{ROWS} created, 0 updated, 0 rejected")), "{text}");
    let mut catalog = suite.database("catalog").await;
    assert_ledger(&mut catalog).await;
    let moves = "select count(*) from stock_moves where kind = 'import'";
    let moves: i64 = sqlx::query_scalar(moves).fetch_one(&mut catalog).await.unwrap();
    let stocked = (1..=ROWS).filter(|row| row % 9 > 0).count();
    assert_eq!(usize::try_from(moves).unwrap(), stocked);
}

#[tokio::test]
async fn what_is_exported_is_imported_again_as_it_was() {
    let suite = Suite::start().await;
    let scratch = Scratch::new();
    let (file, exported) = (scratch.0.join("books.csv"), scratch.0.join("exported.csv"));
    let row = "B-1,\"One, \"\"quoted\"\"\",Émile Zola,9780000000001,1885,4.5,9.99,3,books|french\n";
    std::fs::write(
        &file,
        format!("sku,name,author,isbn,year,rating,price,stock,categories\n{row}"),
    )
    .unwrap();
    let (succeeded, text) = import_as(&suite, &file, "book").await;
    assert!(succeeded, "{text}");
    product(&suite, "CUP", "5.00", 2).await;

    let export = async |options: &[&str]| {
        let mut command = souk();
        command
            .arg("export")
            .args(options)
            .args(["--server", &suite.catalog_url()])
            .env("SOUK_TOKEN", suite.admin().await);
        let (status, text) = run(command);
        assert!(status.success(), "{text}");
        text
    };
    let output = exported.to_str().unwrap();
    export(&["--type", "book", "--output", output]).await;
    let first = std::fs::read_to_string(&exported).unwrap();
    assert_eq!(first.lines().count(), 2, "a header, and the only book: {first}");
    assert!(first.contains("\"One, \"\"quoted\"\"\"") && first.contains("books|french"), "{first}");
    let (succeeded, text) = import_as(&suite, &exported, "book").await;
    assert!(succeeded && text.contains("0 created, 1 updated, 0 rejected"), "{text}");
    export(&["--type", "book", "--output", output]).await;
    assert_eq!(std::fs::read_to_string(&exported).unwrap(), first);

    let lines = export(&["--format", "ndjson"]).await;
    let books: Vec<serde_json::Value> =
        lines.lines().filter_map(|line| serde_json::from_str(line).ok()).collect();
    assert_eq!(books.len(), 2, "{lines}");
    assert_eq!(books[0]["attributes"]["year"], 1885);
    let admin = suite.admin().await;
    let over_rest = suite.http().get_as(&admin, "/v2/products:export").await;
    let over_rest = String::from_utf8(over_rest.body.to_vec()).unwrap();
    assert_eq!(over_rest.lines().filter(|line| line.contains("\"sku\"")).count(), 2, "{over_rest}");
}
