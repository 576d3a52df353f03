//! A database, a catalog and an auth service for one test, and orders processes on them.

use std::sync::Mutex;
use std::time::{Duration, Instant};

use futures::future::join_all;
use souk_db::Database;
use souk_kit::Channel;
use souk_kit::id::{OrderId, UserId};
use souk_kit::secret::MasterSecret;
use souk_kit::stack::Limits;
use souk_orders::{MIGRATOR, Options, Orders};
use souk_proto::souk::orders::v1::orders_service_client::OrdersServiceClient;
use souk_proto::souk::orders::v1::{
    CancelOrderRequest, CreateOrderItem, CreateOrderRequest, GetOrderRequest, Order, OrderStatus,
};
use souk_testing::{FakeAuth, Proxy, TestDatabase, signed};
use sqlx::postgres::PgConnectOptions;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use tonic::{Request, Response, Status};
use tonic_types::StatusExt as _;

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
    client: OrdersServiceClient<Channel>,
    work: Mutex<Option<(CancellationToken, JoinHandle<()>)>>,
}

/// Somebody who orders.
#[derive(Clone)]
pub struct Buyer {
    pub id: UserId,
    token: String,
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
        let database = Database::open(options, &MIGRATOR, CONNECTIONS).await.unwrap();
        let options = Options {
            secret: MasterSecret::new("a secret of at least 32 characters".into()).unwrap(),
            client_secret: FakeAuth::client_secret(),
            reservation_ttl: TTL,
            product_slots: 24,
            limits: Limits::default(),
        };
        let (auth, catalog) = (self.auth.channel(), catalog.channel(&self.auth));
        let orders = Orders::new(database, options, auth, catalog).unwrap();
        let client = OrdersServiceClient::new(Channel::in_process(orders.service().stack));
        Shop { orders, client, work: Mutex::default() }
    }

    /// So many orders of callers who leave, which have been tried in vain: the catalog must fail.
    pub async fn leave_orders(&self, shop: &Shop, buyer: &Buyer, count: usize, product: &str) {
        let placed = format!("orders where customer_id = '{}'", buyer.id.uuid());
        let before = self.test.count(&placed).await;
        let all = before + i64::try_from(count).unwrap();
        let accepted =
            soon("orders are accepted", || async { self.test.count(&placed).await == all });
        tokio::select! {
            _ = shop.orders(buyer, count, product) => panic!("the catalog has answered"),
            () = accepted => {}
        }
        // postponed, for less than a lease
        let untried = format!("{placed} and due_at > now() + interval '2 seconds'");
        soon("orders are tried", || async { self.test.count(&untried).await == 0 }).await;
    }

    pub fn buyer(&self) -> Buyer {
        self.buyer_with("")
    }

    pub fn buyer_with(&self, scopes: &str) -> Buyer {
        let (id, token) = self.auth.person(scopes);
        Buyer { id, token }
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
                 where state = 'reserved'",
            )
            .await;
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

    /// Waits until nothing is left to do for any order but to wait.
    pub async fn settles(&self) {
        let left = "orders where state = 'pending' or state in ('cancelled', 'expired')
            and due_at is not null";
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

    /// Everything that a shop may be asked for.
    pub fn client(&self) -> OrdersServiceClient<Channel> {
        self.client.clone()
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
        let request = signed(&buyer.token, GetOrderRequest { id: order.to_owned() });
        Ok(self.client().get_order(request).await?.into_inner())
    }

    pub async fn cancel(&self, buyer: &Buyer, order: &str) -> Result<Order, Status> {
        Ok(self.client().cancel_order(buyer.cancellation(order)).await?.into_inner())
    }
}

impl Buyer {
    pub fn order(&self, key: &str, items: &[(&str, i32)]) -> Request<CreateOrderRequest> {
        let item = |(product, quantity): &(&str, i32)| CreateOrderItem {
            product_id: (*product).to_owned(),
            quantity: *quantity,
        };
        let message = CreateOrderRequest { items: items.iter().map(item).collect() };
        let mut request = signed(&self.token, message);
        request.metadata_mut().insert("idempotency-key", key.parse().unwrap());
        request
    }

    /// The same from somebody who has little time.
    pub fn hasty_order(&self, key: &str, items: &[(&str, i32)]) -> Request<CreateOrderRequest> {
        let mut request = self.order(key, items);
        // of which a half of a second is kept for the answer
        request.set_timeout(Duration::from_millis(600));
        request
    }

    pub fn cancellation(&self, order: &str) -> Request<CancelOrderRequest> {
        signed(&self.token, CancelOrderRequest { id: order.to_owned() })
    }

    pub fn sign<T>(&self, message: T) -> Request<T> {
        signed(&self.token, message)
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
