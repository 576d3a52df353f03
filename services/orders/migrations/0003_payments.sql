-- Payments, refunds, shipments, addresses; numbers for people; the history of an order.

-- Each process takes some at once, so that placing an order does not ask for one.
create sequence order_numbers start 1001 increment 50;

alter table orders
    add column number bigint,
    add column ships_to jsonb,
    -- what the catalog holds for it, as far as is known
    add column stock text not null default 'unknown',
    add column paid_minor bigint not null default 0,
    add column refunded_minor bigint not null default 0,
    add constraint orders_refunded_at_most_paid
        check (refunded_minor >= 0 and refunded_minor <= paid_minor) not valid;
-- as cheap as a new table: all rows have the same
alter table orders validate constraint orders_refunded_at_most_paid;

create table payments (
    -- the provider's idempotency key
    id             uuid primary key,
    order_id       uuid not null,
    customer_id    uuid not null,
    -- which attempt of the order it is
    number         integer not null,
    provider       text not null,
    method         text not null,
    state          text not null,
    amount_minor   bigint not null check (amount_minor > 0),
    currency       text not null,
    -- kept by the refunds
    refunded_minor bigint not null default 0,
    reference      text,
    failure        text,
    -- the call that waits for what becomes of it
    operation      text,
    key            text,
    -- when the provider is asked again
    look_at        timestamptz,
    created_at     timestamptz not null,
    updated_at     timestamptz not null,
    unique (order_id, number),
    constraint payments_refunded_at_most_charged check (
        refunded_minor >= 0
        and (refunded_minor = 0
             or state in ('succeeded', 'surplus') and refunded_minor <= amount_minor))
);

-- An order has one attempt that is under way, and one that succeeds: whoever pays from two tabs.
create unique index payments_one_open on payments (order_id)
    where state in ('pending', 'requires_confirmation', 'confirming');
create unique index payments_one_succeeded on payments (order_id) where state = 'succeeded';
create index payments_by_reference on payments (provider, reference) where reference is not null;

create table refunds (
    -- the provider's idempotency key
    id           uuid primary key,
    order_id     uuid not null,
    customer_id  uuid not null,
    payment_id   uuid not null,
    state        text not null,
    amount_minor bigint not null check (amount_minor > 0),
    currency     text not null,
    reason       text not null,
    reference    text,
    created_at   timestamptz not null,
    updated_at   timestamptz not null
);

create index refunds_by_order on refunds (order_id);

-- What goes back is counted in the payment, whose constraint refuses more than was paid, whoever asks at once.
create function count_refund() returns trigger language plpgsql as $$
begin
    update payments set refunded_minor = refunded_minor
        + case when new.state = 'failed' then 0 else new.amount_minor end
        - case when tg_op = 'INSERT' or old.state = 'failed' then 0 else old.amount_minor end
    where id = new.payment_id;
    if not found then
        raise exception 'a refund of no payment';
    end if;
    return null;
end
$$;

create trigger refunds_counted after insert or update on refunds
    for each row execute function count_refund();

create table shipments (
    id              uuid primary key,
    -- an order is sent as a whole, once
    order_id        uuid not null unique,
    carrier         text not null,
    tracking_number text not null,
    created_at      timestamptz not null,
    delivered_at    timestamptz
);

create table addresses (
    id          uuid primary key,
    customer_id uuid not null,
    postal      jsonb not null,
    created_at  timestamptz not null default now(),
    updated_at  timestamptz not null default now()
);

create index addresses_by_customer on addresses (customer_id, id);

-- Lists by state and by product.
create index orders_by_state on orders (state, id);
create index order_lines_by_product on order_lines (product_id, order_id);

-- The history of an order: the state after each change, and why.
alter table audit_log
    add column state text not null default '',
    add column reason text not null default '';

create index audit_log_by_subject on audit_log (subject, id);

-- The sandbox: what a bank would know. A key charges once, but for those who ask for more.
create table sandbox_charges (
    reference    text primary key,
    payment_id   uuid not null,
    order_id     uuid not null,
    method       text not null,
    amount_minor bigint not null,
    currency     text not null,
    -- none while it is declined or waits for the customer
    charged_at   timestamptz,
    declined     boolean not null default false,
    created_at   timestamptz not null default now()
);

create index sandbox_charges_by_payment on sandbox_charges (payment_id);
create index sandbox_charges_by_order on sandbox_charges (order_id);

create table sandbox_refunds (
    refund_id    uuid primary key,
    reference    text not null references sandbox_charges,
    amount_minor bigint not null,
    created_at   timestamptz not null default now()
);

create index sandbox_refunds_by_charge on sandbox_refunds (reference);
