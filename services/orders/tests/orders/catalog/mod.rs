//! A catalog with a small stock in memory, which does on command what a neighbour should not do:
//! it delays, fails, and does its work without anybody hearing of it.

mod state;

use std::convert::Infallible;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};

use futures::FutureExt as _;
use futures::future::BoxFuture;
use souk_kit::Channel;
use souk_kit::auth::Verifier;
use souk_kit::id::{self, ProductId};
use souk_kit::stack::{Limits, Stack};
use souk_proto::souk::catalog::v2::{
    BatchGetProductsRequest, CommitStockRequest, ListOrderStockMovesRequest, PinStockRequest,
    ReleaseStockRequest, ReservationStatus, ReserveStockRequest, ReturnStockRequest,
    UnpinStockRequest,
};
use souk_testing::FakeAuth;
use tonic::body::Body;
use tonic::{Request, Response, Status};
use tonic_prost::ProstCodec;
use tower::{Service, service_fn};

use self::state::{Planned, State, Stocked};
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
