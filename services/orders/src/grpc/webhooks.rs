//! Webhooks: endpoints, and what is sent to them.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use secrecy::ExposeSecret as _;
use souk_db::idempotency::{self, Answer, Call};
use souk_kit::Failure;
use souk_kit::id::{WebhookDeliveryId, WebhookEndpointId};
use souk_kit::page::Page;
use souk_kit::request::{Context, open, open_named};
use souk_kit::wire;
use souk_proto::souk::orders::v1::webhook_endpoints_service_server::WebhookEndpointsService;
use souk_proto::souk::orders::v1::{
    CreateWebhookEndpointRequest, DeleteWebhookEndpointRequest, GetWebhookEndpointRequest,
    ListWebhookDeliveriesRequest, ListWebhookDeliveriesResponse, ListWebhookEndpointsRequest,
    ListWebhookEndpointsResponse, RedeliverWebhookRequest, RotateWebhookSecretRequest,
    TestWebhookEndpointRequest, UpdateWebhookEndpointRequest, WebhookDelivery, WebhookEndpoint,
};
use souk_proto::souk::types::v1::Reason;
use tonic::{Request, Response};

use super::messages::webhooks as messages;
use super::{
    CREATE_WEBHOOK_ENDPOINT, Handlers, READ_ALL, REDELIVER_WEBHOOK, ROTATE_WEBHOOK_SECRET, Reply,
    TEST_WEBHOOK_ENDPOINT, customer,
};
use crate::Error;
use crate::webhooks::asking;
use crate::webhooks::delivery::Log;
use crate::webhooks::endpoint::{Endpoint, Keeper};
use crate::webhooks::keeping;

#[tonic::async_trait]
impl WebhookEndpointsService for Handlers {
    async fn create_webhook_endpoint(
        &self,
        request: Request<CreateWebhookEndpointRequest>,
    ) -> Reply<WebhookEndpoint> {
        let (context, message) = open(request)?;
        let owner = customer(&context)?;
        let call = Call::of(&context, CREATE_WEBHOOK_ENDPOINT, &message)?;
        let settings = messages::settings(message);
        allow_all(&context, settings.all_orders)?;
        self.webhooks.check(&settings.url).await?;
        let webhooks = self.webhooks.clone();
        let access = self.until(&context);
        let kept = idempotency::once(&access, call, move |transaction| {
            Box::pin(async move {
                let added = webhooks.add(transaction, owner, &settings).await?;
                Ok::<_, Error>(Answer::success(&with_sealed(added)))
            })
        })
        .await?;
        self.revealed(kept.answer.reply(kept.replayed)?)
    }

    async fn get_webhook_endpoint(
        &self,
        request: Request<GetWebhookEndpointRequest>,
    ) -> Reply<WebhookEndpoint> {
        let (context, id, _) = open_named(request, |message| parse(&message.id))?;
        let endpoint = keeping::get(&self.until(&context), id, keeper(&context)?).await?;
        Ok(Response::new(endpoint.into()))
    }

    async fn list_webhook_endpoints(
        &self,
        request: Request<ListWebhookEndpointsRequest>,
    ) -> Reply<ListWebhookEndpointsResponse> {
        let (context, _) = open(request)?;
        let endpoints = keeping::list(&self.until(&context), keeper(&context)?).await?;
        let data = endpoints.into_iter().map(WebhookEndpoint::from).collect();
        Ok(Response::new(ListWebhookEndpointsResponse { data }))
    }

    async fn update_webhook_endpoint(
        &self,
        request: Request<UpdateWebhookEndpointRequest>,
    ) -> Reply<WebhookEndpoint> {
        let (context, id, message) = open_named(request, |message| parse(&message.id))?;
        let (access, keeper) = (self.until(&context), keeper(&context)?);
        let changes = messages::changes(message)?;
        allow_all(&context, changes.all_orders == Some(true))?;
        if let Some(url) = &changes.url {
            self.webhooks.check(url).await?;
        }
        let endpoint = keeping::update(&access, id, keeper, &changes).await?;
        self.webhooks.wake();
        Ok(Response::new(endpoint.into()))
    }

    async fn delete_webhook_endpoint(
        &self,
        request: Request<DeleteWebhookEndpointRequest>,
    ) -> Reply<()> {
        let (context, id, _) = open_named(request, |message| parse(&message.id))?;
        keeping::delete(&self.until(&context), id, keeper(&context)?).await?;
        Ok(Response::new(()))
    }

    async fn rotate_webhook_secret(
        &self,
        request: Request<RotateWebhookSecretRequest>,
    ) -> Reply<WebhookEndpoint> {
        let (context, id, message) = open_named(request, |message| parse(&message.id))?;
        let keeper = keeper(&context)?;
        let call = Call::of(&context, ROTATE_WEBHOOK_SECRET, &message)?;
        let webhooks = self.webhooks.clone();
        let access = self.until(&context);
        let kept = idempotency::once(&access, call, move |transaction| {
            Box::pin(async move {
                let rotated = webhooks.rotate(transaction, id, keeper).await?;
                Ok::<_, Error>(Answer::success(&with_sealed(rotated)))
            })
        })
        .await?;
        self.revealed(kept.answer.reply(kept.replayed)?)
    }

