with recursive waiting as (
    -- endpoints for which anything waits, and since when: one look at the index for each
    (select endpoint_id, due_at from webhook_deliveries where state = 'pending'
     order by endpoint_id, due_at limit 1)
    union all
    select next.* from waiting cross join lateral (
        select delivery.endpoint_id, delivery.due_at from webhook_deliveries as delivery
        where state = 'pending' and delivery.endpoint_id > waiting.endpoint_id
        order by delivery.endpoint_id, delivery.due_at limit 1
    ) as next
), endpoint as (
    -- who claims for an endpoint has it to itself: nobody else counts, or looks for the first of an order
    select * from webhook_endpoints
    where id in (select endpoint_id from waiting where due_at <= now()) and deleted_at is null
      and (enabled or exists (
          select from webhook_deliveries as test
          where test.endpoint_id = webhook_endpoints.id and test.state = 'pending'
            and test.subject is null))
    order by is_well desc, served_at limit 500 for no key update skip locked
), due as (
    select delivery.id, endpoint.id as endpoint_id, endpoint.is_well, endpoint.served_at,
        busy.count + row_number() over (
            partition by endpoint.id order by delivery.due_at, delivery.position) as turn
    from endpoint
    cross join lateral (
        select count(*) from webhook_deliveries
        where endpoint_id = endpoint.id and leased_until > now()
    ) as busy
    cross join lateral (
        select id, due_at, position from webhook_deliveries as delivery
        where endpoint_id = endpoint.id and state = 'pending' and due_at <= now()
          and (leased_until is null or leased_until <= now())
          and (endpoint.enabled or subject is null)
          and (not endpoint.strict_order or not exists (
              select from webhook_deliveries as earlier
              where earlier.subject = delivery.subject and earlier.endpoint_id = endpoint.id
                and earlier.state = 'pending' and earlier.position < delivery.position))
        order by due_at, position
        limit greatest(0, case when endpoint.is_well and arrived_at is not null then $1 else 1 end
            - busy.count)
    ) as delivery
), ranked as (
    select due.*, row_number() over (partition by is_well order by turn, served_at, id) as place
    from due
), chosen as (
    -- the first of each before the second of any; those that are not well have half of the room
    select id from ranked where is_well or place <= $3 order by turn, served_at, id limit $2
), claimed as (
    update webhook_deliveries as delivery
    set leased_until = now() + $4 * interval '1 second', epoch = epoch + 1, attempts = attempts + 1
    from chosen
    where delivery.id = chosen.id and state = 'pending'
      and (leased_until is null or leased_until <= now())
    returning delivery.*
), served as (
    update webhook_endpoints set served_at = now()
    where id in (select endpoint_id from claimed)
)
select claimed.id, claimed.endpoint_id, claimed.epoch, claimed.failures, event.id as event_id, event.type,
    event.subject, event.payload, event.occurred_at, endpoint.url, endpoint.secret, endpoint.is_well,
    case when endpoint.previous_until > now() then endpoint.previous_secret end as previous_secret
from claimed
join endpoint on endpoint.id = claimed.endpoint_id
join webhook_events as event on event.id = claimed.event_id
order by claimed.due_at, claimed.position
