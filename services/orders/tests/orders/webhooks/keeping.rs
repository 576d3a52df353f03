//! Keeping endpoints: whose they are, what they are told of, and their secrets.

use prost_types::FieldMask;
use souk_proto::souk::orders::v1::{
    CreateWebhookEndpointRequest, DeleteWebhookEndpointRequest, GetTimelineRequest,
    ListWebhookDeliveriesRequest, ListWebhookEndpointsRequest, RotateWebhookSecretRequest,
    TestWebhookEndpointRequest, UpdateWebhookEndpointRequest, WebhookDeliveryStatus,
};
use tonic::Code;

use super::all;
use super::receiver::{Receiver, Reply};
use crate::support::{Buyer, World, is_replayed, reason};

#[tokio::test]
async fn an_endpoint_is_created_once_and_its_secret_is_told_once() {
    let world = World::new().await;
    let shop = world.shop().await;
    let owner = world.buyer();
    let receiver = Receiver::good().await;
    let create = || owner.keyed("key", all(&receiver.url()));
    let first = shop.webhooks().create_webhook_endpoint(create()).await.unwrap().into_inner();
    let again = shop.webhooks().create_webhook_endpoint(create()).await.unwrap();
    assert!(is_replayed(again.metadata()));
    assert_eq!(again.into_inner(), first);
    let secret = first.secret.clone().unwrap();
    assert!(secret.starts_with("whsec_"));

    // nobody else is told, and nothing that is stored tells it
    let read = shop.find(&owner, &first.id).await.unwrap();
    assert_eq!((read.secret.as_ref(), read.url.as_str()), (None, receiver.url().as_str()));
    let list = owner.sign(ListWebhookEndpointsRequest {});
    let listed = shop.webhooks().list_webhook_endpoints(list).await.unwrap().into_inner().data;
    assert_eq!(listed, [read]);
    let encoded = secret.trim_start_matches("whsec_");
    for (table, column) in [("webhook_endpoints", "secret"), ("idempotency_keys", "response")] {
        let stored: Vec<u8> =
            world.test.ask(&format!("select {column} from {table} limit 1")).await;
        let stored = String::from_utf8_lossy(&stored).into_owned();
        assert!(!stored.contains(encoded), "{table}");
    }
}

#[tokio::test]
async fn two_secrets_sign_while_they_rotate() {
    let world = World::new().await;
    let product = world.catalog.product("5.00", 10);
    let shop = world.working_shop().await;
    let owner = world.buyer();
    let receiver = Receiver::good().await;
    let endpoint = shop.endpoint(&owner, &receiver.url()).await;
    let old = endpoint.secret.unwrap();
    let rotate =
        |key: &str| owner.keyed(key, RotateWebhookSecretRequest { id: endpoint.id.clone() });
    let rotated = shop.webhooks().rotate_webhook_secret(rotate("key")).await.unwrap().into_inner();
    let again = shop.webhooks().rotate_webhook_secret(rotate("key")).await.unwrap().into_inner();
    assert_eq!(again, rotated);
    let new = rotated.secret.unwrap();
    assert!(new != old && rotated.previous_secret_expires_at.is_some());

    shop.order(&owner, "both", &[(&product, 1)]).await;
    for hit in receiver.has_taken(2).await {
        assert!(hit.is_signed_with(&new) && hit.is_signed_with(&old));
        let signatures = hit.headers["webhook-signature"].to_str().unwrap();
        assert_eq!(signatures.split(' ').count(), 2);
    }
    world.let_webhooks_wait("25 hours").await;
    shop.order(&owner, "new", &[(&product, 1)]).await;
    for hit in receiver.has_taken(4).await.split_off(2) {
        assert!(hit.is_signed_with(&new) && !hit.is_signed_with(&old));
    }
}

