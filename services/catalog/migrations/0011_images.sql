-- Images of products. Their bytes are not here, but in a file of each, whose name is its id.

alter table products
    -- in the order in which they are shown
    add column image_ids uuid[] not null default '{}',
    add constraint products_images_at_most check (cardinality(image_ids) <= 50);

create table images (
    id           uuid primary key,
    product_id   uuid not null references products,
    -- `uploading` until all of its file is stored, `ready`, or `deleted` until there is no file any more
    state        text not null default 'uploading',
    file_name    text not null,
    alt          text not null,
    -- what the file has shown of itself
    content_type text,
    size         bigint,
    sha256       bytea,
    version      bigint not null default 1,
    created_at   timestamptz not null default now(),
    updated_at   timestamptz not null default now(),
    constraint images_known check (
        state <> 'ready' or (content_type is not null and size is not null and sha256 is not null)
    )
);

-- a product has the same bytes once
create unique index images_bytes_once on images (product_id, sha256) where state = 'ready';
-- what a sweep looks at
create index images_unfinished on images (state, updated_at) where state <> 'ready';
create index images_by_shard on images (get_byte(uuid_send(id), 15)) where state = 'ready';

-- Images go with their product.
create function delete_images() returns trigger language plpgsql as $$
begin
    update images set state = 'deleted', updated_at = now()
    where product_id = new.id and state <> 'deleted';
    return null;
end
$$;

create trigger products_images_deleted after update of deleted_at on products
    for each row when (old.deleted_at is null and new.deleted_at is not null)
    execute function delete_images();

create index images_by_product on images (product_id) where state <> 'deleted';

-- Whether files have been marked as those of this database, so that a sweep touches no others.
create table image_store (
    is_only   boolean primary key default true check (is_only),
    is_marked boolean not null default false
);

insert into image_store default values;

create or replace view live_products as
    select id, sku, name, description, price_minor, currency, available, version, created_at,
        updated_at,
        array(select category_id from product_categories where product_id = id
              order by category_id) as category_ids,
        type, attributes, image_ids
    from products join stock on product_id = id
    where deleted_at is null;
