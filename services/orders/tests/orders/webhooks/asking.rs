//! The log, tests, and events again.

use souk_proto::souk::orders::v1::{
    GetTimelineRequest, ListWebhookDeliveriesRequest, RedeliverWebhookRequest,
    TestWebhookEndpointRequest, WebhookDelivery, WebhookDeliveryStatus,
};
use tonic::Code;

use super::receiver::{Receiver, Reply};
use crate::support::{Buyer, Shop, World, is_replayed, soon};

async fn redeliver(
    shop: &Shop,
    owner: &Buyer,
    key: &str,
    delivery: &WebhookDelivery,
) -> Result<WebhookDelivery, tonic::Status> {
    let (endpoint_id, id) = (delivery.endpoint_id.clone(), delivery.id.clone());
    let request = owner.keyed(key, RedeliverWebhookRequest { endpoint_id, id });
    Ok(shop.webhooks().redeliver_webhook(request).await?.into_inner())
}

#[tokio::test]
async fn an_event_is_sent_again_when_its_owner_asks_for_it() {
    let world = World::new().await;
    let product = world.catalog.product("5.00", 10);
    let shop = world.working_shop().await;
    let owner = world.buyer();
    let receiver = Receiver::good().await;
    let endpoint = shop.endpoint(&owner, &receiver.url()).await.id;
    shop.order(&owner, "key", &[(&product, 1)]).await;
    receiver.has_taken(2).await;
    shop.all_are(&owner, &endpoint, WebhookDeliveryStatus::Delivered).await;
    let delivery = shop.log(&owner, &endpoint).await.remove(0);
    let again = redeliver(&shop, &owner, "again", &delivery).await.unwrap();
    assert_eq!(again.status(), WebhookDeliveryStatus::Pending);
    assert_eq!(redeliver(&shop, &owner, "again", &delivery).await.unwrap(), again);
    let hits = receiver.has_taken(3).await;
    assert_eq!(hits[2].id(), delivery.event_id);
    let first = hits.iter().find(|hit| hit.id() == delivery.event_id).unwrap();
    assert_eq!(hits[2].text, first.text);
    shop.all_are(&owner, &endpoint, WebhookDeliveryStatus::Delivered).await;

    let refused = redeliver(&shop, &world.buyer(), "again", &delivery).await.unwrap_err();
    assert_eq!(refused.code(), Code::NotFound);
    let nothing = WebhookDelivery { id: "whd_x".to_owned(), ..delivery };
    let refused = redeliver(&shop, &owner, "nothing", &nothing).await.unwrap_err();
    assert_eq!(refused.code(), Code::NotFound);
    assert_eq!(receiver.hits().len(), 3);
}

#[tokio::test]
async fn a_test_is_sent_once_also_where_an_endpoint_is_off() {
    let world = World::new().await;
    let shop = world.working_shop().await;
    let owner = world.buyer();
    let receiver = Receiver::good().await;
    let endpoint = shop.endpoint(&owner, &receiver.url()).await;
    let (id, secret) = (endpoint.id, endpoint.secret.unwrap());
    let test = |key: &str| owner.keyed(key, TestWebhookEndpointRequest { id: id.clone() });
    let made = shop.webhooks().test_webhook_endpoint(test("key")).await.unwrap().into_inner();
    let again = shop.webhooks().test_webhook_endpoint(test("key")).await.unwrap();
    assert!(is_replayed(again.metadata()));
    assert_eq!(again.into_inner(), made);
    let hits = receiver.has_taken(1).await;
    assert!(hits[0].is_signed_with(&secret));
    assert_eq!((hits[0].name().as_str(), hits[0].id()), ("webhook.test", made.event_id.as_str()));
    assert_eq!(hits[0].body()["data"]["endpoint_id"], id);

    shop.enable(&owner, &id, false).await;
    receiver.reply(Reply::Status(500));
    shop.webhooks().test_webhook_endpoint(test("off")).await.unwrap();
    receiver.has_got(2).await;
    soon("it failed", || async {
        shop.log(&owner, &id).await[0].status() == WebhookDeliveryStatus::Failed
    })
    .await;
    let log = shop.log(&owner, &id).await;
    assert_eq!((log[0].attempts, log[0].event_type.as_str()), (1, "webhook.test"));
    assert_eq!((log[0].order_id.as_str(), log[0].response_status), ("", Some(500)));
    let stranger = world.buyer().keyed("key", TestWebhookEndpointRequest { id: id.clone() });
    let refused = shop.webhooks().test_webhook_endpoint(stranger).await.unwrap_err();
    assert_eq!(refused.code(), Code::NotFound);
}

