//! A database, a catalog and an auth service for one test, and orders processes on them.

use std::sync::Mutex;
use std::time::{Duration, Instant};

use futures::future::join_all;
use souk_db::Database;
use souk_kit::Channel;
use souk_kit::id::OrderId;
use souk_kit::secret::MasterSecret;
use souk_kit::stack::Limits;
use souk_orders::razorpay::Razorpay;
use souk_orders::{MIGRATOR, Options, Orders, WebhookPolicy};
use souk_proto::google::r#type::Decimal;
use souk_proto::souk::orders::v1::addresses_service_client::AddressesServiceClient;
use souk_proto::souk::orders::v1::order_events_service_client::OrderEventsServiceClient;
use souk_proto::souk::orders::v1::orders_service_client::OrdersServiceClient;
use souk_proto::souk::orders::v1::payments_service_client::PaymentsServiceClient;
use souk_proto::souk::orders::v1::provider_events_service_client::ProviderEventsServiceClient;
use souk_proto::souk::orders::v1::shipments_service_client::ShipmentsServiceClient;
use souk_proto::souk::orders::v1::{
    CreateOrderRequest, CreateRefundRequest, CreateShipmentRequest, GetOrderRequest,
    ListPaymentsRequest, ListRefundsRequest, Order, OrderStatus, Payment, PaymentStatus, Refund,
    Shipment,
};
use souk_testing::{FakeAuth, Proxy, TestDatabase};
use sqlx::postgres::PgConnectOptions;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use tonic::{Request, Response, Status};
use tonic_types::StatusExt as _;

pub use crate::buyer::Buyer;
use crate::catalog::FakeCatalog;

/// As long as anything may take that should take no time.
pub const PATIENCE: Duration = Duration::from_secs(20);
/// How long stock is held for an order.
pub const TTL: Duration = Duration::from_secs(900);
const CONNECTIONS: u32 = 8;

/// A text that only the statement has which looks for earlier calls.
pub const LOOK_UP: &str = "left join idempotency_keys";
/// The same of the one which places and changes orders.
pub const CHANGE: &str = "insert into orders (id";
/// And of the one which puts an order off.
pub const POSTPONE: &str = "power(2, least(attempts";

/// What is around an orders process.
pub struct World {
    pub test: TestDatabase,
    pub catalog: FakeCatalog,
    pub auth: FakeAuth,
}

/// An orders process, as far as anybody else can tell.
pub struct Shop {
    orders: Orders,
    /// One for each of its services.
    channels: Vec<Channel>,
    work: Mutex<Option<(CancellationToken, JoinHandle<()>)>>,
}

impl World {
    pub async fn new() -> Self {
        let test = TestDatabase::new(&MIGRATOR).await;
        let (catalog, auth) = (FakeCatalog::new(), FakeAuth::new("stock:reserve"));
        Self { test, catalog, auth }
    }

    /// An orders process that does nothing but answer calls.
    pub async fn shop(&self) -> Shop {
        self.shop_with(self.test.options.clone(), &self.catalog).await
    }

    /// The same with the work in the background that carries what is due.
    pub async fn working_shop(&self) -> Shop {
        let shop = self.shop().await;
        shop.work();
        shop
    }

    /// The same on another way to the database, and to the catalog.
    pub async fn shop_with(&self, options: PgConnectOptions, catalog: &FakeCatalog) -> Shop {
        self.shop_before(options, catalog, None).await
    }

    /// The same with a Razorpay.
    pub async fn shop_before(
        &self,
        options: PgConnectOptions,
        catalog: &FakeCatalog,
        razorpay: Option<Razorpay>,
    ) -> Shop {
        let local = WebhookPolicy { allow_private: true, allow_http: true };
        self.shop_with_all(options, catalog, razorpay, local).await
    }

    /// One that sends webhooks where this lets it.
    pub async fn shop_that_sends(&self, webhooks: WebhookPolicy) -> Shop {
        self.shop_with_all(self.test.options.clone(), &self.catalog, None, webhooks).await
    }

    async fn shop_with_all(
        &self,
        options: PgConnectOptions,
        catalog: &FakeCatalog,
        razorpay: Option<Razorpay>,
        webhooks: WebhookPolicy,
    ) -> Shop {
        self.shop_of(options, catalog, (true, razorpay), webhooks).await
    }

    /// One that no longer has a sandbox.
    pub async fn shop_without_sandbox(&self) -> Shop {
        let webhooks = WebhookPolicy::default();
        self.shop_of(self.test.options.clone(), &self.catalog, (false, None), webhooks).await
    }

    async fn shop_of(
        &self,
        options: PgConnectOptions,
        catalog: &FakeCatalog,
        (sandbox_payments, razorpay): (bool, Option<Razorpay>),
        webhooks: WebhookPolicy,
    ) -> Shop {
        let database = Database::open(options, &MIGRATOR, CONNECTIONS).await.unwrap();
        let options = Options {
            secret: MasterSecret::new("a secret of at least 32 characters".into()).unwrap(),
            client_secret: FakeAuth::client_secret(),
            reservation_ttl: TTL,
            product_slots: 24,
            sandbox_payments,
            razorpay,
            webhooks,
            limits: Limits::default(),
        };
        let (auth, catalog) = (self.auth.channel(), catalog.channel(&self.auth));
        let orders = Orders::new(database, options, auth, catalog).unwrap();
        let channels: Vec<Channel> = (orders.services().into_iter())
            .map(|service| Channel::in_process(service.stack))
            .collect();
        Shop { orders, channels, work: Mutex::default() }
    }

