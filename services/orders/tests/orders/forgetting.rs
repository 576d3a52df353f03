//! What nobody needs any more goes.

use crate::support::{World, soon};

#[tokio::test]
async fn events_that_nobody_has_published_for_a_week_go_however_many_they_are() {
    let world = World::new().await;
    let product = world.catalog.product("5.00", 10);
    let shop = world.shop().await;
    shop.order(&world.buyer(), "key", &[(&product, 1)]).await;
    assert_eq!(world.test.count("outbox").await, 2);
    // more than go in one statement
    world
        .test
        .sql(
            "insert into outbox (event_id, subject, sequence, kind, payload, created_at, position)
             select gen_random_uuid(), gen_random_uuid(), 1, 'order.pending', '',
                 now() - interval '7 days 1 minute', place
             from generate_series(1, 2500) as place;
             update outbox_end set position = 2500; update webhook_cursor set position = 2500",
        )
        .await;
    // ids grow with time: the old ones are older than those of the order as well
    world
        .test
        .sql("update outbox set id = default where created_at > now() - interval '1 day'")
        .await;
    shop.work();
    soon("old events go", || async { world.test.count("outbox").await == 2 }).await;
    let young = "outbox where created_at > now() - interval '1 day'";
    assert_eq!(world.test.count(young).await, 2);
    world.audit().await;
}

#[tokio::test]
async fn records_of_calls_that_are_over_go_however_many_they_are() {
    let world = World::new().await;
    let product = world.catalog.product("5.00", 10);
    let shop = world.shop().await;
    shop.order(&world.buyer(), "key", &[(&product, 1)]).await;
    world
        .test
        .sql(
            "insert into idempotency_keys (principal, operation, key, fingerprint, expires_at)
             select gen_random_uuid(), 'an operation', 'a key', '', now() - interval '1 second'
             from generate_series(1, 2500)",
        )
        .await;
    shop.work();
    soon("old records go", || async { world.test.count("idempotency_keys").await == 1 }).await;
    world.audit().await;
}
