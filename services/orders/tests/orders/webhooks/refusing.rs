//! Where nothing is sent, and who is sent nothing any more.

use souk_orders::WebhookPolicy;
use souk_proto::souk::orders::v1::{WebhookDeliveryStatus, WebhookDisabledReason};
use tonic::Code;

use super::all;
use super::receiver::{Receiver, Reply};
use crate::support::{World, reason, soon};

#[tokio::test]
async fn nothing_is_sent_to_addresses_that_are_not_public() {
    let world = World::new().await;
    let product = world.catalog.product("5.00", 10);
    let strict = world.shop_that_sends(WebhookPolicy::default()).await;
    let owner = world.buyer();
    for url in [
        "http://shop.example/hooks",
        "https://127.0.0.1/hooks",
        "https://localhost/hooks",
        "https://[::1]/",
        "https://169.254.169.254/latest/meta-data",
        "https://10.0.0.1:5432/",
        "https://2130706433/",
        "https://me:secret@shop.example/",
        "https://shop.example/#fragment",
        "shop.example",
    ] {
        let refused = strict.try_endpoint(&owner, all(url)).await.unwrap_err();
        assert_eq!(reason(&refused), "VALIDATION_FAILED", "{url}");
    }
    // allowed once, and no longer
    let receiver = Receiver::good().await;
    let lax = world.shop().await;
    let endpoint = lax.endpoint(&owner, &receiver.url()).await;
    let secure = receiver.url().replace("http:", "https:");
    let other = lax.endpoint(&owner, &secure).await;
    strict.work();
    strict.order(&owner, "key", &[(&product, 1)]).await;
    for (id, why) in [(endpoint.id, "must begin with https://"), (other.id, "is not public")] {
        soon("attempts are refused", || async {
            let log = strict.log(&owner, &id).await;
            log.len() == 2 && log.iter().all(|delivery| delivery.last_outcome.contains(why))
        })
        .await;
    }
    assert!(receiver.hits().is_empty());
}

#[tokio::test]
async fn an_endpoint_that_is_gone_gets_no_more() {
    let world = World::new().await;
    let product = world.catalog.product("5.00", 10);
    let shop = world.working_shop().await;
    let owner = world.buyer();
    let receiver = Receiver::new(Reply::Status(410)).await;
    let endpoint = shop.endpoint(&owner, &receiver.url()).await;
    shop.order(&owner, "key", &[(&product, 1)]).await;
    let gone = || async { !shop.find(&owner, &endpoint.id).await.unwrap().enabled };
    soon("it is disabled", gone).await;
    let told = shop.find(&owner, &endpoint.id).await.unwrap();
    assert_eq!(told.disabled_reason(), WebhookDisabledReason::Gone);
    assert!(told.disabled_at.is_some());
    shop.order(&owner, "another", &[(&product, 1)]).await;
    world.webhooks_rest().await;
    let before = receiver.hits().len();
    world.let_webhooks_wait("1 day").await;
    assert_eq!(receiver.hits().len(), before);
    let log = shop.log(&owner, &endpoint.id).await;
    assert_eq!(log.iter().filter(|it| it.status() == WebhookDeliveryStatus::Pending).count(), 0);

    // until its owner says otherwise
    receiver.reply(Reply::Status(200));
    let again = shop.enable(&owner, &endpoint.id, true).await;
    assert_eq!((again.enabled, again.disabled_reason, again.disabled_at), (true, None, None));
    let last = shop.order(&owner, "last", &[(&product, 1)]).await;
    let taken = receiver.has_taken(2).await;
    assert!(taken.iter().all(|hit| hit.order() == last.id));
}

#[tokio::test]
async fn an_endpoint_where_nothing_arrives_for_three_days_is_disabled() {
    let world = World::new().await;
    let product = world.catalog.product("5.00", 10);
    let shop = world.working_shop().await;
    let owner = world.buyer();
    let receiver = Receiver::new(Reply::Status(500)).await;
    let endpoint = shop.endpoint(&owner, &receiver.url()).await;
    shop.order(&owner, "key", &[(&product, 1)]).await;
    receiver.has_got(2).await;
    for _ in 0..14 {
        world.let_webhooks_wait("15 hours").await;
        assert!(shop.find(&owner, &endpoint.id).await.unwrap().enabled);
    }
    let paused = shop.order(&owner, "another", &[(&product, 1)]).await;
    world.webhooks_rest().await;
    world.let_webhooks_wait("15 hours").await;
    let off = || async { !shop.find(&owner, &endpoint.id).await.unwrap().enabled };
    soon("it is disabled", off).await;
    let told = shop.find(&owner, &endpoint.id).await.unwrap();
    assert_eq!(told.disabled_reason(), WebhookDisabledReason::Failing);
    let failed = shop.log(&owner, &endpoint.id).await.into_iter();
    let failed: Vec<_> = failed.filter(|it| it.status() == WebhookDeliveryStatus::Failed).collect();
    assert!(!failed.is_empty() && failed.iter().all(|delivery| delivery.attempts == 16));

    // what waits goes on
    receiver.reply(Reply::Status(200));
    shop.enable(&owner, &endpoint.id, true).await;
    world.let_webhooks_wait("15 hours").await;
    let taken = receiver.has_taken(2).await;
    assert!(taken.iter().any(|hit| hit.order() == paused.id));
}

#[tokio::test]
async fn one_event_that_always_fails_disables_no_endpoint_where_others_arrive() {
    let world = World::new().await;
    let product = world.catalog.product("5.00", 10);
    let shop = world.working_shop().await;
    let owner = world.buyer();
    let receiver =
        Receiver::new(Reply::Each(|hit| if hit.sequence() == 1 { 422 } else { 200 })).await;
    let endpoint = shop.endpoint(&owner, &receiver.url()).await;
    shop.order(&owner, "key", &[(&product, 1)]).await;
    receiver.has_got(2).await;
    world.webhooks_rest().await;
    for number in 0..15 {
        world.let_webhooks_wait("15 hours").await;
        if number == 7 {
            shop.order(&owner, "another", &[(&product, 1)]).await;
            world.webhooks_rest().await;
        }
    }
    let is_given_up = "webhook_deliveries where state = 'failed'";
    soon("it is given up", || async { world.test.count(is_given_up).await == 1 }).await;
    assert!(shop.find(&owner, &endpoint.id).await.unwrap().enabled);
}

#[tokio::test]
async fn strangers_have_nothing_of_an_endpoint() {
    let world = World::new().await;
    let shop = world.shop().await;
    let owner = world.buyer();
    let endpoint = shop.endpoint(&owner, &Receiver::good().await.url()).await;
    let refused = shop.find(&world.staff(), &endpoint.id).await.unwrap_err();
    assert_eq!(refused.code(), Code::NotFound);
    assert_eq!(shop.find(&owner, "whk_x").await.unwrap_err().code(), Code::NotFound);
}
