//! What providers tell by themselves.

use souk_kit::request::open_named;
use souk_proto::souk::orders::v1::provider_events_service_server::ProviderEventsService;
use souk_proto::souk::orders::v1::{ReceiveProviderEventRequest, ReceiveProviderEventResponse};
use tonic::metadata::MetadataMap;
use tonic::{Request, Response};

use super::{Handlers, Reply};
use crate::Error;
use crate::razorpay::{EVENT_ID_HEADER, SIGNATURE_HEADER};
use crate::receiving::{self, Sent};

#[tonic::async_trait]
impl ProviderEventsService for Handlers {
    async fn receive_provider_event(
        &self,
        request: Request<ReceiveProviderEventRequest>,
    ) -> Reply<ReceiveProviderEventResponse> {
        let metadata = request.metadata().clone();
        let (context, provider, message) =
            open_named(request, |message| Ok::<_, Error>(message.provider.clone()))?;
        let body = message.body.unwrap_or_default().data;
        let sent = Sent {
            body: &body,
            signature: text(&metadata, SIGNATURE_HEADER),
            id: text(&metadata, EVENT_ID_HEADER),
        };
        receiving::receive(&self.until(&context), &self.providers, &provider, sent).await?;
        Ok(Response::new(ReceiveProviderEventResponse { status: "received".to_owned() }))
    }
}

fn text<'m>(metadata: &'m MetadataMap, name: &str) -> Option<&'m str> {
    metadata.get(name)?.to_str().ok()
}