/// As when the master secret is another one: what was encrypted under the one before is lost.
#[tokio::test]
async fn who_rotates_a_secret_that_nobody_can_open_gets_webhooks_again() {
    let world = World::new().await;
    let product = world.catalog.product("5.00", 10);
    let shop = world.working_shop().await;
    let owner = world.buyer();
    let receiver = Receiver::good().await;
    let id = shop.endpoint(&owner, &receiver.url()).await.id;
    world.test.sql("update webhook_endpoints set secret = 'what cannot be opened'").await;
    let rotate = owner.keyed("key", RotateWebhookSecretRequest { id });
    let rotated = shop.webhooks().rotate_webhook_secret(rotate).await.unwrap().into_inner();
    let secret = rotated.secret.unwrap();
    shop.order(&owner, "key", &[(&product, 1)]).await;
    assert!(receiver.has_taken(2).await.iter().all(|hit| hit.is_signed_with(&secret)));
}

#[tokio::test]
async fn an_endpoint_is_told_of_what_it_asks_for_and_of_orders_that_its_owner_may_see() {
    let world = World::new().await;
    let product = world.catalog.product("5.00", 100);
    let shop = world.working_shop().await;
    let (ada, grace, staff) = (world.buyer(), world.buyer(), world.staff());
    let [everything, some, hers, anybody] = [
        Receiver::good().await,
        Receiver::good().await,
        Receiver::good().await,
        Receiver::good().await,
    ];
    let only = |receiver: &Receiver, events: &[&str], all_orders| CreateWebhookEndpointRequest {
        events: events.iter().map(|name| (*name).to_owned()).collect(),
        all_orders,
        ..all(&receiver.url())
    };
    shop.try_endpoint(&ada, only(&everything, &["order.*"], false)).await.unwrap();
    shop.try_endpoint(&ada, only(&some, &["order.paid", "order.cancelled"], false)).await.unwrap();
    shop.endpoint(&grace, &hers.url()).await;
    let wish = only(&anybody, &["order.created"], true);
    let refused = shop.try_endpoint(&ada, wish.clone()).await.unwrap_err();
    assert_eq!(
        (refused.code(), reason(&refused)),
        (Code::PermissionDenied, "PERMISSION_DENIED".into())
    );
    shop.try_endpoint(&staff, wish).await.unwrap();
    let odd = shop.try_endpoint(&ada, only(&some, &["order.lost"], false)).await.unwrap_err();
    assert_eq!(reason(&odd), "VALIDATION_FAILED");

    let own = shop.paid_order(&ada, "key", &[(&product, 1)]).await.id;
    let other = shop.order(&grace, "key", &[(&product, 1)]).await.id;
    shop.cancel(&grace, &other).await.unwrap();
    everything.has_taken(4).await;
    hers.has_taken(3).await;
    anybody.has_taken(2).await;
    some.has_taken(1).await;
    world.webhooks_rest().await;
    assert_eq!(some.names(), ["order.paid"]);
    assert_eq!(anybody.names(), ["order.created", "order.created"]);
    assert!(everything.hits().iter().all(|hit| hit.order() == own));
    let mut theirs = hers.names();
    theirs.sort_unstable();
    assert_eq!(theirs, ["order.cancelled", "order.created", "order.reserved"]);
    assert!(hers.hits().iter().all(|hit| hit.order() == other));
}

