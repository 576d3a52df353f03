use futures::FutureExt as _;
use souk_db::Access;
use souk_kit::id::{ProductId, UserId};
use souk_kit::page::{Entry, Window};
use sqlx::{PgConnection, PgExecutor, Postgres, QueryBuilder};
use time::OffsetDateTime;
use uuid::Uuid;

use super::orders::COLUMNS;
use crate::listing::Filters;
use crate::order::Order;
use crate::state::State;

/// An id and the moment of an order come from one clock, and may still be this far apart.
const CLOCKS: time::Duration = time::Duration::minutes(1);

/// How far lists are counted to find the shortest.
const SHORT: i64 = 1_000;

/// Orders that stand together in an index, in the order of their ids: all, of a customer, with a product, in a state.
#[derive(Debug, Clone, Copy)]
enum Walk {
    All,
    Of(UserId),
    With(ProductId),
    In(State),
}

/// All orders or those of a customer, newest first. One statement without settings: with a customer that is equal to
/// one, the index has the order that is asked for, and is walked.
pub async fn newest(
    executor: impl PgExecutor<'_>,
    customer: Option<UserId>,
    window: Window,
) -> Result<Vec<Entry<Order>>, sqlx::Error> {
    let mut query = QueryBuilder::new("select ");
    query.push(COLUMNS).push(" from orders where id < ");
    query.push_bind(window.after.unwrap_or(Uuid::max()));
    if let Some(customer) = customer {
        query.push(" and customer_id = ").push_bind(customer.uuid());
    }
    query.push(" order by id desc limit ").push_bind(window.limit);
    query.push(" offset ").push_bind(window.offset);
    let rows = query.build().fetch_all(executor).await?;
    souk_db::entries(&rows)
}

/// Orders that the filters let through, newest first; and how many there are, counted as far as one more than `most`,
/// where that is asked for.
pub async fn list(
    access: &Access,
    filters: &Filters,
    window: Window,
    most: Option<i32>,
) -> Result<(Vec<Entry<Order>>, Option<i32>), sqlx::Error> {
    let filters = filters.clone();
    let found = access.transaction(move |transaction| {
        async move { found(transaction, &filters, window, most).await }.boxed()
    });
    found.await
}

pub(super) async fn found(
    transaction: &mut PgConnection,
    filters: &Filters,
    window: Window,
    most: Option<i32>,
) -> Result<(Vec<Entry<Order>>, Option<i32>), sqlx::Error> {
    only_walk(transaction).await?;
    let walk = shortest(transaction, filters).await?;
    let orders = page(transaction, walk, filters, window).await?;
    let count = match most {
        Some(most) => Some(count(transaction, walk, filters, most).await?),
        None => None,
    };
    Ok((orders, count))
}

/// Has rows come in the order of an index: to gather and sort them costs all of a list for a page of it, and looks
/// cheaper to a plan that does not know how many they are.
async fn only_walk(connection: &mut PgConnection) -> Result<(), sqlx::Error> {
    let settings = sqlx::query(
        "select set_config('enable_sort', 'off', true),
             set_config('enable_incremental_sort', 'off', true)",
    );
    settings.execute(connection).await.map(drop)
}

/// The shortest of the lists that the filters name: what must be in all of them is found soonest there. Of several long
/// ones it does not matter, unless they have little in common.
async fn shortest(connection: &mut PgConnection, filters: &Filters) -> Result<Walk, sqlx::Error> {
    let walks = [
        filters.customer.map(Walk::Of),
        filters.product.map(Walk::With),
        filters.state.map(Walk::In),
    ];
    let walks: Vec<Walk> = walks.into_iter().flatten().collect();
    if let [] | [_] = *walks {
        return Ok(walks.first().copied().unwrap_or(Walk::All));
    }
    let mut query = QueryBuilder::new("select array[");
    for (place, walk) in walks.iter().enumerate() {
        query.push(if place > 0 { ", " } else { "" }).push("(select count(*) from (select from ");
        query.push(walk.table()).push(" where ");
        walk.push_range(&mut query, range(filters, None));
        query.push(walk.order()).push(" limit ").push_bind(SHORT).push(") as listed)");
    }
    let counts: Vec<i64> = query.push("]").build_query_scalar().fetch_one(connection).await?;
    let shortest = walks.into_iter().zip(counts).min_by_key(|(_, count)| *count);
    Ok(shortest.map_or(Walk::All, |(walk, _)| walk))
}

async fn page(
    connection: &mut PgConnection,
    walk: Walk,
    filters: &Filters,
    window: Window,
) -> Result<Vec<Entry<Order>>, sqlx::Error> {
    let mut query = QueryBuilder::new("select ");
    query.push(COLUMNS).push(" from ");
    push_walk(&mut query, walk, filters, window.after);
    query.push(" limit ").push_bind(window.limit).push(" offset ").push_bind(window.offset);
    souk_db::entries(&query.build().fetch_all(connection).await?)
}

