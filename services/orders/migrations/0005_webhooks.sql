-- Webhooks: who is told of what happens to orders, and how far that is.

-- A UUIDv7, as the code makes them, with fractions of its millisecond: what is made here is listed by time as well.
create function new_id() returns uuid language sql volatile as $$
    select encode(
        overlay(uuid_send(gen_random_uuid()) placing int8send(
            (floor(millis)::bigint << 16) | (7 << 12) | floor((millis - floor(millis)) * 4096)::bigint)
        from 1 for 8), 'hex')::uuid
    from (select extract(epoch from clock_timestamp()) * 1000 as millis) as now
$$;

create table webhook_endpoints (
    id              uuid primary key,
    owner_id        uuid not null,
    url             text not null,
    description     text not null,
    -- names of events, or order.*; none means all
    events          text[] not null,
    all_orders      boolean not null,
    strict_order    boolean not null,
    enabled         boolean not null default true,
    disabled_reason text,
    disabled_at     timestamptz,
    -- encrypted, as is the one before it
    secret          bytea not null,
    previous_secret bytea,
    previous_until  timestamptz,
    -- whether its last webhook has arrived, and soon, if there was one: others have half of the room
    is_well         boolean not null default true,
    -- when one has arrived last, and when it had its turn last
    arrived_at      timestamptz,
    served_at       timestamptz not null default now(),
    -- it goes when its log has
    deleted_at      timestamptz,
    created_at      timestamptz not null default now(),
    updated_at      timestamptz not null default now(),
    check (enabled = (disabled_at is null))
) with (fillfactor = 70);

create index webhook_endpoints_by_owner on webhook_endpoints (owner_id, id) where deleted_at is null;
create index webhook_endpoints_of_all on webhook_endpoints (id)
    where all_orders and enabled and deleted_at is null;
create index webhook_endpoints_deleted on webhook_endpoints (deleted_at) where deleted_at is not null;

-- What is told, once for all endpoints. The outbox forgets after a week; who asks for it again has a month.
create table webhook_events (
    id          uuid primary key,
    type        text not null,
    -- the order, and which change of it; a test has neither, and no payload
    subject     uuid,
    sequence    integer,
    payload     bytea,
    occurred_at timestamptz not null default now()
);

create table webhook_deliveries (
    id           uuid primary key default new_id(),
    endpoint_id  uuid not null references webhook_endpoints,
    owner_id     uuid not null,
    event_id     uuid not null references webhook_events,
    subject      uuid,
    -- where the event is in the stream of all
    position     bigint not null default 0,
    state        text not null default 'pending',
    attempts     integer not null default 0,
    -- since when it is tried, and how often in vain since then
    scheduled_at timestamptz not null default now(),
    failures     integer not null default 0,
    due_at       timestamptz default now(),
    -- while somebody sends it; who comes later has another epoch
    leased_until timestamptz,
    epoch        bigint not null default 0,
    -- the last attempt
    attempted_at timestamptz,
    outcome      text not null default '',
    status       integer,
    excerpt      text not null default '',
    took_ms      integer not null default 0,
    delivered_at timestamptz,
    created_at   timestamptz not null default now(),
    -- an event is told to an endpoint in one delivery
    unique (event_id, endpoint_id),
    check ((due_at is not null) = (state = 'pending'))
) with (fillfactor = 70);

create index webhook_deliveries_due on webhook_deliveries (endpoint_id, due_at) where state = 'pending';
create index webhook_deliveries_tests on webhook_deliveries (endpoint_id)
    where state = 'pending' and subject is null;
create index webhook_deliveries_leased on webhook_deliveries (endpoint_id, leased_until)
    where leased_until is not null;
create index webhook_deliveries_by_subject on webhook_deliveries (subject) where subject is not null;
create index webhook_deliveries_log on webhook_deliveries (endpoint_id, id);
create index webhook_deliveries_by_age on webhook_deliveries (scheduled_at);

-- up to which position deliveries are made
create table webhook_cursor (
    one      boolean primary key default true check (one),
    position bigint not null
) with (fillfactor = 10);
insert into webhook_cursor (position) select position from outbox_end;

-- Makes deliveries of the next events, with the cursor: how many positions it has passed.
create function fan_out_webhooks(most integer) returns bigint
language plpgsql as $$
declare
    first bigint;
    last bigint;
