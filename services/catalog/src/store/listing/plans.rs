//! At 100,000 products no list reads all of them, whatever its filters and order.

use std::time::Duration;

use futures::FutureExt as _;
use serde_json::Value;
use souk_db::Database;
use souk_kit::cursor::Total;
use souk_testing::TestDatabase;

use super::relevance::{Among, among, push_ranked};
use super::*;
use crate::MIGRATOR;
use crate::listing::COUNTED;
use crate::product_type::TypeName;
use crate::store::planning::plan_pages;
use crate::store::product_types::REINDEX;

const PRODUCTS: i32 = 100_000;
/// No statement looks at more rows, in all tables together: these have more than half a million. Most look at
/// some hundred.
const MOST_TOUCHED: f64 = 60_000.0;
/// Tables of which nothing may be read but by an index.
const LARGE: [&str; 4] = ["products", "stock", "availability", "product_categories"];

/// Categories, prices and names have nothing to do with each other: where they do, an order that begins with what a
/// filter does not have is walked further. Of the categories one has all products, one every tenth, and one every ten thousandth.
const LOAD: &str = "
    insert into product_types (id, name, schema, searchable, filterable)
        values (gen_random_uuid(), 'book', '{}', '{author}', '{author,year}');
    insert into categories (id, slug, name)
        select ('00000000-0000-7000-8000-00000000000' || n)::uuid, slug, slug
        from (values (1, 'all'), (2, 'tenth'), (3, 'rare')) as new (n, slug);
    insert into products (id, sku, name, description, price_minor, currency, type, attributes)
        select (lpad(to_hex(1760000000000 + n), 12, '0') || '7000' || '8' || lpad(to_hex(n), 15, '0'))::uuid,
            'SKU-' || n, 'The ' || (array['hammer', 'kettle', 'cup', 'lamp'])[1 + abs(hashint4(n)) % 4] || ' of ' || n,
            case when n % 1000 = 0 then 'with a rareword' else '' end, 100 + abs(hashint4(n + 1)) % 100000,
            case when n % 20 = 0 then 'EUR' else 'USD' end,
            case when n % 2 = 0 then 'book' end,
            case when n % 2 = 0 then jsonb_build_object('author', 'Author ' || n % 500, 'year', 1900 + n % 100)
                else '{}' end
        from generate_series(1, 100000) as n;
    insert into stock (product_id, available)
        select id, case when abs(hashint8(7 + row_number() over (order by id))) % 50 = 0 then 0 else 5 end
        from products;
    insert into product_categories (product_id, category_id)
        select id, ('00000000-0000-7000-8000-00000000000' || category)::uuid
        from (select id, row_number() over (order by id) as n from products) as numbered,
            (values (1, 1), (2, 10), (3, 10000)) as every (category, each)
        where n % each = 0;
    analyze";

fn category(number: u128) -> Categories {
    let id = Uuid::from_u128((7 << 76) | (8 << 60) | number);
    Categories { ids: vec![souk_kit::id::CategoryId::from_uuid(id)], all: true }
}

/// Filters that are narrow, wide, and both at once.
fn filters() -> Vec<Filter> {
    let filter = Filter::default;
    let usd = Some(souk_kit::Currency::USD);
    let words = |words: &str| Some(words.to_owned());
    let book = TypeName::parse("book".to_owned());
    vec![
        filter(),
        Filter { categories: vec![category(1)], ..filter() },
        Filter { categories: vec![category(2)], ..filter() },
        Filter { categories: vec![category(3)], ..filter() },
        Filter { categories: vec![category(1), category(2)], ..filter() },
        Filter { in_stock: Some(true), ..filter() },
        Filter { in_stock: Some(false), ..filter() },
        Filter { in_stock: Some(false), categories: vec![category(2)], ..filter() },
        Filter { currency: usd, ..filter() },
        Filter { currency: usd, min_price: Some(5_000), max_price: Some(6_000), ..filter() },
        Filter { currency: usd, min_price: Some(5_000), max_price: Some(5_010), ..filter() },
        Filter {
            currency: usd,
            max_price: Some(50_000),
            categories: vec![category(2)],
            ..filter()
        },
        Filter { product_type: book.clone(), ..filter() },
        Filter {
            product_type: book.clone(),
            attributes: vec![("author".to_owned(), "Author 8".into())],
            ..filter()
        },
        Filter {
            product_type: book,
            attributes: vec![("year".to_owned(), 1950.into())],
            in_stock: Some(true),
            ..filter()
        },
        Filter { words: words("rareword"), ..filter() },
        Filter { words: words("the hammer"), ..filter() },
        Filter { words: words("the ha"), in_stock: Some(true), ..filter() },
        Filter { words: words("author 8"), currency: usd, max_price: Some(40_000), ..filter() },
    ]
}