    async fn test_webhook_endpoint(
        &self,
        request: Request<TestWebhookEndpointRequest>,
    ) -> Reply<WebhookDelivery> {
        let (context, id, message) = open_named(request, |message| parse(&message.id))?;
        let keeper = keeper(&context)?;
        let call = Call::of(&context, TEST_WEBHOOK_ENDPOINT, &message)?;
        let access = self.until(&context);
        let kept = idempotency::once(&access, call, move |transaction| {
            Box::pin(async move {
                let made = asking::test(transaction, id, keeper).await?;
                Ok::<_, Error>(Answer::success(&WebhookDelivery::from(made)))
            })
        })
        .await?;
        self.webhooks.wake();
        kept.answer.reply(kept.replayed)
    }

    async fn list_webhook_deliveries(
        &self,
        request: Request<ListWebhookDeliveriesRequest>,
    ) -> Reply<ListWebhookDeliveriesResponse> {
        let (context, endpoint, message) =
            open_named(request, |message| parse(&message.endpoint_id))?;
        let keeper = keeper(&context)?;
        let state = message.status.is_some().then(|| messages::state(message.status())).flatten();
        let log = Log { endpoint, state };
        let ListWebhookDeliveriesRequest { size, cursor, page, .. } = message;
        let page = Page::parse(&self.cursors, &log.name(), size, &cursor, page)?;
        let _place = self.database.place_to_list().await;
        let (rows, position) =
            asking::log(&self.until(&context), &self.cursors, log, keeper, &page).await?;
        let data = rows.into_iter().map(WebhookDelivery::from).collect();
        let pagination = Some(wire::pagination(position));
        Ok(Response::new(ListWebhookDeliveriesResponse { data, pagination }))
    }

    async fn redeliver_webhook(
        &self,
        request: Request<RedeliverWebhookRequest>,
    ) -> Reply<WebhookDelivery> {
        let (context, (endpoint, id), message) = open_named(request, |message| {
            let id = message.id.parse();
            let id: WebhookDeliveryId =
                id.map_err(|_| Error::NoSuch("webhook delivery", message.id.clone()))?;
            Ok::<_, Error>((parse(&message.endpoint_id)?, id))
        })?;
        let keeper = keeper(&context)?;
        let call = Call::of(&context, REDELIVER_WEBHOOK, &message)?;
        let access = self.until(&context);
        let kept = idempotency::once(&access, call, move |transaction| {
            Box::pin(async move {
                let again = asking::redeliver(transaction, id, endpoint, keeper).await?;
                Ok::<_, Error>(Answer::success(&WebhookDelivery::from(again)))
            })
        })
        .await?;
        self.webhooks.wake();
        kept.answer.reply(kept.replayed)
    }
}

impl Handlers {
    /// The answer of a call that has made a secret, with its text.
    fn revealed(&self, mut response: Response<WebhookEndpoint>) -> Reply<WebhookEndpoint> {
        let endpoint = response.get_mut();
        let sealed = endpoint.secret.take().and_then(|sealed| STANDARD.decode(sealed).ok());
        let sealed = sealed.ok_or(Error::WebhookSecret)?;
        let secret = self.webhooks.reveal(parse(&endpoint.id)?, &sealed)?;
        endpoint.secret = Some(secret.expose_secret().to_owned());
        Ok(response)
    }
}

/// What is kept of the answer of a call that has made a secret: that as it is stored, encrypted.
fn with_sealed(endpoint: Endpoint) -> WebhookEndpoint {
    let secret = Some(STANDARD.encode(&endpoint.secret));
    WebhookEndpoint { secret, ..endpoint.into() }
}

/// Whose endpoints the caller keeps.
fn keeper(context: &Context) -> Result<Keeper, Failure> {
    let sees_all_orders = context.principal()?.scopes.contains(READ_ALL);
    Ok(Keeper { account: customer(context)?, sees_all_orders })
}

/// Who wants to be told of everybody's orders must be allowed to see them.
fn allow_all(context: &Context, all_orders: bool) -> Result<(), Failure> {
    if !all_orders || context.principal()?.scopes.contains(READ_ALL) {
        return Ok(());
    }
    let message = format!("webhooks of all orders need the scope {READ_ALL}");
    Err(Failure::new(Reason::PermissionDenied, message))
}

fn parse(id: &str) -> Result<WebhookEndpointId, Error> {
    id.parse().map_err(|_| Error::NoSuch("webhook endpoint", id.to_owned()))
}
