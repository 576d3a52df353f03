#[cfg(test)]
mod plans;
mod relevance;

use souk_kit::page::{Entry, Window};
use sqlx::postgres::PgRow;
use sqlx::types::Json;
use sqlx::{FromRow as _, PgConnection, Postgres, QueryBuilder, Row as _};
use uuid::Uuid;

pub use self::relevance::most_relevant;
use crate::listing::{
    Categories, Direction, Filter, Listed, Listing, Sort, SortKey, Way, first_id_after,
};
use crate::product::Product;

/// A statement of the filters that there are.
type Query = QueryBuilder<Postgres>;

/// The products of a page, in their order, which is not that of relevance.
pub async fn page(
    connection: &mut PgConnection,
    listing: &Listing,
    way: Way,
    after: Option<&SortKey>,
    window: Window,
) -> Result<Vec<Entry<Listed>>, sqlx::Error> {
    let mut query = Query::new("");
    push_page(&mut query, listing, way, after, window);
    // another time it may be planned otherwise: there is nothing to keep
    let rows = query.build().persistent(false).fetch_all(connection).await?;
    rows.iter().map(|row| entry(row, listing.sort)).collect()
}

fn push_page(
    query: &mut Query,
    listing: &Listing,
    way: Way,
    after: Option<&SortKey>,
    window: Window,
) {
    // what is materialized is planned by itself: without an order to walk through, or with one
    query.push(match way {
        Way::Gather => "with found as materialized (",
        Way::Walk => "with page as materialized (select * from (",
    });
    push_found(query, &listing.filter, sort_columns(listing.sort));
    query.push(match way {
        Way::Gather => "), page as materialized (select * from found where true",
        Way::Walk => ") as found where true",
    });
    push_window(query, listing.sort, after, window);
    query.push(") select live_products.*");
    for column in sort_columns(listing.sort) {
        query.push(", page.").push(column.name);
    }
    query.push(" from page join live_products using (id)");
    push_order(query, listing.sort);
}

/// How many products keep a filter, counted as far as one more than `most`.
pub async fn count(
    connection: &mut PgConnection,
    filter: &Filter,
    most: i32,
) -> Result<i32, sqlx::Error> {
    let mut query = Query::new("");
    push_count(&mut query, filter, most);
    query.build_query_scalar().persistent(false).fetch_one(connection).await
}

fn push_count(query: &mut Query, filter: &Filter, most: i32) {
    query.push("select count(*)::int from (");
    push_found(query, filter, &[]);
    query.push(" limit ").push_bind(i64::from(most) + 1).push(") as found");
}

/// What a list is sorted by before the id: its name in a page, and what it is of a product.
struct Column {
    name: &'static str,
    of_product: &'static str,
}

const PRICE: &[Column] = &[
    Column { name: "sort_currency", of_product: "currency" },
    Column { name: "sort_price", of_product: "price_minor" },
];
const NAME: &[Column] =
    &[Column { name: "sort_text", of_product: "sort_name(name) collate \"C\"" }];
const RANK: &[Column] = &[Column { name: "sort_rank", of_product: "rank" }];

fn sort_columns(sort: Sort) -> &'static [Column] {
    match sort {
        Sort::Created(_) => &[],
        Sort::Price(_) => PRICE,
        Sort::Name(_) => NAME,
        Sort::Relevance => RANK,
    }
}

fn push_found(query: &mut Query, filter: &Filter, columns: &[Column]) {
    query.push("select id");
    for column in columns {
        query.push(format_args!(", {} as {}", column.of_product, column.name));
    }
    query.push(" from products where deleted_at is null");
    push_filter(query, filter);
}

