-- The endpoint first, and once, as claims lock it. It is stopped where it is gone, or where nothing has arrived for as
-- long as this was tried.
with changed as (
    update webhook_endpoints as endpoint
    set is_well = $11,
        arrived_at = case when $4 = 'delivered' then now() else arrived_at end,
        (enabled, disabled_at, disabled_reason) = (
            select enabled and not stops, case when stops then coalesce(disabled_at, now()) else disabled_at end,
                case when stops and enabled then $10 else disabled_reason end
            from (select case $10 when 'gone' then true
                when 'failing' then coalesce(endpoint.arrived_at < delivery.scheduled_at, true)
                else false end as stops) as verdict
        )
    from webhook_deliveries as delivery
    where endpoint.id = $2 and delivery.id = $1 and epoch = $3 and state = 'pending'
    returning endpoint.id, not enabled as is_off
), noted as (
    update webhook_deliveries as delivery
    set state = $4, due_at = now() + $5 * interval '1 second', leased_until = null,
        failures = failures + case when $4 = 'delivered' then 0 else 1 end, attempted_at = now(),
        outcome = $6, status = $7, excerpt = $8, took_ms = $9,
        delivered_at = case when $4 = 'delivered' then now() else delivered_at end
    from changed
    where delivery.id = $1 and epoch = $3 and state = 'pending'
), cancelled as (
    update webhook_deliveries as delivery
    set state = 'cancelled', due_at = null, leased_until = null
    from changed
    where $10 = 'gone' and endpoint_id = changed.id and state = 'pending' and delivery.id <> $1
)
select is_off and $10 is not null from changed