begin
    -- a look that takes no lock: mostly there is nothing
    if (select position from webhook_cursor) >= (select position from outbox_end) then
        return 0;
    end if;
    -- one at a time, and nobody waits for it; what follows sees what those have done who had the turn before
    select position into first from webhook_cursor for update skip locked;
    if not found then
        return 0;
    end if;
    select least(position, first + most) into last from outbox_end;
    with told as (
        select event_id, subject, sequence, payload, outbox.created_at, position, customer_id,
            case when sequence = 1 then 'order.created' else kind end as type
        from outbox join orders on orders.id = subject
        where position > first and position <= last
    ), chosen as (
        select told.*, endpoint.id as endpoint_id, endpoint.owner_id
        from told cross join lateral (
            select * from webhook_endpoints
            where owner_id = told.customer_id and not all_orders and enabled and deleted_at is null
            union all
            select * from webhook_endpoints where all_orders and enabled and deleted_at is null
        ) as endpoint
        where endpoint.created_at <= told.created_at
          and (endpoint.events = '{}' or told.type = any (endpoint.events)
               or 'order.*' = any (endpoint.events))
    ), kept as (
        insert into webhook_events (id, type, subject, sequence, payload, occurred_at)
        select distinct on (position) event_id, type, subject, sequence, payload, created_at
        from chosen
    )
    insert into webhook_deliveries (endpoint_id, owner_id, event_id, subject, position)
    select endpoint_id, owner_id, event_id, subject, position from chosen order by position;
    update webhook_cursor set position = last;
    return last - first;
end
$$;

-- Claims deliveries that are due, for so many seconds: of an endpoint that has shown that it is well no more than
-- `each` at once, and one of any other; no more than `rest` for those that are not well, and `room` in all.
create function claim_webhooks(each bigint, rest bigint, room bigint, lease double precision)
returns table (
    id uuid, endpoint_id uuid, epoch bigint, failures integer, event_id uuid, type text, payload bytea,
    occurred_at timestamptz, url text, secret bytea, previous_secret bytea, is_well boolean)
language plpgsql as $$
#variable_conflict use_column
declare
    locked uuid[];
begin
    -- endpoints for which anything waits, and since when: one look at the index for each
    with recursive waiting as (
        (select endpoint_id, due_at from webhook_deliveries where state = 'pending'
         order by endpoint_id, due_at limit 1)
        union all
        select next.* from waiting cross join lateral (
            select delivery.endpoint_id, delivery.due_at from webhook_deliveries as delivery
            where state = 'pending' and delivery.endpoint_id > waiting.endpoint_id
            order by delivery.endpoint_id, delivery.due_at limit 1
        ) as next
    )
    select array_agg(endpoint.id) into locked from (
        select id from webhook_endpoints
        where id in (select waiting.endpoint_id from waiting where due_at <= now())
          and deleted_at is null
          and (enabled or exists (
              select from webhook_deliveries as test
              where test.endpoint_id = webhook_endpoints.id and test.state = 'pending'
                and test.subject is null))
        order by is_well desc, served_at limit 500 for no key update skip locked
    ) as endpoint;
    if locked is null then
        return;
    end if;
    -- These are ours alone until the end: nobody else counts, or looks for the first of an order. What follows sees
    -- what those have done who had them before.
    return query
    with due as (
        select delivery.id, endpoint.id as endpoint_id, endpoint.is_well, endpoint.served_at,
            busy.count + row_number() over (
                partition by endpoint.id order by delivery.due_at, delivery.position) as turn
        from webhook_endpoints as endpoint
        cross join lateral (
            select count(*) from webhook_deliveries
            where endpoint_id = endpoint.id and leased_until > now()
        ) as busy
        cross join lateral (
            select delivery.id, due_at, position from webhook_deliveries as delivery
            where endpoint_id = endpoint.id and state = 'pending' and due_at <= now()
              and (leased_until is null or leased_until <= now())
              and (endpoint.enabled or subject is null)
              and (not endpoint.strict_order or not exists (
                  select from webhook_deliveries as earlier
                  where earlier.subject = delivery.subject and earlier.endpoint_id = endpoint.id
                    and earlier.state = 'pending' and earlier.position < delivery.position))
            order by due_at, position
            limit greatest(0, case
                when endpoint.is_well and arrived_at is not null then each else 1
            end - busy.count)
        ) as delivery
        where endpoint.id = any (locked)
    ), ranked as (
        select due.*, row_number() over (partition by is_well order by turn, served_at, id) as place
        from due
    ), chosen as (
        -- the first of each before the second of any
        select id from ranked where is_well or place <= rest order by turn, served_at, id limit room
    ), claimed as (
        update webhook_deliveries as delivery
        set leased_until = now() + lease * interval '1 second', epoch = epoch + 1,
            attempts = attempts + 1
        from chosen where delivery.id = chosen.id and state = 'pending'
        returning delivery.*
    ), served as (
        update webhook_endpoints set served_at = now()
        where id in (select endpoint_id from claimed)
    )
    select claimed.id, endpoint_id, epoch, failures, event.id, type, payload, occurred_at, url, secret,
        case when previous_until > now() then previous_secret end, is_well
    from claimed
    join webhook_endpoints as endpoint on endpoint.id = endpoint_id
    join webhook_events as event on event.id = event_id
    order by due_at, position;
end
$$;
