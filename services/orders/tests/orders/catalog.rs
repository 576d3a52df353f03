//! A catalog with a small stock in memory, which does on command what a neighbour should not do:
//! it delays, fails, and does its work without anybody hearing of it.

use std::collections::HashMap;
use std::convert::Infallible;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use futures::FutureExt as _;
use futures::future::BoxFuture;
use souk_kit::auth::Verifier;
use souk_kit::id::{self, ProductId};
use souk_kit::stack::{Limits, Stack};
use souk_kit::{Channel, clock, wire};
use souk_proto::google::r#type::Decimal;
use souk_proto::souk::catalog::v2::{
    BatchGetProductsRequest, BatchGetProductsResponse, CommitStockRequest,
    ListOrderStockMovesRequest, ListOrderStockMovesResponse, PinStockRequest, Product,
    ReleaseStockRequest, Reservation, ReservationStatus, ReserveStockRequest, ReturnStockRequest,
    Shortage, StockLine, StockMove, StockMoveKind, UnpinStockRequest,
};
use souk_testing::FakeAuth;
use tonic::body::Body;
use tonic::{Request, Response, Status};
use tonic_prost::ProstCodec;
use tower::{Service, service_fn};

use crate::gate::Gate;

/// The calls that the orders service makes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rpc {
    Quote,
    Reserve,
    Pin,
    Unpin,
    Commit,
    Return,
    Release,
    Moves,
}

/// What happens to a call.
#[derive(Debug, Clone)]
pub enum Fault {
    /// It fails, and nothing is done.
    Fail(Status),
    /// It is done, and the answer does not get through.
    LoseAnswer,
    /// It waits, and is done then.
    Hold(Gate),
    /// It is done, and its answer waits.
    HoldAnswer(Gate),
}

/// A catalog. Its clones share the stock and the faults.
#[derive(Debug, Clone)]
pub struct FakeCatalog {
    /// Which way calls come in: that of one orders process.
    entrance: usize,
    state: Arc<Mutex<State>>,
}

#[derive(Debug, Default)]
struct State {
    products: HashMap<String, Stocked>,
    reservations: HashMap<String, Held>,
    ledger: Vec<StockMove>,
    faults: Vec<Planned>,
    calls: Vec<Call>,
}

#[derive(Debug, Clone)]
struct Stocked {
    name: String,
    price: String,
    available: i32,
    reserved: i32,
}

#[derive(Debug)]
struct Held {
    reservation: Reservation,
    lines: Vec<StockLine>,
    /// The highest that was heard.
    fence: i64,
}

#[derive(Debug)]
struct Planned {
    rpc: Rpc,
    /// Only calls for this product.
    product: Option<String>,
    fault: Fault,
    is_lasting: bool,
}

/// A call that has come in.
#[derive(Debug, Clone)]
pub struct Call {
    pub rpc: Rpc,
    pub entrance: usize,
    /// The order, for all but quotes.
    pub order: String,
}

impl FakeCatalog {
    pub fn new() -> Self {
        Self { entrance: 0, state: Arc::default() }
    }

    /// Another way in, to tell the calls of two processes apart.
    pub fn entrance(&self, entrance: usize) -> Self {
        Self { entrance, state: self.state.clone() }
    }

    /// How the orders service reaches it: with everything around it that is around a real one.
    pub fn channel(&self, auth: &FakeAuth) -> Channel {
        let verifier = Arc::new(Verifier::new(auth.channel(), "catalog"));
        Channel::in_process(Stack::new(self.clone(), verifier, Limits::default()))
    }

    /// A new product.
    pub fn product(&self, price: &str, available: i32) -> String {
        let id: ProductId = id::new();
        let (name, price) = (format!("The {id}"), price.to_owned());
        let stocked = Stocked { name, price, available, reserved: 0 };
        self.lock().products.insert(id.to_string(), stocked);
        id.to_string()
    }

    /// The longest name that a product may have.
    pub fn product_with_long_name(&self) -> String {
        let id = self.product("5.00", 1_000_000);
        self.lock().products.get_mut(&id).unwrap().name = "N".repeat(200);
        id
    }

    pub fn delete(&self, product: &str) {
        self.lock().products.remove(product);
    }

    /// What happens to the next call.
    pub fn once(&self, rpc: Rpc, fault: Fault) {
        self.plan(rpc, None, fault, false);
    }

    /// What happens to every call until [`FakeCatalog::heal`].
    pub fn always(&self, rpc: Rpc, fault: Fault) {
        self.plan(rpc, None, fault, true);
    }

