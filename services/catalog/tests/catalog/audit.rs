//! The auditor: what must be true of the database at any moment, whoever left, died or was late.

use sqlx::Acquire as _;

use crate::support::World;

/// What is not as it should be: a question each, which nothing must answer.
const WRONG: &[(&str, &str)] = &[
    (
        "stock that the ledger does not explain",
        "select stock.product_id::text from stock
         left join stock_moves as moves on moves.product_id = stock.product_id
         group by stock.product_id
         having stock.available <> coalesce(sum(moves.available), 0)
             or stock.reserved <> coalesce(sum(moves.reserved), 0)",
    ),
    (
        "held stock that no reservation holds",
        "select stock.product_id::text from stock left join (
             select product_id, sum(quantity) as held
             from reservations, unnest(product_ids, quantities) as lines (product_id, quantity)
             where status = 'held' group by product_id
         ) as holds on holds.product_id = stock.product_id
         where reserved <> coalesce(held, 0)",
    ),
    (
        "a product without stock",
        "select id::text from products where id not in (select product_id from stock)",
    ),
    (
        "units that the ledger does not have where their reservation does",
        "select order_id::text from (
             select order_id, product_id, sum(available) as available, sum(reserved) as reserved,
                 (array_agg(reserved order by id desc) filter (where kind = 'reserve'))[1] as wanted,
                 (array_agg(kind order by id desc))[1] as last
             from stock_moves where order_id is not null group by order_id, product_id
         ) as told full join (
             select order_id, product_id, quantity, status
             from reservations, unnest(product_ids, quantities) as lines (product_id, quantity)
         ) as lines using (order_id, product_id)
         where (available, reserved) is distinct from case status
                 when 'held' then (-quantity::bigint, quantity::bigint)
                 when 'committed' then (-quantity::bigint, 0::bigint)
                 else (0::bigint, 0::bigint) end
             -- what an order wanted before it was decided anew has been given back
             or quantity is null and last not in ('release', 'expire')
             or quantity is not null and (wanted, last) is distinct from (quantity, case status
                 when 'held' then 'reserve' when 'released' then 'release'
                 when 'expired' then 'expire' when 'committed' then 'commit'
                 when 'returned' then 'return' end)",
    ),
    (
        "units that have left an order twice, or that have not come",
        "select order_id::text from stock_moves where order_id is not null
         group by order_id, product_id
         having string_agg(kind || ' ', '' order by id)
             !~ '^(reserve (release |expire ))*(reserve (commit (return )?)?)?$'",
    ),
    (
        "moves of an order without a reservation",
        "select id::text from stock_moves
         where order_id is not null and order_id not in (select order_id from reservations)",
    ),
    (
        "a pin of what is not held",
        "select order_id::text from reservations where pinned and status <> 'held'",
    ),
    (
        "a call that is noted and was not answered",
        "select key from idempotency_keys where status is null or response is null",
    ),
    (
        "a total of what is gone",
        "select list from totals where list like 'categories/%'
             and list not in (select 'categories/' || id from categories)",
    ),
    (
        "a deleted product in a category",
        "select id::text from products join product_categories on product_id = id
         where deleted_at is not null",
    ),
    (
        "a version of a product that nobody was told of, or twice",
        "select id::text from products where array(
             select sequence from outbox where subject = products.id and sequence is not null
             order by sequence
         ) <> array(select generate_series(1, version))",
    ),
    (
        "a product that shows other images than those that are stored",
        "select id::text from products where deleted_at is null and
             array(select unnest(image_ids) order by 1) <> array(
                 select images.id from images where product_id = products.id and state = 'ready'
                 order by id)",
    ),
    (
        "an image of a product that is deleted",
        "select images.id::text from images join products on products.id = product_id
         where state = 'ready' and deleted_at is not null",
    ),
    (
        "a category below itself",
        "with recursive above as (
             select id, parent_id from categories where parent_id is not null
             union
             select above.id, categories.parent_id
             from above join categories on categories.id = above.parent_id
         )
         select id::text from above where id = parent_id",
    ),
    (
        "a list whose length is wrong",
        "select list from (
             select 'products' as list, count(*) as rows from products where deleted_at is null
             union all
             select 'categories', count(*) from categories
             union all
             select 'categories/' || id, count(product_id)
             from categories left join product_categories on category_id = id group by id
             union all
             select 'products/currency/' || currency, count(*)
             from products where deleted_at is null group by currency
             union all
             select 'products/type/' || type, count(*)
             from products where deleted_at is null and type is not null group by type
             union all
             select 'products/type/' || type || '/' || currency, count(*)
             from products where deleted_at is null and type is not null group by type, currency
         ) as lists
         where rows <> (
             select coalesce(sum(count), 0) from totals where totals.list = lists.list)",
    ),
];

impl World {
    /// Asserts all of it, at one moment, while anything may be under way.
    pub async fn audit(&self) {
        let mut connection = self.test.pool.acquire().await.unwrap();
        let mut transaction = connection.begin().await.unwrap();
        sqlx::query("set transaction isolation level repeatable read, read only")
            .execute(&mut *transaction)
            .await
            .unwrap();
        for (what, question) in WRONG {
            let wrong: Vec<String> =
                sqlx::query_scalar(*question).fetch_all(&mut *transaction).await.unwrap();
            assert!(wrong.is_empty(), "{what}: {wrong:?}");
        }
        transaction.rollback().await.unwrap();
        drop(connection);
        self.test.assert_no_transaction_left_open().await;
    }
}
