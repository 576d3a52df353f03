//! Lists by relevance: of the products that have the words, the newest are ranked.

#[cfg(test)]
mod tests;

use souk_kit::page::{Entry, Window};
use sqlx::postgres::PgRow;
use sqlx::{PgConnection, Row as _};
use uuid::Uuid;

use super::{Query, entry, push_filter, push_order, push_window};
use crate::listing::{Filter, Listed, MOST_RELEVANT, Sort, SortKey};

/// In a shop with no more products than this those that have the words are few enough to gather them.
const SMALL: i64 = 20_000;
/// In a larger one so many of the newest products tell how frequent words are.
const SAMPLED: i64 = 2_000;
/// A product that is fetched from anywhere costs as much as so many that are walked through: six where texts are
/// short, and one where they are long enough to be stored apart.
const FETCHED: i64 = 3;

/// Where the newest products are looked for that have the words.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Among {
    /// Among so many of the newest of all, which are walked through.
    Newest(i64),
    /// Among all that have them, which are gathered by the index.
    Found,
}

/// The products of a page by relevance, and of how many it is one, counted as far as one more than
/// [`MOST_RELEVANT`].
pub async fn most_relevant(
    connection: &mut PgConnection,
    filter: &Filter,
    after: Option<&SortKey>,
    window: Window,
) -> Result<(Vec<Entry<Listed>>, i32), sqlx::Error> {
    let among = among(connection, filter).await?;
    let (rows, found) = ranked(connection, filter, among, after, window).await?;
    if among == Among::Found || found > MOST_RELEVANT {
        return Ok((rows, found));
    }
    // fewer have the words than the newest made believe
    ranked(connection, filter, Among::Found, after, window).await
}

/// Where it costs least to look. The database itself would believe, whatever the words are, that two percent of all
/// products have any beginning of one.
pub(super) async fn among(
    connection: &mut PgConnection,
    filter: &Filter,
) -> Result<Among, sqlx::Error> {
    let mut query = Query::new(
        "with shop as (select sum(count)::bigint as products from totals where list = 'products')
         select (select coalesce(products, 0) from shop), count(*) from (
             select * from products where deleted_at is null and (select products from shop) > ",
    );
    query.push_bind(SMALL);
    push_newest(&mut query, SAMPLED);
    query.push(") as products where true");
    push_filter(&mut query, filter);
    let sampled = query.build_query_as().persistent(false).fetch_one(connection).await?;
    let (products, have): (i64, i64) = sampled;
    if have == 0 {
        return Ok(Among::Found);
    }
    let walked = i64::from(MOST_RELEVANT) * SAMPLED / have;
    let fetched = products * have / SAMPLED;
    // twice as many: they are as frequent only about
    Ok(if walked < fetched * FETCHED { Among::Newest(2 * walked) } else { Among::Found })
}

async fn ranked(
    connection: &mut PgConnection,
    filter: &Filter,
    among: Among,
    after: Option<&SortKey>,
    window: Window,
) -> Result<(Vec<Entry<Listed>>, i32), sqlx::Error> {
    let mut query = Query::new("");
    push_ranked(&mut query, filter, among, after, window);
    let rows = query.build().persistent(false).fetch_all(connection).await?;
    let found = rows.first().map(|row| row.try_get("found")).transpose()?;
    // a page without products is one row that has only their number
    let is_product = |row: &&PgRow| !matches!(row.try_get("id"), Ok(None::<Uuid>));
    let products: Result<_, _> =
        rows.iter().filter(is_product).map(|row| entry(row, Sort::Relevance)).collect();
    Ok((products?, found.unwrap_or_default()))
}

pub(super) fn push_ranked(
    query: &mut Query,
    filter: &Filter,
    among: Among,
    after: Option<&SortKey>,
    window: Window,
) {
    let most = i64::from(MOST_RELEVANT);
    query.push("with found as materialized (");
    push_newest_found(query, filter, among, most + 1);
    query.push("), counted as (select count(*)::int as found from found)");
    query.push(", page as materialized (select * from (select id, ts_rank(search, search_query(");
    query.push_bind(filter.words.clone());
    // shorter texts before longer ones
    query.push("), 1) as sort_rank from (select * from found");
    push_newest(query, most);
    query.push(") as newest) as ranked where true");
    push_window(query, Sort::Relevance, after, window);
    query.push(") select counted.found, page.sort_rank, live_products.* from counted");
    query.push(" left join (page join live_products using (id)) on true");
    push_order(query, Sort::Relevance);
}

fn push_newest_found(query: &mut Query, filter: &Filter, among: Among, most: i64) {
    query.push("select id, search from (select * from products where deleted_at is null");
    match among {
        Among::Newest(walked) => {
            push_newest(query, walked);
            query.push(") as products where true");
            push_filter(query, filter);
        }
        Among::Found => {
            push_filter(query, filter);
            // is planned by itself: without an order to walk through
            query.push(" offset 0) as products");
        }
    }
    push_newest(query, most);
}

fn push_newest(query: &mut Query, most: i64) {
    query.push(" order by id desc limit ").push_bind(most);
}
