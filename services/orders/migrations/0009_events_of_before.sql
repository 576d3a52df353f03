-- Whose the events of the last week are. Nobody changes those that have their positions.
update outbox set customer = orders.customer_id
from orders where orders.id = subject and outbox.position is not null;
