-- Where no endpoint is told of anything, which is so in most shops, no event is read for webhooks.
create or replace function fan_out_webhooks(most integer) returns bigint
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
    -- the end before the look at the endpoints: one that is made after that look is told of what comes behind it
    select position into last from outbox_end;
    if not exists (select from webhook_endpoints where enabled and deleted_at is null) then
        update webhook_cursor set position = last;
        return 0;
    end if;
    last := least(last, first + most);
    with told as (
        select event_id, subject, sequence, payload, created_at, position,
            coalesce(customer, (select customer_id from orders where orders.id = subject)) as customer,
            case when sequence = 1 then 'order.created' else kind end as type
        from outbox where position > first and position <= last
    ), chosen as (
        select told.*, endpoint.id as endpoint_id, endpoint.owner_id
        from told cross join lateral (
            select * from webhook_endpoints
            where owner_id = told.customer and not all_orders and enabled and deleted_at is null
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
create or replace function claim_webhooks(each bigint, rest bigint, room bigint, lease double precision)
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
          and case when enabled then exists (
              -- who only waits for earlier ones of the same orders takes nobody's turn
              select from webhook_deliveries as delivery
              where delivery.endpoint_id = webhook_endpoints.id and delivery.state = 'pending'
                and delivery.due_at <= now()
                and (not strict_order or not exists (
                    select from webhook_deliveries as earlier
                    where earlier.subject = delivery.subject
                      and earlier.endpoint_id = webhook_endpoints.id
                      and earlier.state = 'pending' and earlier.position < delivery.position)))
          else exists (
              select from webhook_deliveries as test
              where test.endpoint_id = webhook_endpoints.id and test.state = 'pending'
                and test.subject is null) end
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

-- Whoever was giving positions while the function was replaced went on as before, and has ended once this has its turn.
lock table outbox in access exclusive mode;
update outbox set customer = orders.customer_id
from orders
where orders.id = subject and position is not null and customer is null
  and outbox.id > (select max(id) - 10000 from outbox);
