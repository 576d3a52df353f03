//! Webhooks, through the gRPC interface, to receivers that do as they please.

mod arriving;
mod asking;
mod fairness;
mod keeping;
mod ordering;
mod receiver;
mod refusing;
mod sharing;

use souk_kit::Channel;
use souk_proto::souk::orders::v1::webhook_endpoints_service_client::WebhookEndpointsServiceClient;
use souk_proto::souk::orders::v1::{
    CreateWebhookEndpointRequest, GetWebhookEndpointRequest, ListWebhookDeliveriesRequest,
    UpdateWebhookEndpointRequest, WebhookDelivery, WebhookDeliveryStatus, WebhookEndpoint,
};
use tonic::Status;

use crate::support::{Buyer, Shop, World, soon};

impl Shop {
    fn webhooks(&self) -> WebhookEndpointsServiceClient<Channel> {
        WebhookEndpointsServiceClient::new(self.channel(6))
    }

    async fn try_endpoint(
        &self,
        owner: &Buyer,
        request: CreateWebhookEndpointRequest,
    ) -> Result<WebhookEndpoint, Status> {
        let key = uuid::Uuid::new_v4().to_string();
        Ok(self.webhooks().create_webhook_endpoint(owner.keyed(&key, request)).await?.into_inner())
    }

    /// An endpoint that is told of everything.
    async fn endpoint(&self, owner: &Buyer, url: &str) -> WebhookEndpoint {
        self.try_endpoint(owner, all(url)).await.unwrap()
    }

    async fn find(&self, owner: &Buyer, id: &str) -> Result<WebhookEndpoint, Status> {
        let request = owner.sign(GetWebhookEndpointRequest { id: id.to_owned() });
        Ok(self.webhooks().get_webhook_endpoint(request).await?.into_inner())
    }

    async fn enable(&self, owner: &Buyer, id: &str, enabled: bool) -> WebhookEndpoint {
        let (id, enabled) = (id.to_owned(), Some(enabled));
        let request = UpdateWebhookEndpointRequest { id, enabled, ..Default::default() };
        self.webhooks().update_webhook_endpoint(owner.sign(request)).await.unwrap().into_inner()
    }

    /// The log of an endpoint, newest first.
    async fn log(&self, owner: &Buyer, endpoint: &str) -> Vec<WebhookDelivery> {
        let endpoint_id = endpoint.to_owned();
        let request =
            ListWebhookDeliveriesRequest { endpoint_id, size: Some(100), ..Default::default() };
        let listed = self.webhooks().list_webhook_deliveries(owner.sign(request)).await.unwrap();
        listed.into_inner().data
    }

    /// Waits until all deliveries of a log are in a state.
    async fn all_are(&self, owner: &Buyer, endpoint: &str, status: WebhookDeliveryStatus) {
        soon(status.as_str_name(), || async {
            let log = self.log(owner, endpoint).await;
            log.iter().all(|delivery| delivery.status() == status)
        })
        .await;
    }
}

impl World {
    /// Has so much time gone by for all webhooks, and waits until what is due by then has been tried.
    async fn let_webhooks_wait(&self, interval: &str) {
        let by = format!("- interval '{interval}'");
        self.test
            .sql(&format!(
                // in the order in which the service locks them
                "update webhook_endpoints set arrived_at = arrived_at {by}, created_at = created_at {by},
                     previous_until = previous_until {by};
                 update webhook_deliveries set due_at = due_at {by}, scheduled_at = scheduled_at {by},
                     leased_until = leased_until {by}"
            ))
            .await;
        self.webhooks_rest().await;
    }

    /// Waits until nothing is due that is enabled.
    async fn webhooks_rest(&self) {
        let due = "webhook_deliveries as delivery join webhook_endpoints as endpoint
                on endpoint.id = endpoint_id
            where state = 'pending' and due_at <= now() and enabled
                and not (strict_order and exists (select from webhook_deliveries as earlier
                    where earlier.subject = delivery.subject and earlier.state = 'pending'
                        and earlier.endpoint_id = delivery.endpoint_id
                        and earlier.position < delivery.position))";
        let unplaced = "outbox where position is null
            or position > (select webhook_cursor.position from webhook_cursor)";
        soon("webhooks rest", || async {
            self.test.count(unplaced).await == 0 && self.test.count(due).await == 0
        })
        .await;
    }
}

fn all(url: &str) -> CreateWebhookEndpointRequest {
    CreateWebhookEndpointRequest { url: url.to_owned(), ..Default::default() }
}
