-- Stock in a table of its own: a sale changes neither the product's row nor its version.

create table stock (
    product_id uuid primary key references products on delete cascade,
    available  integer not null default 0,
    reserved   integer not null default 0,
    constraint stock_available_not_negative check (available >= 0),
    constraint stock_reserved_not_negative check (reserved >= 0),
    constraint stock_on_hand_is_counted check (available + reserved <= 1000000000)
) with (fillfactor = 50); -- room for the next version of a row beside it: no index changes

insert into stock (product_id, available, reserved) select id, available, reserved from products;

alter table products drop column available, drop column reserved;

-- Products as they are shown.
create view live_products as
    select id, sku, name, description, price_minor, currency, available, version, created_at,
        updated_at,
        array(select category_id from product_categories where product_id = id
              order by category_id) as category_ids
    from products join stock on product_id = id
    where deleted_at is null;

-- What is held stands in the reservation itself: it is written once and read whole.
alter table reservations
    add column product_ids uuid[] not null default '{}',
    add column quantities integer[] not null default '{}';

update reservations set product_ids = lines.product_ids, quantities = lines.quantities
from (
    select order_id, array_agg(product_id order by product_id) as product_ids,
        array_agg(quantity order by product_id) as quantities
    from reservation_lines group by order_id
) as lines
where lines.order_id = reservations.order_id;

drop table reservation_lines;

-- A move is written by the statement that has locked the stock row. The check would lock the product's
-- row as well, for every sale.
alter table stock_moves drop constraint stock_moves_product_id_fkey;

-- Which words there are, a release knows that writes them. A check would be read and prepared again by
-- each statement.
alter table stock_moves drop constraint stock_moves_kind_check;
alter table reservations drop constraint reservations_status_check;

-- How many rows the lists have, spread over several rows so that writers do not wait for each other.
create table totals (
    list  text not null,
    shard integer not null,
    count bigint not null,
    primary key (list, shard)
) with (fillfactor = 50);

create function add_to_total(list text, change bigint) returns void language sql as $$
    insert into totals as kept (list, shard, count)
    values (add_to_total.list, pg_backend_pid() % 16, change)
    on conflict (list, shard) do update set count = kept.count + excluded.count
$$;

select add_to_total('products', count(*)) from products where deleted_at is null;
select add_to_total('categories', count(*)) from categories;

create function count_inserted() returns trigger language plpgsql as $$
begin
    perform add_to_total(tg_table_name, (select count(*) from inserted));
    return null;
end
$$;

create function count_removed() returns trigger language plpgsql as $$
begin
    perform add_to_total(tg_table_name, -1);
    return null;
end
$$;

create trigger products_inserted after insert on products
    referencing new table as inserted for each statement execute function count_inserted();
-- a product is removed once, and stays as it is afterwards
create trigger products_removed after update of deleted_at on products
    for each row when (old.deleted_at is null and new.deleted_at is not null)
    execute function count_removed();
create trigger categories_inserted after insert on categories
    referencing new table as inserted for each statement execute function count_inserted();
create trigger categories_removed after delete on categories
    for each row execute function count_removed();

-- The calls that must not be done twice, and what they were answered.
create table idempotency_keys (
    principal   uuid not null,
    operation   text not null,
    key         text not null,
    fingerprint bytea not null,
    -- what the call made, if that has an id
    resource    uuid,
    -- what the call was answered, once it was: a gRPC status, metadata, a message
    status      integer,
    metadata    jsonb,
    response    bytea,
    expires_at  timestamptz not null,
    created_at  timestamptz not null default now(),
    primary key (principal, operation, key)
);

create index idempotency_keys_expiry on idempotency_keys (expires_at);

-- The SKUs of imports under way and their lines, so that the same twice in one import is noticed
-- without keeping them in memory. They go with the import; after a crash nobody misses them.
create unlogged table import_lines (
    import_id  uuid not null,
    sku        text not null,
    line       integer not null,
    created_at timestamptz not null default now(),
    primary key (import_id, sku)
);

create index import_lines_by_age on import_lines (created_at);
