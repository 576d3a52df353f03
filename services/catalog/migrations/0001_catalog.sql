create table categories (
    id          uuid primary key,
    slug        text not null,
    name        text not null,
    description text not null default '',
    version     bigint not null default 1,
    created_at  timestamptz not null default now(),
    updated_at  timestamptz not null default now(),
    constraint categories_slug_unique unique (slug)
);

create table products (
    id          uuid primary key,
    sku         text not null,
    name        text not null,
    description text not null default '',
    -- minor units: cents for USD
    price_minor bigint not null check (price_minor > 0),
    currency    text not null default 'USD',
    available   integer not null default 0,
    reserved    integer not null default 0,
    version     bigint not null default 1,
    created_at  timestamptz not null default now(),
    updated_at  timestamptz not null default now(),
    -- a deleted product stays for the ledger and for the orders that hold it
    deleted_at  timestamptz,
    constraint products_available_not_negative check (available >= 0),
    constraint products_reserved_not_negative check (reserved >= 0)
);

create unique index products_sku_unique on products (sku) where deleted_at is null;
create index products_live on products (id) where deleted_at is null;

create table product_categories (
    product_id  uuid not null references products on delete cascade,
    category_id uuid not null,
    primary key (product_id, category_id),
    constraint product_categories_category_exists
        foreign key (category_id) references categories on delete cascade
);

create index product_categories_by_category on product_categories (category_id);

-- what is held for orders; one row an order, also for orders that were refused or released
create table reservations (
    order_id   uuid primary key,
    status     text not null
        check (status in ('held', 'rejected', 'released', 'expired', 'committed')),
    -- [{product_id, requested, available}], when rejected
    shortages  jsonb not null default '[]',
    expires_at timestamptz not null,
    created_at timestamptz not null default now(),
    updated_at timestamptz not null default now()
);

create index reservations_due on reservations (expires_at) where status = 'held';

create table reservation_lines (
    order_id   uuid not null references reservations,
    product_id uuid not null references products,
    quantity   integer not null check (quantity > 0),
    primary key (order_id, product_id)
);

-- append-only: the sum of the moves of a product is its stock
create table stock_moves (
    id         bigint generated always as identity primary key,
    product_id uuid not null references products,
    order_id   uuid,
    kind       text not null
        check (kind in ('create', 'adjust', 'import', 'reserve', 'release', 'expire', 'commit')),
    available  integer not null,
    reserved   integer not null,
    -- why, and who did it: an account, or a service
    reason     text not null default '',
    actor      text not null,
    at         timestamptz not null default now()
);

create index stock_moves_by_product on stock_moves (product_id, id);

create function refuse_change() returns trigger language plpgsql as $$
begin
    raise exception 'stock_moves is append-only';
end
$$;

create trigger stock_moves_append_only
    before update or delete on stock_moves
    for each row execute function refuse_change();
