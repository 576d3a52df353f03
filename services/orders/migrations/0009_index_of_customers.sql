-- Apart from the column, which nobody reads past while it is added. Events are in it once they have
-- their positions, and of those that there are none is yet: they are only looked at.
create index outbox_by_customer on outbox (customer, position)
    where customer is not null and position is not null;