async fn count(
    connection: &mut PgConnection,
    walk: Walk,
    filters: &Filters,
    most: i32,
) -> Result<i32, sqlx::Error> {
    let mut query = QueryBuilder::new("select count(*)::int from (select from ");
    push_walk(&mut query, walk, filters, None);
    query.push(" limit ").push_bind(i64::from(most) + 1).push(") as orders");
    query.build_query_scalar().fetch_one(connection).await
}

/// Orders of a list that the filters let through, in its order.
fn push_walk(
    query: &mut QueryBuilder<Postgres>,
    walk: Walk,
    filters: &Filters,
    after: Option<Uuid>,
) {
    query.push(match walk {
        // each is found by its id: the planner is not asked
        Walk::With(_) => {
            "order_lines cross join lateral
                 (select * from orders where orders.id = order_id offset 0) as orders where "
        }
        Walk::All | Walk::Of(_) | Walk::In(_) => "orders where ",
    });
    walk.push_range(query, range(filters, after));
    push_rest(query, walk, filters);
    query.push(walk.order());
}

/// The filters that a walk does not keep by itself.
fn push_rest(query: &mut QueryBuilder<Postgres>, walk: Walk, filters: &Filters) {
    if let (Some(customer), Walk::All | Walk::With(_) | Walk::In(_)) = (filters.customer, walk) {
        query.push(" and customer_id = ").push_bind(customer.uuid());
    }
    if let (Some(state), Walk::All | Walk::Of(_) | Walk::With(_)) = (filters.state, walk) {
        query.push(" and state = ").push_bind(state.as_str());
    }
    if let (Some(product), Walk::All | Walk::Of(_) | Walk::In(_)) = (filters.product, walk) {
        // order by order
        query.push(
            " and exists (select from order_lines where order_id = orders.id and product_id = ",
        );
        query.push_bind(product.uuid()).push(" offset 0)");
    }
    if let Some(after) = filters.created_after {
        query.push(" and created_at >= ").push_bind(after);
    }
    if let Some(before) = filters.created_before {
        query.push(" and created_at < ").push_bind(before);
    }
}

impl Walk {
    fn table(self) -> &'static str {
        match self {
            Self::With(_) => "order_lines",
            Self::All | Self::Of(_) | Self::In(_) => "orders",
        }
    }

    fn order(self) -> &'static str {
        match self {
            Self::All => " order by id desc",
            Self::Of(_) => " order by customer_id desc, id desc",
            Self::With(_) => " order by product_id desc, order_id desc",
            Self::In(_) => " order by state desc, id desc",
        }
    }

    /// The ids from the first up to the end. Both columns at once: equality with the first would leave it open to
    /// walk another index, and to leave out what is not of this list.
    fn push_range(self, query: &mut QueryBuilder<Postgres>, (first, end): (Uuid, Uuid)) {
        self.push_bound(query, ">=", first);
        query.push(" and ");
        self.push_bound(query, "<", end);
    }

    fn push_bound(self, query: &mut QueryBuilder<Postgres>, than: &str, id: Uuid) {
        query.push(match self {
            Self::All => "(id) ",
            Self::Of(_) => "(customer_id, id) ",
            Self::With(_) => "(product_id, order_id) ",
            Self::In(_) => "(state, id) ",
        });
        query.push(than).push(" (");
        let behind = match self {
            Self::All => query,
            Self::Of(customer) => query.push_bind(customer.uuid()).push(", "),
            Self::With(product) => query.push_bind(product.uuid()).push(", "),
            Self::In(state) => query.push_bind(state.as_str()).push(", "),
        };
        behind.push_bind(id).push(")");
    }
}

/// The first id that an order of the filters may have, and the first that is too great. Ids grow with time: they bound
/// what is read, and the moments themselves decide.
fn range(filters: &Filters, after: Option<Uuid>) -> (Uuid, Uuid) {
    let first = filters.created_after.and_then(|after| after.checked_sub(CLOCKS)).map(first_id);
    let end = filters.created_before.and_then(|before| before.checked_add(CLOCKS)).map(first_id);
    let end = end.into_iter().chain(after).min();
    (first.unwrap_or(Uuid::nil()), end.unwrap_or(Uuid::max()))
}

/// The smallest id (UUIDv7) of a moment.
fn first_id(at: OffsetDateTime) -> Uuid {
    let millis = u128::try_from(at.unix_timestamp_nanos() / 1_000_000).unwrap_or_default();
    Uuid::from_u128(millis << 80)
}
