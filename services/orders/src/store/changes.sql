with given as (
    select * from unnest(
            $1::uuid[], $2::bytea[], $3::text[], $4::bigint[], $5::uuid[], $6::text[], $7::bigint[],
            $8::text[], $9::text[], $10::jsonb[], $11::timestamptz[], $12::float8[], $13::bigint[],
            $14::int[], $15::timestamptz[], $16::uuid[], $17::bytea[], $18::text[], $19::text[],
            $20::text[], $21::text[], $22::text[], $23::int[], $24::jsonb[], $25::bytea[])
        with ordinality as given (
            id, fingerprint, from_state, from_epoch, customer_id, key, total_minor,
            currency, state, shortages, reserved_until, due_after, epoch,
            version, updated_at, event_id, payload, actor, action,
            subject, request_id, operation, status, metadata, response,
            place)
    -- in one order for all, here and below: two statements never wait for each other
    order by id
), placed as (
    -- of two with one key the first is kept, and the other does nothing
    insert into orders (id, customer_id, idempotency_key, fingerprint, state, total_minor, currency,
        request_id, created_at, updated_at, due_at, epoch)
    select id, customer_id, key, fingerprint, state, total_minor, currency, request_id, updated_at,
        updated_at, now() + due_after * interval '1 second', epoch
    from given where from_state is null
    order by customer_id, key
    on conflict (customer_id, idempotency_key) do nothing
    returning id, customer_id
), recorded as (
    insert into idempotency_keys (principal, operation, key, fingerprint, resource, expires_at)
    select given.customer_id, operation, key, fingerprint, id, now() + $32 * interval '1 second'
    from given join placed using (id)
    on conflict do nothing
), lined as (
    insert into order_lines (order_id, position, product_id, name, unit_price_minor, quantity)
    select lines.*
    from unnest($26::uuid[], $27::int[], $28::uuid[], $29::text[], $30::bigint[], $31::int[])
        as lines (order_id, position, product_id, name, unit_price_minor, quantity)
    join placed on id = order_id
), counted as (
    insert into totals as kept (list, shard, count)
    select list, pg_backend_pid() % 16, count
    from (
        select 'orders' as list, count(*) as count from placed
        union all
        select 'orders of ' || customer_id, count(*) from placed group by customer_id
    ) as placed
    where count > 0
    order by list
    on conflict (list, shard) do update set count = kept.count + excluded.count
), changed as (
    update orders set
        state = given.state,
        shortages = given.shortages,
        reserved_until = given.reserved_until,
        due_at = coalesce(now() + given.due_after * interval '1 second',
            case when given.state = 'reserved' then given.reserved_until end),
        version = given.version,
        epoch = given.epoch,
        attempts = 0,
        updated_at = given.updated_at
    from given
    where orders.id = given.id and orders.state = from_state and orders.epoch = from_epoch
    returning place
), made as (
    select given.* from given join placed using (id)
    union all
    select given.* from given join changed using (place)
), told as (
    insert into outbox (event_id, subject, sequence, kind, payload)
    select event_id, id, version, 'order.' || state, payload from made
), audited as (
    insert into audit_log (actor, action, subject, request_id)
    select actor, action, subject, request_id from made
), answered as (
    update idempotency_keys as record
    set status = made.status, metadata = made.metadata, response = made.response
    from made
    where made.status is not null and record.principal = made.customer_id
      and record.operation = made.operation and record.key = made.key and record.status is null
)
select place::int from made
