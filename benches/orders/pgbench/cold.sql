\set customer random(1, 1000)
\set key random(1, 9000000000000000000)
\set first random(1, :products / 2)
\set second random(:products / 2 + 1, :products)
begin;
insert into idempotency_keys (principal, operation, key, fingerprint) values (:customer, 'CreateOrder', :key, '\x9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08') on conflict do nothing;
select id, name, price_minor, currency from products where id in (:first, :second);
insert into orders (customer_id, idempotency_key, state, total_minor, currency, reserved_until) values (:customer, :key, 'reserved', 3980, 'USD', now() + interval '1 day') returning id as order_id \gset
insert into order_lines (order_id, position, product_id, name, unit_price_minor, quantity) values (:order_id, 1, :first, 'Canvas bag', 1990, 1), (:order_id, 2, :second, 'Canvas bag', 1990, 1);
update stock set available = available - 1, reserved = reserved + 1 where product_id in (:first, :second) and available >= 1;
insert into stock_moves (product_id, order_id, kind, available, reserved) values (:first, :order_id, 'reserve', -1, 1), (:second, :order_id, 'reserve', -1, 1);
insert into outbox (subject, sequence, kind, payload) values (:order_id, 1, 'order.reserved', '{"status": "reserved", "total": "39.80", "currency": "USD"}');
insert into audit_log (actor, action, subject) values (:customer, 'order.create', :order_id);
commit;