fn push_filter(query: &mut Query, filter: &Filter) {
    if let Some(currency) = filter.currency {
        query.push(" and currency = ").push_bind(currency.code());
    }
    if let Some(price) = filter.min_price {
        query.push(" and price_minor >= ").push_bind(price);
    }
    if let Some(price) = filter.max_price {
        query.push(" and price_minor <= ").push_bind(price);
    }
    if let Some(name) = &filter.product_type {
        query.push(" and type = ").push_bind(name.as_str().to_owned());
    }
    if let Some(time) = filter.created_after {
        query.push(" and id >= ").push_bind(first_id_after(time));
    }
    if let Some(words) = &filter.words {
        query.push(" and search @@ search_query(").push_bind(words.clone()).push(")");
    }
    for (name, value) in &filter.attributes {
        let attribute = serde_json::json!({ name: value });
        query.push(" and attributes @> ").push_bind(Json(attribute));
    }
    for categories in &filter.categories {
        push_categories(query, categories);
    }
    if let Some(in_stock) = filter.in_stock {
        query.push(" and exists (select from availability where product_id = products.id");
        query.push(" and in_stock = ").push_bind(in_stock).push(")");
    }
}

fn push_categories(query: &mut Query, categories: &Categories) {
    let ids = categories.ids.iter().map(|id| id.uuid());
    let groups: Vec<Vec<Uuid>> =
        if categories.all { ids.map(|id| vec![id]).collect() } else { vec![ids.collect()] };
    for group in groups {
        query.push(" and exists (select from product_categories where product_id = products.id");
        match group.as_slice() {
            // of one the database knows how many products it has
            [id] => query.push(" and category_id = ").push_bind(*id).push(")"),
            _ => query.push(" and category_id = any (").push_bind(group).push("))"),
        };
    }
}

/// The part of a list that a page is.
fn push_window(query: &mut Query, sort: Sort, after: Option<&SortKey>, window: Window) {
    if let (Some(key), Some(id)) = (after, window.after) {
        push_after(query, sort, key, id);
    }
    push_order(query, sort);
    query.push(" limit ").push_bind(window.limit).push(" offset ").push_bind(window.offset);
}

/// Goes on behind a product of this key.
fn push_after(query: &mut Query, sort: Sort, key: &SortKey, id: Uuid) {
    let sign = match direction(sort) {
        Direction::Ascending => ">",
        Direction::Descending => "<",
    };
    match key {
        SortKey::Nothing => query.push(format_args!(" and id {sign} ")).push_bind(id),
        SortKey::Price { currency, minor } => query
            .push(format_args!(" and (sort_currency, sort_price, id) {sign} ("))
            .push_bind(currency.clone())
            .push(", ")
            .push_bind(*minor)
            .push(", ")
            .push_bind(id)
            .push(")"),
        SortKey::Name(name) => query
            .push(format_args!(" and (sort_text, id) {sign} ("))
            .push_bind(name.clone())
            .push(", ")
            .push_bind(id)
            .push(")"),
        SortKey::Relevance(rank) => query
            .push(" and (sort_rank, id) < (")
            .push_bind(*rank)
            .push(", ")
            .push_bind(id)
            .push(")"),
    };
}

fn push_order(query: &mut Query, sort: Sort) {
    let direction = match direction(sort) {
        Direction::Ascending => "",
        Direction::Descending => " desc",
    };
    query.push(" order by ");
    for column in sort_columns(sort) {
        query.push(format_args!("{}{direction}, ", column.name));
    }
    query.push(format_args!("id{direction}"));
}

/// By relevance, the best come first, and of those that are alike the newest.
fn direction(sort: Sort) -> Direction {
    match sort {
        Sort::Created(direction) | Sort::Price(direction) | Sort::Name(direction) => direction,
        Sort::Relevance => Direction::Descending,
    }
}

fn entry(row: &PgRow, sort: Sort) -> Result<Entry<Listed>, sqlx::Error> {
    let sort_key = match sort {
        Sort::Created(_) => SortKey::Nothing,
        Sort::Price(_) => SortKey::Price {
            currency: row.try_get("sort_currency")?,
            minor: row.try_get("sort_price")?,
        },
        Sort::Name(_) => SortKey::Name(row.try_get("sort_text")?),
        Sort::Relevance => SortKey::Relevance(row.try_get("sort_rank")?),
    };
    match Product::from_row(row) {
        Ok(product) => Ok(Entry::Row(Listed { product, sort_key })),
        Err(error) => {
            tracing::error!(%error, "a row cannot be read");
            let sort_key = sort_key.to_bytes();
            Ok(Entry::Unreadable { key: row.try_get("id")?, sort_key })
        }
    }
}
