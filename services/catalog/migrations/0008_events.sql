-- What happens to products and to their stock, told through the outbox.

-- An event is all in its row: who hears of it asks what is there now. It is written by the statement that
-- makes the change, whoever makes it.
create table outbox (
    id         bigint generated always as identity primary key,
    event_id   uuid not null default gen_random_uuid(),
    -- the product
    subject    uuid not null,
    kind       text not null,
    -- the version of the product; events of its stock have none
    sequence   bigint,
    created_at timestamptz not null default now()
);

create function tell_created() returns trigger language plpgsql as $$
begin
    insert into outbox (subject, kind, sequence)
    select id, 'product_created', version from inserted;
    return null;
end
$$;

create function tell_changed() returns trigger language plpgsql as $$
begin
    insert into outbox (subject, kind, sequence)
    select id, case when after.deleted_at is null then 'product_updated' else 'product_deleted' end,
        after.version
    from before join after using (id)
    where after.version <> before.version;
    return null;
end
$$;

create trigger products_created after insert on products
    referencing new table as inserted for each statement execute function tell_created();
create trigger products_changed after update on products
    referencing old table as before new table as after for each statement
    execute function tell_changed();

-- Below how many available units stock is low; none when that is not known. A sale that takes it there
-- tells so once: it does not look at it again before there are more.
alter table stock add column low_threshold integer
    constraint stock_low_threshold_not_negative check (low_threshold >= 0);

create function tell_low() returns trigger language plpgsql as $$
begin
    insert into outbox (subject, kind) values (new.product_id, 'stock_low');
    return null;
end
$$;

create trigger stock_low after update of available on stock
    for each row when (old.available > new.low_threshold and new.available <= new.low_threshold)
    execute function tell_low();