    pub fn buyer(&self) -> Buyer {
        self.buyer_with("")
    }

    pub fn buyer_with(&self, scopes: &str) -> Buyer {
        let (id, token) = self.auth.person(scopes);
        Buyer::new(id, token)
    }

    /// Somebody who may do no more than this from now on.
    pub fn with_scopes(&self, buyer: &Buyer, scopes: &str) -> Buyer {
        Buyer::new(buyer.id, self.auth.again(buyer.id, scopes))
    }

    /// Makes everything due that the saga has to look at some time.
    pub async fn let_time_pass(&self) {
        self.test.sql("update orders set due_at = now() where due_at is not null").await;
    }

    /// Ends the time for which stock is held.
    pub async fn let_reservations_end(&self) {
        self.test
            .sql(
                "update orders set due_at = now(), reserved_until = now() - interval '1 second'
                 where state in ('reserved', 'payment_failed')",
            )
            .await;
    }

    /// How many charges a bank would show for an order, and how many of them went back.
    pub async fn charges(&self, order: &str) -> (i64, i64) {
        let id = uuid(order);
        let charged = format!("sandbox_charges where order_id = '{id}' and charged_at <= now()");
        let refunded = format!(
            "sandbox_refunds join sandbox_charges using (reference) where order_id = '{id}'"
        );
        (self.test.count(&charged).await, self.test.count(&refunded).await)
    }

    /// Somebody who sends orders and gives money back.
    pub fn staff(&self) -> Buyer {
        self.buyer_with("orders:read_all orders:fulfill orders:refund")
    }

    /// The ids of all orders.
    pub async fn orders(&self) -> Vec<String> {
        let ids: Vec<uuid::Uuid> =
            sqlx::query_scalar("select id from orders").fetch_all(&self.test.pool).await.unwrap();
        ids.into_iter().map(|id| OrderId::from_uuid(id).to_string()).collect()
    }

    /// Waits until the stock of an order is where it belongs.
    pub async fn stock_is(&self, order: &str, stock: &str) {
        let sql = format!("select stock from orders where id = '{}'", uuid(order));
        soon(stock, || async { self.test.ask::<String>(&sql).await == stock }).await;
    }

    /// The word for the state of an order, as the database has it.
    pub async fn state(&self, order: &str) -> String {
        self.test.ask(&format!("select state from orders where id = '{}'", uuid(order))).await
    }

    /// Waits until an order is in a state.
    pub async fn becomes(&self, order: &str, state: &str) {
        soon(state, || async { self.state(order).await == state }).await;
    }

    /// Waits until so many orders are in a state.
    pub async fn all_become(&self, state: &str, orders: i64) {
        let condition = format!("orders where state = '{state}'");
        soon(state, || async { self.test.count(&condition).await == orders }).await;
    }

    /// Lets everything come to its time, for as long as the saga needs to look at it.
    pub async fn settle_due(&self) {
        for _ in 0..25 {
            self.let_time_pass().await;
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
    }

    /// Waits until nothing is left to do for any order but to wait.
    pub async fn settles(&self) {
        let left = "orders where state in ('pending', 'paying')
            or due_at is not null and state in ('cancelled', 'expired', 'paid', 'fulfilled',
                'delivered', 'refunded', 'partially_refunded')";
        soon("all orders settle", || async { self.test.count(left).await == 0 }).await;
    }
}

impl Shop {
    /// Begins to carry what is due, and to forget what is over.
    pub fn work(&self) {
        let (orders, shutdown) = (self.orders.clone(), CancellationToken::new());
        let end = shutdown.clone();
        let task = tokio::spawn(async move { orders.run(end).await });
        *self.work.lock().unwrap() = Some((shutdown, task));
    }

    /// Ends that, when what is under way is done.
    pub async fn rest(&self) {
        let work = self.work.lock().unwrap().take();
        let (shutdown, task) = work.expect("a shop at work");
        shutdown.cancel();
        task.await.unwrap();
    }

    /// Everything that a shop may be asked for about orders.
    pub fn client(&self) -> OrdersServiceClient<Channel> {
        OrdersServiceClient::new(self.channels[0].clone())
    }

    pub fn payments(&self) -> PaymentsServiceClient<Channel> {
        PaymentsServiceClient::new(self.channels[1].clone())
    }

    pub fn shipments(&self) -> ShipmentsServiceClient<Channel> {
        ShipmentsServiceClient::new(self.channels[2].clone())
    }

    pub fn addresses(&self) -> AddressesServiceClient<Channel> {
        AddressesServiceClient::new(self.channels[3].clone())
    }

