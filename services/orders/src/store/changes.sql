with given as (
    select * from unnest(
            $1::uuid[], $2::bytea[], $3::bigint[], $4::uuid[], $5::text[], $6::bigint[],
            $7::text[], $8::text[], $9::jsonb[], $10::timestamptz[], $11::float8[], $12::timestamptz[],
            $13::bigint[], $14::int[], $15::timestamptz[], $16::uuid[], $17::bytea[], $18::text[],
            $19::text[], $20::text[], $21::text[], $22::text[], $23::text[], $24::bigint[],
            $25::jsonb[], $26::text[], $27::bigint[], $28::bigint[])
        with ordinality as given (
            id, fingerprint, from_epoch, customer_id, key, total_minor,
            currency, state, shortages, reserved_until, due_after, due_at,
            epoch, version, updated_at, event_id, payload, actor,
            action, subject, request_id, operation, reason, number,
            ships_to, stock, paid_minor, refunded_minor,
            place)
    -- in one order for all, here and below: two statements never wait for each other
    order by id
), placed as (
    -- of two with one key the first is kept, and the other does nothing
    insert into orders (id, customer_id, idempotency_key, fingerprint, state, total_minor, currency,
        request_id, created_at, updated_at, due_at, epoch, number, ships_to)
    select id, customer_id, key, fingerprint, state, total_minor, currency, request_id, updated_at,
        updated_at, now() + due_after * interval '1 second', epoch, number, ships_to
    from given where from_epoch is null
    order by customer_id, key
    on conflict (customer_id, idempotency_key) do nothing
    returning id, customer_id
), recorded as (
    insert into idempotency_keys (principal, operation, key, fingerprint, resource, expires_at)
    select given.customer_id, operation, key, fingerprint, id, now() + $29 * interval '1 second'
    from given join placed using (id)
    on conflict do nothing
), lined as (
    insert into order_lines (order_id, position, product_id, name, unit_price_minor, quantity)
    select lines.*
    from unnest($30::uuid[], $31::int[], $32::uuid[], $33::text[], $34::bigint[], $35::int[])
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
), called as (
    -- calls that ask for a change: their records, and the answers of those that are answered with it
    select * from unnest(
            $36::bigint[], $37::uuid[], $38::text[], $39::text[], $40::bytea[], $41::uuid[],
            $42::int[], $43::jsonb[], $44::bytea[])
        as called (
            place, principal, operation, key, fingerprint, resource,
            status, metadata, response)
), locked as (
    -- a record is kept only of a change that is made
    select given.place from orders join given using (id) join called using (place)
    where orders.epoch = from_epoch and orders.version = given.version - 1
    order by orders.id for update of orders
), noted as (
    insert into idempotency_keys
        (principal, operation, key, fingerprint, resource, status, metadata, response, expires_at)
    select principal, operation, key, fingerprint, resource, status, metadata, response,
        now() + $29 * interval '1 second'
    from called join locked using (place)
    order by principal, operation, key
    on conflict do nothing
    returning resource
), changed as (
    update orders set
        state = given.state,
        shortages = given.shortages,
        reserved_until = given.reserved_until,
        due_at = coalesce(now() + given.due_after * interval '1 second', given.due_at),
        version = given.version,
        epoch = given.epoch,
        attempts = 0,
        updated_at = given.updated_at,
        stock = given.stock,
        paid_minor = given.paid_minor,
        refunded_minor = given.refunded_minor
    from given left join called using (place) left join noted using (resource)
    where orders.id = given.id and orders.epoch = from_epoch
      and orders.version = given.version - 1
      and (called.resource is null or noted.resource is not null)
    returning given.place
), made as (
    select given.* from given join placed using (id)
    union all
    select given.* from given join changed using (place)
), paid as (
    insert into payments (id, order_id, customer_id, number, provider, method, state, amount_minor,
        currency, provider_order, reference, failure, operation, key, look_at, created_at, updated_at)
    select payment.id, made.id, made.customer_id, payment.number, provider, method, payment.state,
        payment.amount_minor, made.currency, provider_order, reference, failure, payment.operation, payment.key,
        look_at, made.updated_at, made.updated_at
    from jsonb_to_recordset($45) as payment (
        place bigint, id uuid, number int, provider text, method text, state text,
        amount_minor bigint, provider_order text, reference text, failure text, operation text,
        key text, look_at timestamptz)
    join made using (place)
    on conflict (id) do update set state = excluded.state,
        provider_order = excluded.provider_order, reference = excluded.reference,
        failure = excluded.failure, operation = excluded.operation, key = excluded.key,
        look_at = excluded.look_at, updated_at = excluded.updated_at
), refunded as (
    insert into refunds (id, order_id, customer_id, payment_id, state, amount_minor, currency, reason,
        reference, look_at, created_at, updated_at)
    select refund.id, made.id, made.customer_id, payment_id, refund.state, amount_minor,
        made.currency, refund.reason, reference, look_at, made.updated_at, made.updated_at
    from jsonb_to_recordset($46) as refund (
        place bigint, id uuid, payment_id uuid, state text, amount_minor bigint, reason text,
        reference text, look_at timestamptz)
    join made using (place)
    on conflict (id) do update set state = excluded.state, reference = excluded.reference,
        look_at = excluded.look_at, updated_at = excluded.updated_at
), shipped as (
    insert into shipments (id, order_id, carrier, tracking_number, created_at, delivered_at)
    select shipment.id, made.id, carrier, tracking_number, made.updated_at,
        case when is_delivered then made.updated_at end
    from jsonb_to_recordset($47) as shipment (
        place bigint, id uuid, carrier text, tracking_number text, is_delivered boolean)
    join made using (place)
    on conflict (id) do update set delivered_at = excluded.delivered_at
), told as (
    insert into outbox (event_id, subject, sequence, kind, payload, customer)
    select event_id, id, version, 'order.' || state, payload, customer_id from made
), audited as (
    insert into audit_log (actor, action, subject, request_id, state, reason)
    select actor, action, subject, request_id, state, reason from made
), answered as (
    -- calls that have waited for what becomes of an order or of a payment
    update idempotency_keys as record
    set status = answer.status, metadata = answer.metadata, response = answer.response
    -- the whole key from one place: with the customer of `made` the index would be searched without it
    from made join unnest(
            $48::bigint[], $49::uuid[], $50::text[], $51::text[], $52::int[], $53::jsonb[], $54::bytea[])
        as answer (place, principal, operation, key, status, metadata, response) using (place)
    where record.principal = answer.principal and record.operation = answer.operation
      and record.key = answer.key and record.status is null
)
select place::int from made
