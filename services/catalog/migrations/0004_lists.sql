-- Lists of products: found by words, filtered and sorted without reading all of them.

create extension if not exists unaccent schema public;

-- Text as it is compared: without case and accents. The dictionary and the collation are named, so that what
-- an index has does not depend on who asks, or where: in the collation C only ASCII has cases, so those of
-- Greek and Cyrillic are here.
create function folded(text text) returns text
language sql immutable strict parallel safe
return lower(translate(
    public.unaccent('public.unaccent', text),
    'ΑΒΓΔΕΖΗΘΙΚΛΜΝΞΟΠΡΣΤΥΦΧΨΩЀЁЂЃЄЅІЇЈЉЊЋЌЍЎЏАБВГДЕЖЗИЙКЛМНОПРСТУФХЦЧШЩЪЫЬЭЮЯ',
    'αβγδεζηθικλμνξοπρστυφχψωѐёђѓєѕіїјљњћќѝўџабвгдежзийклмнопрстуфхцчшщъыьэюя'
) collate "C");

-- The words of a text: what is between spaces when all of ASCII that is no letter and no digit is one. What is
-- not of ASCII is taken for letters.
create function words(text text) returns text
language sql immutable strict parallel safe
return trim(regexp_replace(folded(text), '[\x01-\x2f\x3a-\x60\x7b-\x7f]+', ' ', 'g'));

-- What a search asks for: all of its words, the last one also as the beginning of one if it has more than one
-- letter.
create function search_query(text text) returns tsquery
language sql immutable strict parallel safe
return case
    -- nothing is found by what has no words
    when words(text) = '' then ''::tsquery
    else to_tsquery('simple', $$'$$ || replace(words(text), ' ', $$' & '$$) || $$'$$
        || case when words(text) ~ '(^| )[^ ]$' then '' else ':*' end)
end;

-- What products are sorted by when they are sorted by name: in the collation C, which each use has to name.
create function sort_name(name text) returns text
language sql immutable strict parallel safe
return left(folded(name), 64);

alter table products add column search tsvector;

-- The texts of attributes that can be searched: those of these names, also where they are lists.
create function searchable_text(attributes jsonb, names text[]) returns text
language sql immutable strict parallel safe
return (
    select string_agg(coalesce(item #>> '{}', ''), ' ')
    from unnest(names) as name,
        lateral jsonb_array_elements(
            case jsonb_typeof(attributes -> name)
                when 'array' then attributes -> name
                when 'string' then jsonb_build_array(attributes -> name)
                else '[]'
            end
        ) as item
);

create function index_words() returns trigger language plpgsql as $$
declare
    said text;
begin
    if new.type is not null then
        select searchable_text(new.attributes, searchable) into said
        from product_types where name = new.type;
    end if;
    new.search := setweight(to_tsvector('simple', words(new.name)), 'A')
        || setweight(to_tsvector('simple', words(new.sku)), 'A')
        || setweight(to_tsvector('simple', coalesce(words(said), '')), 'B')
        || setweight(to_tsvector('simple', words(new.description)), 'C');
    return new;
end
$$;

-- whoever writes a product: the release before this one does not know of it
create trigger products_words before insert or update of name, sku, description, type, attributes
    on products for each row execute function index_words();

update products set name = name;

-- Whether any unit can be ordered, beside the stock: an index there would make every sale write to it.
create table availability (
    product_id uuid primary key references products on delete cascade,
    in_stock   boolean not null
);

create function note_availability() returns trigger language plpgsql as $$
begin
    insert into availability (product_id, in_stock) values (new.product_id, new.available > 0)
    on conflict (product_id) do update set in_stock = excluded.in_stock;
    return null;
end
$$;

create trigger stock_begins after insert on stock
    for each row execute function note_availability();
-- only a sale of the last unit, and what comes after none, writes it
create trigger stock_ends_or_comes after update of available on stock
    for each row when ((old.available > 0) <> (new.available > 0))
    execute function note_availability();

insert into availability (product_id, in_stock) select product_id, available > 0 from stock;

-- One for each order of lists, and one for each kind of filter that may be narrow. Where there are very many
-- products already, make them by hand before, with `concurrently`: the migration finds them then.
create index if not exists products_by_currency on products (currency, id)
    where deleted_at is null;
create index if not exists products_by_price on products (currency, price_minor, id)
    where deleted_at is null;
create index if not exists products_by_name on products (sort_name(name) collate "C", id)
    where deleted_at is null;
create index if not exists products_by_words on products using gin (search)
    where deleted_at is null;
create index if not exists products_by_attributes on products using gin (attributes jsonb_path_ops)
    where deleted_at is null;
create index if not exists availability_by_state on availability (in_stock, product_id);

-- How many products there are in each currency and of each type.
create function count_new_kinds() returns trigger language plpgsql as $$
begin
    perform add_to_total('products/currency/' || currency, count)
    from (select currency, count(*) from inserted group by currency) as counted;
    perform add_to_total('products/type/' || type, count)
    from (select type, count(*) from inserted where type is not null group by type) as counted;
    perform add_to_total('products/type/' || type || '/' || currency, count)
    from (
        select type, currency, count(*) from inserted where type is not null group by type, currency
    ) as counted;
    return null;
end
$$;

create function count_changed_kinds() returns trigger language plpgsql as $$
begin
    if old.deleted_at is null then
        perform add_to_total('products/currency/' || old.currency, -1);
        if old.type is not null then
            perform add_to_total('products/type/' || old.type, -1);
            perform add_to_total('products/type/' || old.type || '/' || old.currency, -1);
        end if;
    end if;
    if new.deleted_at is null then
        perform add_to_total('products/currency/' || new.currency, 1);
        if new.type is not null then
            perform add_to_total('products/type/' || new.type, 1);
            perform add_to_total('products/type/' || new.type || '/' || new.currency, 1);
        end if;
    end if;
    return null;
end
$$;

create trigger products_kinds_inserted after insert on products
    referencing new table as inserted for each statement execute function count_new_kinds();
create trigger products_kinds_changed after update on products
    for each row when (
        old.currency <> new.currency or old.type is distinct from new.type
        or (old.deleted_at is null) <> (new.deleted_at is null)
    )
    execute function count_changed_kinds();

select add_to_total('products/currency/' || currency, count)
from (select currency, count(*) from products where deleted_at is null group by currency) as counted;
-- no product has a type yet
