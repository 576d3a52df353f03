with endpoint as (
    -- in the order in which claims lock: the endpoint first
    select id, arrived_at from webhook_endpoints where id = $2 for no key update
), noted as (
    update webhook_deliveries as delivery
    set state = $4, due_at = now() + $5 * interval '1 second', leased_until = null,
        failures = failures + case when $4 = 'delivered' then 0 else 1 end, attempted_at = now(),
        outcome = $6, status = $7, excerpt = $8, took_ms = $9,
        delivered_at = case when $4 = 'delivered' then now() else delivered_at end
    from endpoint
    where delivery.id = $1 and epoch = $3 and state = 'pending'
    returning case $10 when 'gone' then true
        -- nothing has arrived for as long as this was tried
        when 'failing' then coalesce(endpoint.arrived_at < scheduled_at, true)
        else false end as stops
), changed as (
    update webhook_endpoints as kept
    set is_well = $11, arrived_at = case when $4 = 'delivered' then now() else arrived_at end,
        enabled = enabled and not stops,
        disabled_at = case when enabled and stops then now() else disabled_at end,
        disabled_reason = case when enabled and stops then $10 else disabled_reason end
    from noted
    where kept.id = $2
    returning stops
), cancelled as (
    update webhook_deliveries set state = 'cancelled', due_at = null, leased_until = null
    where endpoint_id = $2 and state = 'pending' and id <> $1
      and $10 = 'gone' and exists (select from changed)
)
select stops from changed