#[tokio::test]
async fn an_endpoint_changes_as_its_owner_says() {
    let world = World::new().await;
    let product = world.catalog.product("5.00", 100);
    let shop = world.working_shop().await;
    let (owner, stranger) = (world.buyer(), world.buyer());
    let (first, second) = (Receiver::good().await, Receiver::good().await);
    let wish = CreateWebhookEndpointRequest {
        events: vec!["order.paid".to_owned()],
        description: "the warehouse".to_owned(),
        ..all(&first.url())
    };
    let id = shop.try_endpoint(&owner, wish).await.unwrap().id;
    let change = UpdateWebhookEndpointRequest {
        id: id.clone(),
        url: Some(second.url()),
        update_mask: Some(FieldMask { paths: vec!["url".to_owned(), "events".to_owned()] }),
        ..Default::default()
    };
    let refused = shop.webhooks().update_webhook_endpoint(stranger.sign(change.clone())).await;
    assert_eq!(refused.unwrap_err().code(), Code::NotFound);
    let changed = shop.webhooks().update_webhook_endpoint(owner.sign(change)).await.unwrap();
    let changed = changed.into_inner();
    assert_eq!((changed.url, changed.description), (second.url(), "the warehouse".to_owned()));
    assert!(changed.events.is_empty());
    let everybody = UpdateWebhookEndpointRequest {
        id: id.clone(),
        all_orders: Some(true),
        ..Default::default()
    };
    let refused = shop.webhooks().update_webhook_endpoint(owner.sign(everybody)).await;
    assert_eq!(refused.unwrap_err().code(), Code::PermissionDenied);
    shop.order(&owner, "key", &[(&product, 1)]).await;
    second.has_taken(2).await;

    // what happens while it is off, it is not told of
    let off = shop.enable(&owner, &id, false).await;
    assert!(!off.enabled && off.disabled_at.is_some() && off.disabled_reason.is_none());
    shop.order(&owner, "off", &[(&product, 1)]).await;
    world.webhooks_rest().await;
    shop.enable(&owner, &id, true).await;
    let on = shop.order(&owner, "on", &[(&product, 1)]).await;
    let taken = second.has_taken(4).await;
    assert!(taken[2..].iter().all(|hit| hit.order() == on.id));
    assert!(first.hits().is_empty());
}

#[tokio::test]
async fn what_waits_for_an_endpoint_that_is_deleted_is_cancelled() {
    let world = World::new().await;
    let product = world.catalog.product("5.00", 100);
    let shop = world.working_shop().await;
    let (owner, stranger) = (world.buyer(), world.buyer());
    let receiver = Receiver::new(Reply::Status(500)).await;
    let id = shop.endpoint(&owner, &receiver.url()).await.id;
    shop.order(&owner, "key", &[(&product, 1)]).await;
    receiver.has_got(2).await;
    world.webhooks_rest().await;
    let delete = || DeleteWebhookEndpointRequest { id: id.clone() };
    let refused = shop.webhooks().delete_webhook_endpoint(stranger.sign(delete())).await;
    assert_eq!(refused.unwrap_err().code(), Code::NotFound);
    shop.webhooks().delete_webhook_endpoint(owner.sign(delete())).await.unwrap();
    assert_eq!(shop.find(&owner, &id).await.unwrap_err().code(), Code::NotFound);
    let again = shop.webhooks().delete_webhook_endpoint(owner.sign(delete())).await;
    assert_eq!(again.unwrap_err().code(), Code::NotFound);
    shop.order(&owner, "another", &[(&product, 1)]).await;
    world.let_webhooks_wait("1 day").await;
    assert_eq!(receiver.hits().len(), 2);
    let cancelled = WebhookDeliveryStatus::Cancelled.as_str_name();
    let word = cancelled.trim_start_matches("WEBHOOK_DELIVERY_STATUS_").to_lowercase();
    assert_eq!(world.test.count(&format!("webhook_deliveries where state = '{word}'")).await, 2);
    assert_eq!(world.test.count("webhook_endpoints where length(secret) > 0").await, 0);
}

