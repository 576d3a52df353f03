-- Whose order an event is about: who follows their own orders reads the events of these, and of no others. It is not
-- called as in `orders`: statements that join both say `customer_id`, those of the release before among them.
alter table outbox add column customer uuid;

-- As before, and says whose each event is, where that is not said.
create or replace function place_events(most integer) returns table (placed bigint, ended bigint)
language plpgsql as $$
declare
    last bigint;
    number bigint := 0;
begin
    if not exists (select from outbox where position is null) then
        return query select 0::bigint, outbox_end.position from outbox_end;
        return;
    end if;
    -- one at a time; what follows sees what those have done who had the turn before
    select outbox_end.position into last from outbox_end for update;
    with waiting as (
        select id, row_number() over (order by id) as place
        from (
            select id from outbox where position is null order by id limit most for update
        ) as first
    ), done as (
        update outbox set position = last + place,
            -- the release before says nothing of it
            customer = coalesce(customer, (select customer_id from orders where orders.id = subject))
        from waiting where outbox.id = waiting.id
        returning 1
    )
    select count(*) into number from done;
    update outbox_end set position = last + number where number > 0;
    return query select number, last + number;
end
$$;
