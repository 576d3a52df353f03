-- A provider elsewhere, which tells by itself what has happened.

alter table payments
    -- what the provider calls what the customer pays; its charges have references
    add column provider_order text;

create index payments_by_provider_order on payments (provider, provider_order)
    where provider_order is not null;

-- An order has one attempt whose money a bank holds for it.
create unique index payments_one_authorized on payments (order_id) where state = 'authorized';

alter table refunds
    -- before then the provider is not asked, or not again
    add column look_at timestamptz;

-- What providers have told: that an event has come, and nothing of what it says, which is asked of the provider.
create table provider_events (
    provider    text not null,
    event_id    text not null,
    kind        text not null,
    received_at timestamptz not null default now(),
    primary key (provider, event_id)
);

create index provider_events_by_time on provider_events (received_at);