#[tokio::test]
async fn endpoints_of_all_orders_are_the_shops_whoever_has_created_them() {
    let world = World::new().await;
    let product = world.catalog.product("5.00", 100);
    let shop = world.working_shop().await;
    let (creator, colleague) = (world.staff(), world.staff());
    let receiver = Receiver::good().await;
    let wish = CreateWebhookEndpointRequest { all_orders: true, ..all(&receiver.url()) };
    let id = shop.try_endpoint(&creator, wish).await.unwrap().id;
    let own = shop.endpoint(&creator, &receiver.url()).await.id;
    let order = shop.order(&creator, "key", &[(&product, 1)]).await.id;
    receiver.has_taken(4).await;

    // who works there no longer keeps no more than their own
    let creator = world.with_scopes(&creator, "");
    let listed = async |keeper: &Buyer| {
        let request = keeper.sign(ListWebhookEndpointsRequest {});
        let listed = shop.webhooks().list_webhook_endpoints(request).await.unwrap().into_inner();
        listed.data.into_iter().map(|endpoint| endpoint.id).collect::<Vec<_>>()
    };
    assert_eq!(listed(&creator).await, std::slice::from_ref(&own));
    let mut shop_webhooks = shop.webhooks();
    let (endpoint_id, rotate) = (id.clone(), RotateWebhookSecretRequest { id: id.clone() });
    let log = ListWebhookDeliveriesRequest { endpoint_id, ..Default::default() };
    let test = TestWebhookEndpointRequest { id: id.clone() };
    let delete = || DeleteWebhookEndpointRequest { id: id.clone() };
    let change = UpdateWebhookEndpointRequest {
        id: id.clone(),
        all_orders: Some(false),
        ..Default::default()
    };
    let refused = [
        shop.find(&creator, &id).await.map(drop),
        shop_webhooks.list_webhook_deliveries(creator.sign(log)).await.map(drop),
        shop_webhooks.rotate_webhook_secret(creator.keyed("rotate", rotate)).await.map(drop),
        shop_webhooks.test_webhook_endpoint(creator.keyed("test", test)).await.map(drop),
        shop_webhooks.update_webhook_endpoint(creator.sign(change.clone())).await.map(drop),
        shop_webhooks.delete_webhook_endpoint(creator.sign(delete())).await.map(drop),
    ];
    for (place, refused) in refused.into_iter().enumerate() {
        assert_eq!(refused.unwrap_err().code(), Code::NotFound, "call {place}");
    }
    let timeline = creator.sign(GetTimelineRequest { id: order });
    let timeline = shop.client().get_timeline(timeline).await.unwrap().into_inner();
    assert!(timeline.webhooks.iter().all(|delivery| delivery.endpoint_id == own));

    assert_eq!(listed(&colleague).await, std::slice::from_ref(&id));
    let found = shop.find(&colleague, &id).await.unwrap();
    assert_eq!(found.owner_id, creator.id.to_string());
    assert_eq!(shop.log(&colleague, &id).await.len(), 2);
    // what is in its log would belong to the one who has created it
    let refused = shop_webhooks.update_webhook_endpoint(colleague.sign(change)).await.unwrap_err();
    assert_eq!(refused.code(), Code::InvalidArgument);
    assert!(shop.find(&colleague, &id).await.unwrap().all_orders);
    shop_webhooks.delete_webhook_endpoint(colleague.sign(delete())).await.unwrap();
    shop.order(&colleague, "another", &[(&product, 1)]).await;
    world.webhooks_rest().await;
    assert_eq!(receiver.hits().len(), 4);
    assert!(listed(&colleague).await.is_empty());
}

#[tokio::test]
async fn where_nobody_is_told_no_webhooks_are_kept_and_who_comes_then_is_told_of_what_comes() {
    let world = World::new().await;
    let product = world.catalog.product("5.00", 100);
    let shop = world.working_shop().await;
    let (owner, other) = (world.buyer(), world.buyer());
    shop.order(&owner, "before", &[(&product, 1)]).await;
    world.webhooks_rest().await;
    assert_eq!(world.test.count("webhook_events").await, 0);
    let receiver = Receiver::good().await;
    shop.endpoint(&owner, &receiver.url()).await;
    shop.order(&other, "anothers", &[(&product, 1)]).await;
    let order = shop.order(&owner, "after", &[(&product, 1)]).await.id;
    receiver.has_taken(2).await;
    world.webhooks_rest().await;
    assert_eq!(world.test.count("webhook_events").await, 2);
    let told = receiver.hits();
    assert!(told.iter().all(|hit| hit.body()["data"]["order"]["id"] == order));
}

#[tokio::test]
async fn an_account_has_twenty_endpoints_and_no_more() {
    let world = World::new().await;
    let shop = world.shop().await;
    let owner = world.buyer();
    let url = Receiver::good().await.url();
    let create = (0..25).map(|_| shop.try_endpoint(&owner, all(&url)));
    let answers = futures::future::join_all(create).await;
    assert_eq!(answers.iter().filter(|answer| answer.is_ok()).count(), 20);
    for refused in answers.into_iter().filter_map(Result::err) {
        assert_eq!(reason(&refused), "LIMIT_REACHED");
    }
}
