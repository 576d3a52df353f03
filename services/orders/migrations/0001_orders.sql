create table orders (
    id              uuid primary key,
    customer_id     uuid not null,
    -- the client's key and what it asked for: even after the idempotency record is forgotten, a
    -- retry finds the order instead of placing another
    idempotency_key text not null,
    fingerprint     bytea not null,
    state           text not null check (state in (
        'pending', 'reserved', 'paying', 'paid', 'fulfilled',
        'rejected', 'payment_failed', 'cancelled', 'expired', 'refunded')),
    -- minor units: cents for USD
    total_minor     bigint not null check (total_minor > 0),
    currency        text not null,
    -- [{product, requested, available}], when rejected
    shortages       jsonb not null default '[]',
    -- when the reserved stock goes back
    reserved_until  timestamptz,
    -- counts the changes of the order; the sequence of its events
    version         integer not null default 1,
    request_id      text not null,
    created_at      timestamptz not null default now(),
    updated_at      timestamptz not null default now(),
    -- the saga: when a worker looks at the order next (null: never), who had it last, how often
    due_at          timestamptz,
    epoch           bigint not null default 1,
    attempts        integer not null default 0,
    constraint orders_idempotency_key_unique unique (customer_id, idempotency_key)
);

create index orders_by_customer on orders (customer_id, id);
create index orders_due on orders (due_at) where due_at is not null;

create table order_lines (
    order_id         uuid not null references orders,
    position         integer not null,
    product_id       uuid not null,
    -- as they were when the order was accepted
    name             text not null,
    unit_price_minor bigint not null check (unit_price_minor > 0),
    quantity         integer not null check (quantity > 0),
    primary key (order_id, position)
);

create table idempotency_keys (
    principal   uuid not null,
    operation   text not null,
    key         text not null,
    fingerprint bytea not null,
    resource    uuid not null,
    -- what the call was answered, once it was
    response    bytea,
    expires_at  timestamptz not null,
    created_at  timestamptz not null default now(),
    primary key (principal, operation, key)
);

create index idempotency_keys_expiry on idempotency_keys (expires_at);

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
    id         bigint generated always as identity primary key,
    at         timestamptz not null default now(),
    actor      text not null,
    action     text not null,
    subject    text not null,
    request_id text not null
);
