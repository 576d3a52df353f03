//! Paying through Razorpay, as far as we and a provider that speaks its wire format can tell: whatever is lost, late,
//! doubled or out of order, money moves once, for stock that is there, and goes back where it is not wanted.

mod checkout;
mod events;
mod faults;
mod late;
mod refunds;

use std::time::Duration;

use souk_proto::google::api::HttpBody;
use souk_proto::souk::orders::v1::{
    ConfirmPaymentRequest, CreatePaymentRequest, Payment, PaymentStatus,
    ReceiveProviderEventRequest,
};
use souk_testing::razorpay::{Event, Fake};
use tonic::{Request, Response, Status};

use crate::fake::Clients as _;
use crate::support::{Buyer, Shop, World, soon, uuid};

const ORDERS: &str = "POST /v1/orders";
const CAPTURES: &str = "POST /v1/payments";
/// Later than a client of these tests waits for an answer.
const TOO_LATE: Duration = Duration::from_millis(700);

/// A shop before a Razorpay, and somebody who buys there.
struct Stage {
    world: World,
    fake: Fake,
    shop: Shop,
    buyer: Buyer,
    product: String,
}

impl Stage {
    /// With so many units of one product.
    async fn with(units: i32) -> Self {
        let (world, fake) = (World::new().await, Fake::new().await);
        let product = world.catalog.product("5.00", units);
        let (options, razorpay) = (world.test.options.clone(), Some(fake.client()));
        let shop = world.shop_before(options, &world.catalog, razorpay).await;
        shop.work();
        let buyer = world.buyer();
        Self { world, fake, shop, buyer, product }
    }

    /// An order for two units, of 10.00.
    async fn order(&self, key: &str) -> String {
        self.shop.order(&self.buyer, key, &[(&self.product, 2)]).await.id
    }

    async fn try_checkout(&self, key: &str, order: &str) -> Result<Response<Payment>, Status> {
        let request = CreatePaymentRequest {
            order_id: order.to_owned(),
            provider: "razorpay".to_owned(),
            method: "checkout".to_owned(),
        };
        self.shop.payments().create_payment(self.buyer.keyed(key, request)).await
    }

    /// An order for two units that waits for its customer in the checkout: its id, and the payment.
    async fn checkout(&self, key: &str) -> (String, Payment) {
        let order = self.order(key).await;
        let payment = self.try_checkout(key, &order).await.unwrap().into_inner();
        assert_eq!(payment.status(), PaymentStatus::RequiresConfirmation);
        (order, payment)
    }

    /// The same, paid by whatever the provider says of it: the order, the payment, and the provider's name of it.
    async fn paid(&self, key: &str, status: &str) -> (String, Payment, String) {
        let (order, payment) = self.checkout(key).await;
        let charge = self.fake.pay(payment.provider_reference(), status);
        (order, payment, charge)
    }

    /// The same, with the order paid in the end.
    async fn settled(&self, key: &str) -> (String, String) {
        let (order, _, charge) = self.paid(key, "authorized").await;
        self.tell(&self.fake.payment_event("payment.authorized", &charge)).await.unwrap();
        self.world.becomes(&order, "paid").await;
        (order, charge)
    }

    async fn tell(&self, event: &Event) -> Result<(), Status> {
        let body = HttpBody {
            content_type: "application/json".to_owned(),
            data: event.body.clone().into(),
            extensions: Vec::new(),
        };
        let request =
            ReceiveProviderEventRequest { provider: "razorpay".to_owned(), body: Some(body) };
        let mut request = Request::new(request);
        let metadata = request.metadata_mut();
        metadata.insert("x-razorpay-signature", event.signature.parse().unwrap());
        if !event.id.is_empty() {
            metadata.insert("x-razorpay-event-id", event.id.parse().unwrap());
        }
        let answer = self.shop.provider_events().receive_provider_event(request).await?;
        assert_eq!(answer.get_ref().status, "received");
        Ok(())
    }

    async fn confirm(
        &self,
        key: &str,
        payment: &Payment,
        proof: (Option<&str>, Option<&str>),
    ) -> Result<Payment, Status> {
        let request = ConfirmPaymentRequest {
            order_id: payment.order_id.clone(),
            id: payment.id.clone(),
            provider_payment_id: proof.0.map(str::to_owned),
            provider_signature: proof.1.map(str::to_owned),
        };
        let call = self.buyer.keyed(key, request);
        Ok(self.shop.payments().confirm_payment(call).await?.into_inner())
    }

    /// Lets the next look at every payment and refund come, so long after they began.
    async fn look_after(&self, minutes: u32) {
        // who takes the pin off writes after that when the order is looked at again
        let pinned = "orders where state = 'payment_failed' and stock = 'pinned'";
        soon("the pin is off", || async { self.world.test.count(pinned).await == 0 }).await;
        let sql = format!(
            "update payments set look_at = now(), created_at = now() - interval '{minutes} minutes',
                 updated_at = now() - interval '{minutes} minutes'
             where look_at is not null"
        );
        self.world.test.sql(&sql).await;
        self.world.test.sql("update refunds set look_at = now() where look_at is not null").await;
        self.world.let_time_pass().await;
    }

    /// Waits until the first payment of an order is in a state.
    async fn payment_is(&self, order: &str, status: PaymentStatus) -> Payment {
        let first = || async { self.shop.payments_of(&self.buyer, order).await.swap_remove(0) };
        soon(status.as_str_name(), || async { first().await.status() == status }).await;
        first().await
    }

    /// Waits until a look at the payments of an order has been taken, and the next is later or never.
    async fn is_looked_at(&self, order: &str) {
        let due = format!("payments where order_id = '{}' and look_at <= now()", uuid(order));
        soon("a look", || async { self.world.test.count(&due).await == 0 }).await;
    }

    /// How much of what the provider has captured it has given back, and how much it has kept, in cents.
    fn sums(&self) -> (i64, i64) {
        let payments = self.fake.payments();
        let taken = payments.iter().filter(|payment| {
            payment["captured"] == true
                && matches!(payment["status"].as_str(), Some("captured" | "refunded"))
        });
        let sum = |name: &str| -> i64 {
            taken.clone().map(|payment| payment[name].as_i64().unwrap()).sum()
        };
        (sum("amount_refunded"), sum("amount") - sum("amount_refunded"))
    }
}