    /// The same for calls that want a product.
    pub fn always_for(&self, rpc: Rpc, product: &str, fault: Fault) {
        self.plan(rpc, Some(product.to_owned()), fault, true);
    }

    fn plan(&self, rpc: Rpc, product: Option<String>, fault: Fault, is_lasting: bool) {
        self.lock().faults.push(Planned { rpc, product, fault, is_lasting });
    }

    /// From now on calls are answered as they should be. Those that wait go on waiting.
    pub fn heal(&self) {
        self.lock().faults.clear();
    }

    pub fn calls(&self) -> Vec<Call> {
        self.lock().calls.clone()
    }

    /// How often an order was asked for.
    pub fn calls_for(&self, rpc: Rpc, order: &str) -> usize {
        let calls = &self.lock().calls;
        calls.iter().filter(|call| call.rpc == rpc && call.order == order).count()
    }

    /// How many units can be ordered, and how many are held.
    pub fn stock(&self, product: &str) -> (i32, i32) {
        let state = self.lock();
        (state.products[product].available, state.products[product].reserved)
    }

    /// What became of the reservation of an order, if it was ever spoken of.
    pub fn reservation(&self, order: &str) -> Option<ReservationStatus> {
        self.lock().reservations.get(order).map(|held| held.reservation.status())
    }

    /// What a caller of the release before asks for, which knows no fences.
    pub fn release_without_fence(&self, order: &str) {
        self.lock().release(order.to_owned(), 0);
    }

