-- Whose the events of the last week are. Locked in their order, as who forgets them does.
update outbox set customer = placed.customer_id
from (
    select outbox.id, customer_id from outbox join orders on orders.id = subject
    where outbox.position is not null order by outbox.id for update of outbox
) as placed
where outbox.id = placed.id;
