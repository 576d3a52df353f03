-- Those that all see who may see all orders.
create index webhook_endpoints_of_the_shop on webhook_endpoints (id)
    where all_orders and deleted_at is null;