    /// Ends all that is held, as when its time is over.
    pub fn let_reservations_end(&self) {
        let mut state = self.lock();
        let orders: Vec<String> = state.reservations.keys().cloned().collect();
        for order in orders {
            let reservation = &state.reservations[&order].reservation;
            if reservation.status() == ReservationStatus::Held && !reservation.pinned {
                state.give_back(&order, ReservationStatus::Expired);
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Answers a call, if nothing has been planned for it.
    async fn answer<T>(
        &self,
        rpc: Rpc,
        order: &str,
        products: &[String],
        work: impl FnOnce(&mut State) -> T,
    ) -> Result<Response<T>, Status> {
        let fault = {
            let mut state = self.lock();
            let call = Call { rpc, entrance: self.entrance, order: order.to_owned() };
            state.calls.push(call);
            state.fault(rpc, products)
        };
        match &fault {
            Some(Fault::Fail(status)) => return Err(status.clone()),
            Some(Fault::Hold(gate)) => gate.pass().await,
            Some(Fault::LoseAnswer | Fault::HoldAnswer(_)) | None => {}
        }
        let answer = work(&mut self.lock());
        match fault {
            Some(Fault::LoseAnswer) => return Err(Status::unavailable("the answer is lost")),
            Some(Fault::HoldAnswer(gate)) => gate.pass().await,
            Some(Fault::Fail(_) | Fault::Hold(_)) | None => {}
        }
        Ok(Response::new(answer))
    }
}

impl State {
    fn fault(&mut self, rpc: Rpc, products: &[String]) -> Option<Fault> {
        let fits = |planned: &Planned| {
            let product = planned.product.as_ref();
            planned.rpc == rpc && product.is_none_or(|product| products.contains(product))
        };
        let place = self.faults.iter().position(fits)?;
        let fault = self.faults[place].fault.clone();
        if !self.faults[place].is_lasting {
            self.faults.remove(place);
        }
        Some(fault)
    }

    fn quote(&self, ids: &[String]) -> BatchGetProductsResponse {
        let product = |id: &String| {
            let Stocked { name, price, available, .. } = self.products.get(id)?.clone();
            let (id, price) = (id.clone(), Some(Decimal { value: price }));
            let currency = "USD".to_owned();
            Some(Product { id, name, price, currency, available, ..Product::default() })
        };
        BatchGetProductsResponse { products: ids.iter().filter_map(product).collect() }
    }

    fn reserve(&mut self, request: ReserveStockRequest) -> Reservation {
        let ReserveStockRequest { order_id, lines, ttl, fence, again } = request;
        if let Some(held) = self.reservations.get_mut(&order_id) {
            let is_held = held.reservation.status() == ReservationStatus::Held;
            let has_left = matches!(
                held.reservation.status(),
                ReservationStatus::Committed | ReservationStatus::Returned
            );
            if !again || has_left || (!is_held && fence <= held.fence) {
                return held.reservation.clone();
            }
            if is_held {
                held.reservation.pinned |= fence >= held.fence;
                held.fence = held.fence.max(fence);
                return held.reservation.clone();
            }
        }
        let available = |line: &StockLine| {
            self.products.get(&line.product_id).map_or(0, |product| product.available)
        };
        let shortages: Vec<Shortage> = (lines.iter())
            .filter(|line| line.quantity > available(line))
            .map(|line| Shortage {
                product_id: line.product_id.clone(),
                requested: line.quantity,
                available: available(line),
            })
            .collect();
        let fits = shortages.is_empty();
        // to the microsecond, as a database has it
        let expires_at = clock::now() + Duration::try_from(ttl.unwrap()).unwrap();
        let status =
            if fits { ReservationStatus::Held } else { ReservationStatus::Rejected }.into();
        let reservation = Reservation {
            order_id: order_id.clone(),
            status,
            shortages,
            expires_at: fits.then(|| wire::timestamp(expires_at)),
            pinned: fits && again,
        };
        if fits {
            self.take(&lines, 1);
            self.note(&order_id, StockMoveKind::Reserve, &lines, (-1, 1));
        }
        let held = Held { reservation: reservation.clone(), lines, fence };
        self.reservations.insert(order_id, held);
        reservation
    }

    fn release(&mut self, order_id: String, fence: i64) -> Reservation {
        let unknown = || Held {
            reservation: Reservation {
                order_id: order_id.clone(),
                status: ReservationStatus::Released.into(),
                ..Reservation::default()
            },
            lines: Vec::new(),
            fence,
        };
        let held = self.reservations.entry(order_id.clone()).or_insert_with(unknown);
        if held.reservation.status() == ReservationStatus::Held && fence >= held.fence {
            self.give_back(&order_id, ReservationStatus::Released);
        }
        self.reservations[&order_id].reservation.clone()
    }

    /// Pins what is held, or takes the pin away.
    fn pin(&mut self, order: &str, fence: i64, pinned: bool) -> Reservation {
        let held = self.reservations.get_mut(order).expect("an order that has reserved");
        if held.reservation.status() == ReservationStatus::Held && fence >= held.fence {
            held.reservation.pinned = pinned;
            held.fence = fence;
        }
        held.reservation.clone()
    }

    fn commit(&mut self, order: &str) -> Reservation {
        let held = self.reservations.get_mut(order).expect("an order that has reserved");
        if held.reservation.status() == ReservationStatus::Held {
            held.reservation.set_status(ReservationStatus::Committed);
            for line in &held.lines {
                self.products.get_mut(&line.product_id).unwrap().reserved -= line.quantity;
            }
            let lines = held.lines.clone();
            self.note(order, StockMoveKind::Commit, &lines, (0, -1));
        }
        let reservation = &self.reservations[order].reservation;
        assert_eq!(reservation.status(), ReservationStatus::Committed, "{order}");
        reservation.clone()
    }

    fn put_back(&mut self, order: &str) -> Reservation {
        let held = self.reservations.get_mut(order).expect("an order that has reserved");
        if held.reservation.status() == ReservationStatus::Committed {
            held.reservation.set_status(ReservationStatus::Returned);
            for line in &held.lines {
                self.products.get_mut(&line.product_id).unwrap().available += line.quantity;
            }
        }
        held.reservation.clone()
    }

    fn give_back(&mut self, order: &str, status: ReservationStatus) {
        let held = self.reservations.get_mut(order).unwrap();
        held.reservation.set_status(status);
        held.reservation.expires_at = None;
        held.reservation.pinned = false;
        let lines = std::mem::take(&mut held.lines);
        self.take(&lines, -1);
    }

    /// A line of the ledger for each line of an order.
    fn note(&mut self, order: &str, kind: StockMoveKind, lines: &[StockLine], signs: (i32, i32)) {
        let noted = lines.iter().map(|line| StockMove {
            product_id: line.product_id.clone(),
            kind: kind.into(),
            available: signs.0 * line.quantity,
            reserved: signs.1 * line.quantity,
            order_id: Some(order.to_owned()),
            reason: String::new(),
            actor: "orders".to_owned(),
            created_at: Some(wire::timestamp(clock::now())),
        });
        self.ledger.extend(noted);
    }

    fn moves(&self, order: &str) -> ListOrderStockMovesResponse {
        let is_ours = |moved: &&StockMove| moved.order_id.as_deref() == Some(order);
        ListOrderStockMovesResponse { data: self.ledger.iter().filter(is_ours).cloned().collect() }
    }

    fn take(&mut self, lines: &[StockLine], sign: i32) {
        for line in lines {
            let product = self.products.get_mut(&line.product_id).unwrap();
            product.available -= sign * line.quantity;
            product.reserved += sign * line.quantity;
        }
    }
}

/// The calls that the orders service makes; it asks for nothing else.
impl Service<http::Request<Body>> for FakeCatalog {
    type Response = http::Response<Body>;
    type Error = Infallible;
    type Future = BoxFuture<'static, Result<http::Response<Body>, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: http::Request<Body>) -> Self::Future {
        let fake = self.clone();
        async move {
            let path = request.uri().path().to_owned();
            Ok(match path.strip_prefix("/souk.catalog.v2.CatalogService/") {
                Some("BatchGetProducts") => fake.quote_products(request).await,
                Some("ReserveStock") => fake.reserve_stock(request).await,
                Some("ReleaseStock") => fake.release_stock(request).await,
                Some("PinStock") => fake.pin_stock(request).await,
                Some("UnpinStock") => fake.unpin_stock(request).await,
                Some("CommitStock") => fake.commit_stock(request).await,
                Some("ReturnStock") => fake.return_stock(request).await,
                Some("ListOrderStockMoves") => fake.list_moves(request).await,
                _ => Status::unimplemented(path).into_http(),
            })
        }
        .boxed()
    }
}

impl FakeCatalog {
    async fn quote_products(self, request: http::Request<Body>) -> http::Response<Body> {
        unary(request, |BatchGetProductsRequest { ids }| async move {
            self.answer(Rpc::Quote, "", &ids, |state| state.quote(&ids)).await
        })
        .await
    }

    async fn reserve_stock(self, request: http::Request<Body>) -> http::Response<Body> {
        unary(request, |request: ReserveStockRequest| async move {
            let products: Vec<String> =
                request.lines.iter().map(|line| line.product_id.clone()).collect();
            let order = request.order_id.clone();
            self.answer(Rpc::Reserve, &order, &products, |state| state.reserve(request)).await
        })
        .await
    }

    async fn release_stock(self, request: http::Request<Body>) -> http::Response<Body> {
        unary(request, |ReleaseStockRequest { order_id: order, fence }| async move {
            let release = |state: &mut State| state.release(order.clone(), fence);
            self.answer(Rpc::Release, &order, &[], release).await
        })
        .await
    }

    async fn pin_stock(self, request: http::Request<Body>) -> http::Response<Body> {
        unary(request, |PinStockRequest { order_id: order, fence }| async move {
            self.answer(Rpc::Pin, &order, &[], |state| state.pin(&order, fence, true)).await
        })
        .await
    }

    async fn unpin_stock(self, request: http::Request<Body>) -> http::Response<Body> {
        unary(request, |UnpinStockRequest { order_id: order, fence }| async move {
            self.answer(Rpc::Unpin, &order, &[], |state| state.pin(&order, fence, false)).await
        })
        .await
    }

    async fn commit_stock(self, request: http::Request<Body>) -> http::Response<Body> {
        unary(request, |CommitStockRequest { order_id: order }| async move {
            self.answer(Rpc::Commit, &order, &[], |state| state.commit(&order)).await
        })
        .await
    }

    async fn return_stock(self, request: http::Request<Body>) -> http::Response<Body> {
        unary(request, |ReturnStockRequest { order_id: order }| async move {
            self.answer(Rpc::Return, &order, &[], |state| state.put_back(&order)).await
        })
        .await
    }

    async fn list_moves(self, request: http::Request<Body>) -> http::Response<Body> {
        unary(request, |ListOrderStockMovesRequest { order_id: order }| async move {
            self.answer(Rpc::Moves, &order, &[], |state| state.moves(&order)).await
        })
        .await
    }
}

/// Answers a call with one message on either side.
async fn unary<M, R, F>(
    request: http::Request<Body>,
    answer: impl FnOnce(M) -> F,
) -> http::Response<Body>
where
    M: prost::Message + Default + 'static,
    R: prost::Message + 'static,
    F: Future<Output = Result<Response<R>, Status>> + Send + 'static,
{
    let mut answer = Some(answer);
    let service = service_fn(|request: Request<M>| {
        let answer = answer.take().expect("a call has one message");
        answer(request.into_inner())
    });
    tonic::server::Grpc::new(ProstCodec::<R, M>::default()).unary(service, request).await
}
