//! A service that does what its test says, over real gRPC: each call waits until it is told what to do.
//! Its answers have the `x-echo` of their calls.

use std::time::Duration;

use axum::extract::Request;
use axum::routing::any;
use bytes::Bytes;
use futures::{Stream, StreamExt as _, stream};
use http_body_util::BodyExt as _;
use hyper::body::Incoming;
use prost::Message;
use souk_kit::Channel;
use souk_kit::listener::{self, Networks, Protocol};
use tokio::net::TcpListener;
use tokio::sync::{Mutex, mpsc, oneshot};
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;
use tonic::body::Body;
use tonic::metadata::MetadataMap;
use tonic::service::Routes;
use tonic::{Code, Response, Status, Streaming};
use tower::ServiceExt as _;

use crate::fake::Raw;

/// Far more than anything takes.
pub const PATIENCE: Duration = Duration::from_secs(10);

/// The calls of a service.
pub struct Service {
    calls: Mutex<mpsc::UnboundedReceiver<Call>>,
    routes: Routes,
}

/// A call that is under way.
pub struct Call {
    pub path: String,
    pub metadata: MetadataMap,
    messages: Streaming<Bytes>,
    head: Option<oneshot::Sender<Result<(), Status>>>,
    answers: mpsc::Sender<Result<Bytes, Status>>,
}

impl Service {
    pub fn new() -> Self {
        let (sender, calls) = mpsc::unbounded_channel();
        let serve = any(move |request: Request| serve(request, sender.clone()));
        let routes = Routes::from(axum::Router::new().route("/{service}/{rpc}", serve));
        Self { calls: Mutex::new(calls), routes }
    }

    /// The service in this process.
    pub fn here(&self) -> Channel {
        Channel::in_process(self.routes.clone())
    }

    /// The service over the network.
    pub async fn remote(&self) -> Channel {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let options = listener::Options {
            protocol: Protocol::Grpc,
            tls: None,
            connections: 100,
            connections_per_address: 100,
            proxies: Networks::default(),
            streams: 100,
            header_timeout: PATIENCE,
            idle: PATIENCE,
            drain: PATIENCE,
            rejection: None,
        };
        let routes = self.routes.clone();
        let handler = tower::service_fn(move |request: http::Request<Incoming>| {
            routes.clone().oneshot(request.map(Body::new))
        });
        tokio::spawn(listener::serve(listener, handler, options, CancellationToken::new()));
        Channel::remote(format!("http://{address}").parse().unwrap())
    }

    /// The next call.
    pub async fn call(&self) -> Call {
        timeout(PATIENCE, self.calls.lock().await.recv()).await.expect("a call").unwrap()
    }
}

async fn serve(request: Request, calls: mpsc::UnboundedSender<Call>) -> axum::response::Response {
    let path = request.uri().path().to_owned();
    let service = tower::service_fn(move |request: tonic::Request<Streaming<Bytes>>| {
        let (metadata, _, messages) = request.into_parts();
        let (head, told) = oneshot::channel();
        let (answers, said) = mpsc::channel(1);
        let echo = metadata.get("x-echo").cloned();
        let call = Call { path: path.clone(), metadata, messages, head: Some(head), answers };
        let _ = calls.send(call);
        async move {
            told.await.unwrap_or(Ok(()))?;
            let mut response = Response::new(received(said));
            if let Some(echo) = echo {
                response.metadata_mut().insert("x-echo", echo);
            }
            Ok::<_, Status>(response)
        }
    });
    // as services of ours do: tonic takes a stream that is cancelled for one that has come to its end
    let aborted = |error| match Status::from_error(error) {
        status if status.code() == Code::Cancelled => Status::aborted("the stream is cancelled"),
        status => status,
    };
    let request = request.map(|body| Body::new(body.map_err(move |error| aborted(error.into()))));
    let response = tonic::server::Grpc::new(Raw).streaming(service, request).await;
    response.map(axum::body::Body::new)
}

fn received<T>(receiver: mpsc::Receiver<T>) -> impl Stream<Item = T> + Send + 'static
where
    T: Send + 'static,
{
    stream::unfold(receiver, |mut receiver| async { Some((receiver.recv().await?, receiver)) })
        .boxed()
}

impl Call {
    /// Takes the call, and says nothing yet.
    pub fn begin(&mut self) {
        if let Some(head) = self.head.take() {
            let _ = head.send(Ok(()));
        }
    }

    /// Sends a message as soon as there is room for it; whether somebody takes it.
    pub async fn say(&mut self, message: impl Message) -> bool {
        self.begin();
        self.answers.send(Ok(message.encode_to_vec().into())).await.is_ok()
    }

    /// Fails.
    pub async fn fail(mut self, status: impl Into<Status>) {
        match self.head.take() {
            Some(head) => {
                let _ = head.send(Err(status.into()));
            }
            None => {
                let _ = self.answers.send(Err(status.into())).await;
            }
        }
    }

    /// Waits until nobody wants to hear more.
    pub async fn gone(&self) {
        timeout(PATIENCE, self.answers.closed()).await.expect("the call is over");
    }

    /// The next message of the client; `None` when it has no more.
    pub async fn hear<M: Message + Default>(&mut self) -> Result<Option<M>, Status> {
        let message = timeout(PATIENCE, self.messages.message()).await.expect("a message")?;
        Ok(message.map(|wire| M::decode(wire).expect("a message of that type")))
    }
}
