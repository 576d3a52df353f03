//! A gRPC service that answers every RPC the same, and remembers what it was asked.

use std::sync::{Arc, Mutex};

use axum::extract::Request;
use axum::routing::any;
use bytes::{Buf as _, BufMut as _, Bytes};
use futures::future::BoxFuture;
use prost::Message;
use tonic::codec::{Codec, DecodeBuf, Decoder, EncodeBuf, Encoder};
use tonic::metadata::MetadataMap;
use tonic::service::Routes;
use tonic::{Response, Status};

pub const SERVICES: [&str; 9] = [
    "souk.auth.v1.AuthService",
    "souk.catalog.v1.CatalogService",
    "souk.catalog.v2.CatalogService",
    "souk.orders.v1.OrdersService",
    "souk.orders.v1.ShipmentsService",
    "souk.orders.v1.PaymentsService",
    "souk.orders.v1.OrderEventsService",
    "souk.orders.v1.AddressesService",
    "souk.orders.v1.ProviderEventsService",
];

pub type Answer = Result<Response<Bytes>, Status>;
type Answers = Arc<dyn Fn() -> BoxFuture<'static, Answer> + Send + Sync>;

/// What the service was asked.
#[derive(Clone)]
pub struct Call {
    pub path: String,
    pub metadata: MetadataMap,
    pub wire: Bytes,
}

#[derive(Clone)]
pub struct Fake {
    answers: Answers,
    calls: Arc<Mutex<Vec<Call>>>,
}

impl Fake {
    pub fn with<F: Future<Output = Answer> + Send + 'static>(
        answers: impl Fn() -> F + Send + Sync + 'static,
    ) -> Self {
        let answers: Answers = Arc::new(move || Box::pin(answers()));
        Self { answers, calls: Arc::default() }
    }

    pub fn answering(message: impl Message) -> Self {
        let wire = Bytes::from(message.encode_to_vec());
        Self::with(move || std::future::ready(Ok(Response::new(wire.clone()))))
    }

    pub fn failing(status: impl Into<Status>) -> Self {
        let status = status.into();
        Self::with(move || std::future::ready(Err(status.clone())))
    }

    /// How many calls there were.
    pub fn calls(&self) -> usize {
        self.calls.lock().unwrap().len()
    }

    /// The last call, when there was one.
    pub fn last_call(&self) -> Option<Call> {
        self.calls.lock().unwrap().last().cloned()
    }

    /// The message of the last call.
    pub fn received<M: Message + Default>(&self) -> M {
        M::decode(self.last_call().expect("a call").wire).expect("a message")
    }

    /// Every RPC of every service.
    pub fn routes(&self) -> Routes {
        let fake = self.clone();
        let serve = any(move |request: Request| fake.clone().serve(request));
        Routes::from(axum::Router::new().route("/{service}/{rpc}", serve))
    }

    async fn serve(self, request: Request) -> axum::response::Response {
        let path = request.uri().path().to_owned();
        let service = tower::service_fn(move |request: tonic::Request<Bytes>| {
            let (metadata, _, wire) = request.into_parts();
            self.calls.lock().unwrap().push(Call { path: path.clone(), metadata, wire });
            (self.answers)()
        });
        let request = request.map(tonic::body::Body::new);
        let response = tonic::server::Grpc::new(Raw).unary(service, request).await;
        response.map(axum::body::Body::new)
    }
}

/// Passes wire bytes through.
#[derive(Clone, Copy)]
pub struct Raw;

impl Codec for Raw {
    type Encode = Bytes;
    type Decode = Bytes;
    type Encoder = Raw;
    type Decoder = Raw;

    fn encoder(&mut self) -> Raw {
        Raw
    }

    fn decoder(&mut self) -> Raw {
        Raw
    }
}

impl Encoder for Raw {
    type Item = Bytes;
    type Error = Status;

    fn encode(&mut self, wire: Bytes, out: &mut EncodeBuf<'_>) -> Result<(), Status> {
        out.put(wire);
        Ok(())
    }
}

impl Decoder for Raw {
    type Item = Bytes;
    type Error = Status;

    fn decode(&mut self, message: &mut DecodeBuf<'_>) -> Result<Option<Bytes>, Status> {
        Ok(Some(message.copy_to_bytes(message.remaining())))
    }
}