#[tokio::test]
async fn the_log_has_pages_and_can_be_filtered() {
    const ORDERS: usize = 4;
    let world = World::new().await;
    let product = world.catalog.product("5.00", 10);
    let shop = world.working_shop().await;
    let owner = world.buyer();
    let receiver =
        Receiver::new(Reply::Each(|hit| if hit.name() == "order.created" { 500 } else { 200 }))
            .await;
    let endpoint_id = shop.endpoint(&owner, &receiver.url()).await.id;
    shop.orders(&owner, ORDERS, &product).await;
    receiver.has_got(2 * ORDERS).await;
    world.webhooks_rest().await;
    let list = |status: Option<WebhookDeliveryStatus>, cursor: String| {
        let request = ListWebhookDeliveriesRequest {
            endpoint_id: endpoint_id.clone(),
            size: Some(3),
            cursor,
            status: status.map(i32::from),
            ..Default::default()
        };
        let (mut client, request) = (shop.webhooks(), owner.sign(request));
        async move { client.list_webhook_deliveries(request).await }
    };
    for (status, expected) in [(None, 2 * ORDERS), (Some(WebhookDeliveryStatus::Pending), ORDERS)] {
        let (mut ids, mut cursor) = (Vec::new(), String::new());
        loop {
            let page = list(status, cursor).await.unwrap().into_inner();
            assert!(page.data.iter().all(|it| status.is_none_or(|status| it.status() == status)));
            ids.extend(page.data.into_iter().map(|delivery| delivery.id));
            let pagination = page.pagination.unwrap();
            assert_eq!(pagination.total, i32::try_from(expected).unwrap());
            match pagination.next_cursor {
                Some(next) => cursor = next,
                None => break,
            }
        }
        assert_eq!(ids.len(), expected);
        assert!(ids.windows(2).all(|pair| pair[0] > pair[1]), "newest first: {ids:?}");
    }
    let cursor = list(None, String::new()).await.unwrap().into_inner().pagination.unwrap();
    let cursor = cursor.next_cursor.unwrap();
    let refused = list(Some(WebhookDeliveryStatus::Pending), cursor).await.unwrap_err();
    assert_eq!(crate::support::reason(&refused), "CURSOR_INVALID");
    let request = ListWebhookDeliveriesRequest { endpoint_id, ..Default::default() };
    let stranger = world.buyer().sign(request);
    let refused = shop.webhooks().list_webhook_deliveries(stranger).await.unwrap_err();
    assert_eq!(refused.code(), Code::NotFound);
}

#[tokio::test]
async fn the_timeline_shows_staff_all_webhooks_and_customers_their_own() {
    let world = World::new().await;
    let product = world.catalog.product("5.00", 10);
    let shop = world.working_shop().await;
    let (buyer, staff) = (world.buyer(), world.staff());
    let (own, shops) = (Receiver::good().await, Receiver::good().await);
    let mine = shop.endpoint(&buyer, &own.url()).await.id;
    let wish = souk_proto::souk::orders::v1::CreateWebhookEndpointRequest {
        all_orders: true,
        ..super::all(&shops.url())
    };
    let theirs = shop.try_endpoint(&staff, wish).await.unwrap().id;
    let order = shop.order(&buyer, "key", &[(&product, 1)]).await.id;
    own.has_taken(2).await;
    shops.has_taken(2).await;
    let seen = async |reader: &Buyer| {
        let request = reader.sign(GetTimelineRequest { id: order.clone() });
        let timeline = shop.client().get_timeline(request).await.unwrap().into_inner();
        timeline.webhooks
    };
    let told = seen(&buyer).await;
    assert_eq!(told.len(), 2);
    assert!(told.iter().all(|it| it.endpoint_id == mine && it.order_id == order));
    let told = seen(&staff).await;
    assert_eq!(told.len(), 4);
    assert_eq!(told.iter().filter(|delivery| delivery.endpoint_id == theirs).count(), 2);
}

#[tokio::test]
async fn the_log_is_kept_for_thirty_days() {
    let world = World::new().await;
    let product = world.catalog.product("5.00", 10);
    let shop = world.working_shop().await;
    let owner = world.buyer();
    let receiver = Receiver::good().await;
    let id = shop.endpoint(&owner, &receiver.url()).await.id;
    shop.order(&owner, "key", &[(&product, 1)]).await;
    receiver.has_taken(2).await;
    shop.all_are(&owner, &id, WebhookDeliveryStatus::Delivered).await;
    shop.rest().await;
    world
        .test
        .sql(
            "update webhook_deliveries set scheduled_at = now() - interval '31 days'
             where id = (select min(id::text)::uuid from webhook_deliveries);
             update webhook_events set occurred_at = now() - interval '31 days';
             insert into webhook_endpoints (id, owner_id, url, description, events, all_orders,
                 strict_order, secret, deleted_at)
             values (gen_random_uuid(), gen_random_uuid(), '', '', '{}', false, false, '',
                 now() - interval '31 days')",
        )
        .await;
    let shop = world.working_shop().await;
    soon("old deliveries go", || async { world.test.count("webhook_deliveries").await == 1 }).await;
    soon("their events go", || async { world.test.count("webhook_events").await == 1 }).await;
    soon("old endpoints go", || async { world.test.count("webhook_endpoints").await == 1 }).await;
    assert_eq!(shop.log(&owner, &id).await.len(), 1);
}
