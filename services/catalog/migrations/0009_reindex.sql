-- Products are found by what their type declares searchable. When that changes, those that exist are indexed anew
-- in the background, in the order of their ids: this is the last one that has been.
alter table product_types add column reindex_after uuid;
