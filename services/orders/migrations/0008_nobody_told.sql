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
    if not exists (select from webhook_endpoints where enabled and deleted_at is null) then
        update webhook_cursor set position = outbox_end.position from outbox_end;
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
