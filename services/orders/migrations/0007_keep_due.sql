-- The release before does not know that money may still be on its way to or from an order that is cancelled or expired,
-- nor that the catalog may have found its release too old: what it would never look at again is looked at a little
-- later.
create function keep_due() returns trigger language plpgsql as $$
begin
    if new.stock <> 'back'
        or exists (
            select from payments where order_id = new.id
            and (look_at is not null
                 or state in ('pending', 'requires_confirmation', 'confirming', 'authorized')))
        or exists (select from refunds where order_id = new.id and state = 'pending') then
        new.due_at := now() + interval '1 minute';
    end if;
    return new;
end
$$;

create trigger orders_keep_due before update of due_at on orders
    -- a change of the order is of this release, which knows
    for each row
    when (new.due_at is null and new.version = old.version and new.state in ('cancelled', 'expired'))
    execute function keep_due();
