//! Payments and refunds.

use souk_db::idempotency::Call;
use souk_kit::Money;
use souk_kit::id::{self, OrderId, PaymentId, RefundId};
use souk_kit::request::{Context, open_named};
use souk_proto::souk::orders::v1::payments_service_server::PaymentsService;
use souk_proto::souk::orders::v1::{
    ConfirmPaymentRequest, CreatePaymentRequest, CreateRefundRequest, GetPaymentRequest,
    GetRefundRequest, ListPaymentsRequest, ListPaymentsResponse, ListRefundsRequest,
    ListRefundsResponse, Payment, Refund,
};
use tonic::{Request, Response};

use super::messages::payments::{decided_answer, payment, refund, refund_answer};
use super::orders::under_way;
use super::{
    CONFIRM_PAYMENT, CREATE_PAYMENT, CREATE_REFUND, Handlers, Reply, customer, parse_order,
    visible_to,
};
use crate::paying::{self, Paid};
use crate::payments::Proof;
use crate::purchase::{Event, Purchase};
use crate::transition::{Answering, Recorded};
use crate::{Error, reading};

#[tonic::async_trait]
impl PaymentsService for Handlers {
    async fn create_payment(&self, request: Request<CreatePaymentRequest>) -> Reply<Payment> {
        let (context, order, message) =
            open_named(request, |message| parse_order(&message.order_id))?;
        let customer = customer(&context)?;
        let call = Call::of(&context, CREATE_PAYMENT, &message)?;
        let way = (message.provider.as_str(), message.method.as_str());
        let (changing, providers) = (&self.changing, &self.providers);
        let call = (call, decided_answer as Answering);
        let paid = paying::pay(changing, providers, &context, customer, order, call, way).await?;
        reply(order, paid)
    }

    async fn get_payment(&self, request: Request<GetPaymentRequest>) -> Reply<Payment> {
        let (context, (order, id), _) = open_named(request, |message| {
            Ok::<_, Error>((parse_order(&message.order_id)?, parse_payment(&message.id)?))
        })?;
        let purchase = self.purchase(&context, order).await?;
        let found = purchase.payment(id).ok_or(Error::NoSuchPayment(id))?;
        Ok(Response::new(payment(order, found)))
    }

    async fn list_payments(
        &self,
        request: Request<ListPaymentsRequest>,
    ) -> Reply<ListPaymentsResponse> {
        let (context, order, _) = open_named(request, |message| parse_order(&message.order_id))?;
        let purchase = self.purchase(&context, order).await?;
        let data = purchase.payments.iter().map(|found| payment(order, found)).collect();
        Ok(Response::new(ListPaymentsResponse { data }))
    }

    async fn confirm_payment(&self, request: Request<ConfirmPaymentRequest>) -> Reply<Payment> {
        let (context, (order, id), message) = open_named(request, |message| {
            Ok::<_, Error>((parse_order(&message.order_id)?, parse_payment(&message.id)?))
        })?;
        let customer = customer(&context)?;
        let call = Call::of(&context, CONFIRM_PAYMENT, &message)?;
        if let Some(proof) = proof(message)? {
            let purchase = reading::purchase(&self.until(&context), order, Some(customer)).await?;
            let found = purchase.payment(id).ok_or(Error::NoSuchPayment(id))?;
            self.providers.verify(found, &proof)?;
        }
        let call = (call, decided_answer as Answering);
        let paid = paying::confirm(&self.changing, &context, customer, order, id, call).await?;
        reply(order, paid)
    }

    async fn create_refund(&self, request: Request<CreateRefundRequest>) -> Reply<Refund> {
        let (context, order, message) =
            open_named(request, |message| parse_order(&message.order_id))?;
        let call = Call::of(&context, CREATE_REFUND, &message)?;
        let CreateRefundRequest { amount, reason, .. } = message;
        let amount = match amount {
            Some(amount) => {
                let order = reading::order(&self.until(&context), order, None).await?;
                let amount = Money::parse(&amount.value, order.total.currency());
                Some(amount.map_err(|issue| Error::invalid("amount", issue))?)
            }
            None => None,
        };
        let id: RefundId = id::new();
        let recorded = Recorded { call, resource: id.uuid(), answer: refund_answer };
        let event = Event::Refund { id, amount, reason };
        let (answer, replayed) = self.changing.answered(&context, (order, event), recorded).await?;
        answer.reply(replayed)
    }

    async fn get_refund(&self, request: Request<GetRefundRequest>) -> Reply<Refund> {
        let (context, (order, id), _) = open_named(request, |message| {
            let id = message.id.parse();
            let id: RefundId = id.map_err(|_| Error::NoSuch("refund", message.id.clone()))?;
            Ok::<_, Error>((parse_order(&message.order_id)?, id))
        })?;
        let purchase = self.purchase(&context, order).await?;
        let found = purchase.refund(id).ok_or(Error::NoSuch("refund", id.to_string()))?;
        Ok(Response::new(refund(order, found)))
    }

    async fn list_refunds(
        &self,
        request: Request<ListRefundsRequest>,
    ) -> Reply<ListRefundsResponse> {
        let (context, order, _) = open_named(request, |message| parse_order(&message.order_id))?;
        let purchase = self.purchase(&context, order).await?;
        let data = purchase.refunds.iter().map(|found| refund(order, found)).collect();
        Ok(Response::new(ListRefundsResponse { data }))
    }
}

impl Handlers {
    /// An order that the caller may see, with all that belongs to it.
    pub(super) async fn purchase(
        &self,
        context: &Context,
        order: OrderId,
    ) -> Result<Purchase, Error> {
        reading::purchase(&self.until(context), order, visible_to(context)?).await
    }
}

fn parse_payment(id: &str) -> Result<PaymentId, Error> {
    id.parse().map_err(|_| Error::NoSuch("payment", id.to_owned()))
}

/// What a checkout has brought back: all of it, or nothing.
fn proof(message: ConfirmPaymentRequest) -> Result<Option<Proof>, Error> {
    let required = |name: &str| Error::invalid(name, "is required with the other of the two");
    match (message.provider_payment_id, message.provider_signature) {
        (Some(charge), Some(signature)) => Ok(Some(Proof { charge, signature })),
        (None, None) => Ok(None),
        (None, Some(_)) => Err(required("provider_payment_id")),
        (Some(_), None) => Err(required("provider_signature")),
    }
}

fn reply(order: OrderId, paid: Paid) -> Reply<Payment> {
    match paid {
        Paid::Payment(found) if found.is_decided() => Ok(Response::new(payment(order, &found))),
        Paid::Payment(found) => Ok(under_way(payment(order, &found))),
        Paid::Replayed(answer) => answer.reply(true),
    }
}
