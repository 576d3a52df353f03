-- What has moved for an order. By its products it would take as long as these are popular. Where there are very many
-- moves already, make it by hand before, with `concurrently`: the migration finds it then.
create index if not exists stock_moves_by_order on stock_moves (order_id) where order_id is not null;