/// The rows that a plan has looked at; panics where it reads a whole table.
fn touched(plan: &Value, what: &str) -> f64 {
    let number = |name: &str| plan[name].as_f64().unwrap_or_default();
    let relation = plan["Relation Name"].as_str().unwrap_or_default();
    let kind = plan["Node Type"].as_str().unwrap_or_default();
    assert!(!(kind == "Seq Scan" && LARGE.contains(&relation)), "{what} reads all of {relation}");
    let looked_at = number("Actual Rows")
        + number("Rows Removed by Filter")
        + number("Rows Removed by Index Recheck");
    let own = if kind.contains("Scan") { looked_at * number("Actual Loops") } else { 0.0 };
    let parts = plan["Plans"].as_array().cloned().unwrap_or_default();
    own + parts.iter().map(|part| touched(part, what)).sum::<f64>()
}

/// What a statement is for.
#[derive(Debug, Clone, Copy)]
enum Purpose {
    Page(Way),
    Ranked(Among),
    Count,
}

async fn rows_touched(database: &Database, listing: Listing, purpose: Purpose) -> f64 {
    let what = format!("{listing:?}, for {purpose:?}");
    let access = database.within(Duration::from_secs(15));
    let explained = access.transaction(move |transaction| {
        async move {
            plan_pages(transaction).await?;
            let mut query = Query::new("explain (analyze, format json) ");
            let window = Window { after: None, offset: 0, limit: 21 };
            match purpose {
                Purpose::Count => push_count(&mut query, &listing.filter, COUNTED),
                Purpose::Page(way) => push_page(&mut query, &listing, way, None, window),
                Purpose::Ranked(among) => {
                    push_ranked(&mut query, &listing.filter, among, None, window);
                }
            }
            query.build_query_scalar().fetch_one(transaction).await
        }
        .boxed()
    });
    let Json(plan): Json<Value> = explained.await.unwrap();
    touched(&plan[0]["Plan"], &what)
}

#[tokio::test]
async fn no_list_of_a_large_shop_reads_all_of_it() {
    let test = TestDatabase::new(&MIGRATOR).await;
    let database = Database::open(test.options.clone(), &MIGRATOR, 2).await.unwrap();
    sqlx::raw_sql(LOAD).execute(&test.pool).await.unwrap();
    assert_eq!(test.count("products").await, i64::from(PRODUCTS));
    assert!(rows_touched_by_no_work(&database).await < MOST_TOUCHED);
    let directions = [Direction::Ascending, Direction::Descending];
    for filter in filters() {
        let found = matching(&database, &filter).await;
        let has_words = filter.words.is_some();
        let mut sorts: Vec<Sort> = directions
            .into_iter()
            .flat_map(|at| [Sort::Created(at), Sort::Price(at), Sort::Name(at)])
            .collect();
        sorts.extend(has_words.then_some(Sort::Relevance));
        for sort in sorts {
            let listing = Listing { filter: filter.clone(), sort };
            let purpose = match sort {
                Sort::Relevance => Purpose::Ranked(among_of(&database, &listing.filter).await),
                _ => Purpose::Page(listing.way(Total::counted(found, COUNTED))),
            };
            let rows = rows_touched(&database, listing.clone(), purpose).await;
            assert!(rows < MOST_TOUCHED, "{rows} rows for {listing:?}");
        }
        if filter.counter().is_some() {
            continue; // nobody counts these
        }
        let listing = Listing { filter, sort: Sort::Created(Direction::Ascending) };
        let rows = rows_touched(&database, listing.clone(), Purpose::Count).await;
        assert!(rows < MOST_TOUCHED, "{rows} rows to count {listing:?}");
    }
}

/// The rows that are looked at each second to find that no product has to be indexed anew.
async fn rows_touched_by_no_work(database: &Database) -> f64 {
    let access = database.within(Duration::from_secs(15));
    let explained = access.transaction(move |transaction| {
        async move {
            let prepare = format!("prepare reindex (bigint) as {REINDEX}");
            sqlx::raw_sql(sqlx::AssertSqlSafe(prepare)).execute(&mut *transaction).await?;
            let explain = "explain (analyze, format json) execute reindex (100)";
            sqlx::query_scalar(explain).persistent(false).fetch_one(transaction).await
        }
        .boxed()
    });
    let Json(plan): Json<Value> = explained.await.unwrap();
    touched(&plan[0]["Plan"], "to index anew")
}

/// How many products keep a filter, as far as they are counted.
async fn matching(database: &Database, filter: &Filter) -> i32 {
    let (access, filter) = (database.within(Duration::from_secs(15)), filter.clone());
    let counted = access.transaction(move |transaction| {
        async move { count(transaction, &filter, COUNTED).await }.boxed()
    });
    counted.await.unwrap()
}

async fn among_of(database: &Database, filter: &Filter) -> Among {
    let (access, filter) = (database.within(Duration::from_secs(15)), filter.clone());
    let decided = access
        .transaction(move |transaction| async move { among(transaction, &filter).await }.boxed());
    decided.await.unwrap()
}
