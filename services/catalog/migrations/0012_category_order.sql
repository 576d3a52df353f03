-- Products of a category in the order of their ids, found without a look at others. Where there are very many
-- already, make it by hand before, with `concurrently`: the migration finds it then.
create index if not exists product_categories_in_order on product_categories (category_id, product_id);
-- which whoever looks for a category alone finds as good, the release before among them
drop index if exists product_categories_by_category;
