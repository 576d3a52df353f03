-- Categories in a tree, and how many products each has.

alter table categories
    add column parent_id uuid,
    add constraint categories_parent_exists foreign key (parent_id) references categories;

create index categories_by_parent on categories (parent_id, id);

-- No category is below itself.
create function refuse_cycle() returns trigger language plpgsql as $$
begin
    -- one after the other: two moves that are no cycle by themselves may be one together
    perform pg_advisory_xact_lock(hashtext('categories_no_cycle'));
    if exists (
        with recursive above as (
            select new.parent_id as id
            union
            select parent_id from categories join above using (id)
        )
        select from above where id = new.id
    ) then
        raise exception 'category % would be below itself', new.id
            using errcode = 'check_violation', constraint = 'categories_no_cycle';
    end if;
    return new;
end
$$;

-- the parent of a new category cannot be below it
create trigger categories_no_cycle before update of parent_id on categories
    for each row when (new.parent_id is distinct from old.parent_id and new.parent_id is not null)
    execute function refuse_cycle();

-- Adds to a total without waiting for anybody, and so never for each other: a row of it that nobody else is
-- writing to, or else a new one. There are as many as there were writers at once.
create or replace function add_to_total(list text, change bigint) returns void
language plpgsql as $$
begin
    update totals set count = totals.count + change
    from (
        select shard from totals where totals.list = add_to_total.list
        limit 1 for update skip locked
    ) as free
    where totals.list = add_to_total.list and totals.shard = free.shard;
    if not found then
        insert into totals (list, shard, count)
        values (add_to_total.list, (random() * 2147483647)::integer, change)
        on conflict on constraint totals_pkey do update set count = totals.count + excluded.count;
    end if;
end
$$;

-- A product that is deleted is in no category.
delete from product_categories
where product_id in (select id from products where deleted_at is not null);

create function take_out_of_categories() returns trigger language plpgsql as $$
begin
    delete from product_categories where product_id = new.id;
    return null;
end
$$;

create trigger products_taken_out after update of deleted_at on products
    for each row when (old.deleted_at is null and new.deleted_at is not null)
    execute function take_out_of_categories();

create function count_links() returns trigger language plpgsql as $$
begin
    if tg_op = 'INSERT' then
        perform add_to_total('categories/' || category_id, count)
        from (select category_id, count(*) from changed group by category_id) as counted;
    else
        -- the total of a category that goes itself goes with it
        perform add_to_total('categories/' || category_id, -count)
        from (select category_id, count(*) from changed group by category_id) as counted
        join categories on categories.id = category_id;
    end if;
    return null;
end
$$;

create trigger product_categories_inserted after insert on product_categories
    referencing new table as changed for each statement execute function count_links();
create trigger product_categories_deleted after delete on product_categories
    referencing old table as changed for each statement execute function count_links();

create function forget_total() returns trigger language plpgsql as $$
begin
    delete from totals where list = 'categories/' || old.id;
    return null;
end
$$;

create trigger categories_forgotten after delete on categories
    for each row execute function forget_total();

select add_to_total('categories/' || category_id, count)
from (select category_id, count(*) from product_categories group by category_id) as counted;

create view counted_categories as
    select id, slug, name, description, version, created_at, updated_at, parent_id,
        coalesce((select sum(count) from totals where list = 'categories/' || categories.id), 0)::integer
            as products
    from categories;
