-- Types of products, and what they say of each.

create table product_types (
    -- its place in lists
    id         uuid primary key,
    name       text not null,
    -- JSON Schema (draft 2020-12) of the attributes
    schema     jsonb not null,
    searchable text[] not null,
    filterable text[] not null,
    version    bigint not null default 1,
    created_at timestamptz not null default now(),
    updated_at timestamptz not null default now(),
    constraint product_types_name_unique unique (name)
);

create trigger product_types_inserted after insert on product_types
    referencing new table as inserted for each statement execute function count_inserted();
create trigger product_types_removed after delete on product_types
    for each row execute function count_removed();

alter table products
    add column type text,
    add column attributes jsonb not null default '{}',
    add constraint products_type_exists foreign key (type) references product_types (name),
    add constraint products_attributes_have_a_type check (type is not null or attributes = '{}');

-- also of deleted products: the type of these goes with it
create index products_of_type on products (type, id) where type is not null;

create or replace view live_products as
    select id, sku, name, description, price_minor, currency, available, version, created_at,
        updated_at,
        array(select category_id from product_categories where product_id = id
              order by category_id) as category_ids,
        type, attributes
    from products join stock on product_id = id
    where deleted_at is null;
