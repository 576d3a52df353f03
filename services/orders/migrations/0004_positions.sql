-- Where an event is in the stream of all: given to it once it is committed, so that nobody who follows the stream
-- passes over one that commits late.
alter table outbox add column position bigint;

create unique index outbox_by_position on outbox (position);
create index outbox_unplaced on outbox (id) where position is null;

-- the last position that was given
create table outbox_end (
    one      boolean primary key default true check (one),
    position bigint not null
) with (fillfactor = 10);
insert into outbox_end (position) values (0);

-- Gives positions to events that have none, in the order in which they were written: how many, and the last position.
create function place_events(most integer) returns table (placed bigint, ended bigint)
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
        update outbox set position = last + place from waiting where outbox.id = waiting.id
        returning 1
    )
    select count(*) into number from done;
    update outbox_end set position = last + number where number > 0;
    return query select number, last + number;
end
$$;
