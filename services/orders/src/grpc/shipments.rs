//! Shipments.

use souk_db::idempotency::Call;
use souk_kit::id::{self, ShipmentId};
use souk_kit::request::open_named;
use souk_proto::souk::orders::v1::shipments_service_server::ShipmentsService;
use souk_proto::souk::orders::v1::{
    CreateShipmentRequest, DeliverShipmentRequest, ListShipmentsRequest, ListShipmentsResponse,
    Shipment,
};
use tonic::{Request, Response};

use super::messages::shipments::{shipment, shipment_answer};
use super::{CREATE_SHIPMENT, DELIVER_SHIPMENT, Handlers, Reply, parse_order};
use crate::Error;
use crate::purchase::Event;
use crate::transition::Recorded;

#[tonic::async_trait]
impl ShipmentsService for Handlers {
    async fn create_shipment(&self, request: Request<CreateShipmentRequest>) -> Reply<Shipment> {
        let (context, order, message) =
            open_named(request, |message| parse_order(&message.order_id))?;
        let call = Call::of(&context, CREATE_SHIPMENT, &message)?;
        let CreateShipmentRequest { carrier, tracking_number, .. } = message;
        let id: ShipmentId = id::new();
        let recorded = Recorded { call, resource: id.uuid(), answer: shipment_answer };
        let event = Event::Ship { id, carrier, tracking_number };
        let (answer, replayed) = self.changing.answered(&context, (order, event), recorded).await?;
        answer.reply(replayed)
    }

    async fn list_shipments(
        &self,
        request: Request<ListShipmentsRequest>,
    ) -> Reply<ListShipmentsResponse> {
        let (context, order, _) = open_named(request, |message| parse_order(&message.order_id))?;
        let purchase = self.purchase(&context, order).await?;
        let data = purchase.shipment.iter().map(|found| shipment(order, found)).collect();
        Ok(Response::new(ListShipmentsResponse { data }))
    }

    async fn deliver_shipment(&self, request: Request<DeliverShipmentRequest>) -> Reply<Shipment> {
        let (context, (order, id), message) = open_named(request, |message| {
            let id = message.id.parse();
            let id: ShipmentId = id.map_err(|_| Error::NoSuch("shipment", message.id.clone()))?;
            Ok::<_, Error>((parse_order(&message.order_id)?, id))
        })?;
        let call = Call::of(&context, DELIVER_SHIPMENT, &message)?;
        let recorded = Recorded { call, resource: id.uuid(), answer: shipment_answer };
        let event = Event::Deliver(id);
        let (answer, replayed) = self.changing.answered(&context, (order, event), recorded).await?;
        answer.reply(replayed)
    }
}
