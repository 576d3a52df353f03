-- What an order needs, in one database: the tables of Souk's catalog and orders, without what only
-- a service needs.

create table products (
    id          bigint primary key,
    name        text not null,
    price_minor bigint not null,
    currency    text not null default 'USD'
);

create table stock (
    product_id bigint primary key references products,
    available  integer not null check (available >= 0),
    reserved   integer not null default 0 check (reserved >= 0)
);

create table idempotency_keys (
    principal   bigint not null,
    operation   text not null,
    key         text not null,
    fingerprint bytea not null,
    expires_at  timestamptz not null default now() + interval '1 day',
    created_at  timestamptz not null default now(),
    primary key (principal, operation, key)
);

create table orders (
    id              uuid primary key default gen_random_uuid(),
    customer_id     bigint not null,
    idempotency_key text not null,
    state           text not null check (state in ('pending', 'reserved', 'rejected')),
    total_minor     bigint not null check (total_minor > 0),
    currency        text not null,
    reserved_until  timestamptz,
    version         integer not null default 1,
    created_at      timestamptz not null default now(),
    updated_at      timestamptz not null default now(),
    unique (customer_id, idempotency_key)
);

create index orders_by_customer on orders (customer_id, id);

create table order_lines (
    order_id         uuid not null references orders,
    position         integer not null,
    product_id       bigint not null,
    name             text not null,
    unit_price_minor bigint not null check (unit_price_minor > 0),
    quantity         integer not null check (quantity > 0),
    primary key (order_id, position)
);

create table stock_moves (
    id         bigint generated always as identity primary key,
    product_id bigint not null references products,
    order_id   uuid not null,
    kind       text not null,
    available  integer not null,
    reserved   integer not null,
    at         timestamptz not null default now()
);

create index stock_moves_by_product on stock_moves (product_id, id);

create table outbox (
    id           bigint generated always as identity primary key,
    subject      uuid not null,
    sequence     integer not null,
    kind         text not null,
    payload      jsonb not null,
    created_at   timestamptz not null default now(),
    published_at timestamptz,
    unique (subject, sequence)
);

create index outbox_unpublished on outbox (id) where published_at is null;

create table audit_log (
    id      bigint generated always as identity primary key,
    at      timestamptz not null default now(),
    actor   text not null,
    action  text not null,
    subject text not null
);

insert into products (id, name, price_minor)
    select n, 'Canvas bag, model ' || n, 1990 + n from generate_series(1, :products) as n;
insert into stock (product_id, available)
    select n, 1000000000 from generate_series(1, :products) as n;
analyze;
