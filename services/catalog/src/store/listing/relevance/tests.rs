//! Words that are frequent, rare, and not what the newest products make believe.

use std::time::Duration;

use futures::FutureExt as _;
use souk_db::Database;
use souk_testing::TestDatabase;

use super::*;
use crate::MIGRATOR;
use crate::store::planning::plan_pages;

/// Each third has a frequent word, once or twice; each thousandth a rare one; and the newest 500 one that only the
/// oldest has beside them.
const LOAD: &str = "
    insert into products (id, sku, name, description, price_minor)
        select (lpad(to_hex(1760000000000 + n), 12, '0') || '7000' || '8' || lpad(to_hex(n), 15, '0'))::uuid,
            'SKU-' || n, 'Thing ' || n || case when n % 6 = 0 then ' often' else '' end,
            concat_ws(' ', case when n % 3 = 0 then 'often' end, case when n % 1000 = 0 then 'seldom' end,
                case when n > 59500 or n = 1 then 'fresh' end), 100
        from generate_series(1, 60000) as n;
    insert into stock (product_id, available) select id, 1 from products;
    analyze";

/// The same list as the contract has it.
const EXPECTED: &str = "
    select id from (
        select id, ts_rank(search, search_query($1), 1) as rank from products
        where search @@ search_query($1) order by id desc limit 1000
    ) as newest
    order by rank desc, id desc offset $2 limit 21";

#[tokio::test]
async fn wherever_the_newest_are_looked_for_they_are_the_same() {
    let test = TestDatabase::new(&MIGRATOR).await;
    let database = Database::open(test.options.clone(), &MIGRATOR, 2).await.unwrap();
    sqlx::raw_sql(LOAD).execute(&test.pool).await.unwrap();
    for (words, is_frequent, found) in [
        ("often", true, MOST_RELEVANT + 1),
        ("thing oft", true, MOST_RELEVANT + 1),
        ("seldom", false, 60),
        // few of them, of which the newest know nothing
        ("fresh", true, 501),
        ("nothing", false, 0),
    ] {
        for offset in [0, 42, 995, 1_500] {
            let expected = sqlx::query_scalar(EXPECTED).bind(words).bind(offset);
            let expected: Vec<Uuid> = expected.fetch_all(&test.pool).await.unwrap();
            let (among, ids, counted) = list(&database, words, offset).await;
            assert_eq!(among != Among::Found, is_frequent, "{words}: {among:?}");
            assert_eq!((ids, counted), (expected, found), "{words}, from {offset}");
        }
    }
}

/// Where the products of a page were looked for first, which they are, and how many were found.
async fn list(database: &Database, words: &str, offset: i64) -> (Among, Vec<Uuid>, i32) {
    let filter = Filter { words: Some(words.to_owned()), ..Filter::default() };
    let window = Window { after: None, offset, limit: 21 };
    let access = database.within(Duration::from_secs(15));
    let listed = access.transaction(move |transaction| {
        async move {
            plan_pages(transaction).await?;
            let among = among(transaction, &filter).await?;
            let (rows, found) = most_relevant(transaction, &filter, None, window).await?;
            let ids = rows.into_iter().filter_map(Entry::row).map(|row| row.product.id.uuid());
            Ok::<_, sqlx::Error>((among, ids.collect(), found))
        }
        .boxed()
    });
    listed.await.unwrap()
}