    /// One of its services, as [`souk_orders::SERVICES`] lists them.
    pub fn channel(&self, service: usize) -> Channel {
        self.channels[service].clone()
    }

    pub fn events(&self) -> OrderEventsServiceClient<Channel> {
        OrderEventsServiceClient::new(self.channels[4].clone())
    }

    pub fn provider_events(&self) -> ProviderEventsServiceClient<Channel> {
        ProviderEventsServiceClient::new(self.channels[5].clone())
    }

    pub async fn create(
        &self,
        request: Request<CreateOrderRequest>,
    ) -> Result<Response<Order>, Status> {
        self.client().create_order(request).await
    }

    /// Places an order that is answered with one.
    pub async fn order(&self, buyer: &Buyer, key: &str, items: &[(&str, i32)]) -> Order {
        self.create(buyer.order(key, items)).await.unwrap().into_inner()
    }

    /// Places so many orders at once, each of one unit.
    pub async fn orders(&self, buyer: &Buyer, count: usize, product: &str) -> Vec<Order> {
        let order = |number| async move {
            self.order(buyer, &format!("key-{number}"), &[(product, 1)]).await
        };
        join_all((0..count).map(order)).await
    }

    pub async fn get(&self, buyer: &Buyer, order: &str) -> Result<Order, Status> {
        let request = buyer.sign(GetOrderRequest { id: order.to_owned() });
        Ok(self.client().get_order(request).await?.into_inner())
    }

    /// Pays an order, as the method of the sandbox says.
    pub async fn pay(
        &self,
        buyer: &Buyer,
        key: &str,
        order: &str,
        method: &str,
    ) -> Result<Response<Payment>, Status> {
        self.payments().create_payment(buyer.payment(key, order, method)).await
    }

    /// Places an order for so many units of a product and pays it.
    pub async fn paid_order(&self, buyer: &Buyer, key: &str, items: &[(&str, i32)]) -> Order {
        let order = self.order(buyer, key, items).await;
        let paid = self.pay(buyer, key, &order.id, "ok").await.unwrap().into_inner();
        assert_eq!(paid.status(), PaymentStatus::Succeeded);
        self.get(buyer, &order.id).await.unwrap()
    }

    pub async fn payments_of(&self, buyer: &Buyer, order: &str) -> Vec<Payment> {
        let request = buyer.sign(ListPaymentsRequest { order_id: order.to_owned() });
        self.payments().list_payments(request).await.unwrap().into_inner().data
    }

    pub async fn refunds_of(&self, buyer: &Buyer, order: &str) -> Vec<Refund> {
        let request = buyer.sign(ListRefundsRequest { order_id: order.to_owned() });
        self.payments().list_refunds(request).await.unwrap().into_inner().data
    }

    /// Gives back an amount, or all that is left.
    pub async fn refund(
        &self,
        staff: &Buyer,
        key: &str,
        order: &str,
        amount: Option<&str>,
    ) -> Result<Response<Refund>, Status> {
        let amount = amount.map(|value| Decimal { value: value.to_owned() });
        let (order_id, reason) = (order.to_owned(), "asked for".to_owned());
        let request = CreateRefundRequest { order_id, amount, reason };
        self.payments().create_refund(staff.keyed(key, request)).await
    }

    pub async fn ship(
        &self,
        staff: &Buyer,
        key: &str,
        order: &str,
    ) -> Result<Response<Shipment>, Status> {
        let request = CreateShipmentRequest {
            order_id: order.to_owned(),
            carrier: "DHL".to_owned(),
            tracking_number: "42".to_owned(),
        };
        self.shipments().create_shipment(staff.keyed(key, request)).await
    }

    pub async fn cancel(&self, buyer: &Buyer, order: &str) -> Result<Order, Status> {
        Ok(self.client().cancel_order(buyer.cancellation(order)).await?.into_inner())
    }
}

/// The id of an order as the database has it.
pub fn uuid(order: &str) -> uuid::Uuid {
    order.parse::<OrderId>().unwrap().uuid()
}

pub fn reason(status: &Status) -> String {
    status.get_details_error_info().expect("details").reason
}

/// Whether the answer says that the order is accepted and still under way.
pub fn is_pending(answer: &Response<Order>) -> bool {
    let code = answer.metadata().get("x-http-code");
    code.is_some_and(|code| code == "202") && answer.get_ref().status() == OrderStatus::Pending
}

pub fn is_replayed(metadata: &tonic::metadata::MetadataMap) -> bool {
    metadata.get("idempotent-replayed").is_some_and(|replayed| replayed == "true")
}

/// Whether a statement with this text has gone through since this was asked last.
pub fn has_seen(proxy: &Proxy, statement: &str) -> bool {
    let trips = proxy.take_round_trips();
    trips.iter().any(|trip| trip.executes && trip.sql.contains(statement))
}

/// Waits until something holds.
pub async fn soon<F: Future<Output = bool>>(what: &str, holds: impl Fn() -> F) {
    let begin = Instant::now();
    while !holds().await {
        assert!(begin.elapsed() < PATIENCE, "{what}: not within {PATIENCE:?}");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}
