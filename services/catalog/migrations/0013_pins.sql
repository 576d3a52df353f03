-- Reservations that are kept while money moves, and how recent the claims of those are who have said so.

alter table reservations
    -- a held reservation that does not end by itself
    add column pinned boolean not null default false,
    -- the highest that has come: who comes with a lower one is late
    add column fence bigint not null default 0;

-- The release before does not know pins: what it would expire stays as it is.
create function keep_pinned() returns trigger language plpgsql as $$
begin
    return null;
end
$$;

create trigger reservations_keep_pinned before update of status on reservations
    for each row when (old.pinned and old.status = 'held' and new.status = 'expired')
    execute function keep_pinned();
