//! A gRPC service of somebody else, over the network: of Souk it knows nothing, and of itself only what
//! its contract says. In tests its messages are text, as protobuf has it. Its answers have the `x-echo`
//! of their calls.

use std::convert::Infallible;
use std::path::Path;
use std::sync::{Arc, Mutex};

use bytes::Buf as _;
use futures::stream::{self, BoxStream};
use futures::{StreamExt as _, TryStreamExt as _};
use prost::Message as _;
use prost_reflect::{DescriptorPool, DynamicMessage, MessageDescriptor, MethodDescriptor};
use tokio::net::TcpListener;
use tonic::body::Body;
use tonic::codec::{Codec, DecodeBuf, Decoder, EncodeBuf, Encoder};
use tonic::server::Grpc;
use tonic::transport::Server;
use tonic::transport::server::TcpIncoming;
use tonic::{Request, Response, Status, Streaming};
use tower::service_fn;

/// The service, and what it has heard.
pub struct Stranger {
    pub url: String,
    /// Its contract, as `protoc --include_imports` writes it.
    pub descriptors: Vec<u8>,
    service: Arc<Service>,
}

struct Service {
    contract: DescriptorPool,
    heard: Mutex<Vec<String>>,
    answers: Mutex<Vec<String>>,
}

impl Stranger {
    /// Serves a contract of the gateway's tests.
    pub async fn with(contract: &str) -> Self {
        let root = Path::new(env!("CARGO_MANIFEST_DIR"));
        let tests = ["http", "http/streams", "transcoding"];
        let includes = tests.map(|folder| root.join("gateway/tests").join(folder));
        let includes = includes.into_iter().chain([root.join("proto")]);
        let mut compiler = protox::Compiler::new(includes).unwrap();
        compiler.include_imports(true).open_file(contract).unwrap();
        let service = Arc::new(Service {
            contract: compiler.descriptor_pool(),
            heard: Mutex::default(),
            answers: Mutex::default(),
        });
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let serving = service.clone();
        let serve = service_fn(move |request| serving.clone().serve(request));
        let incoming = TcpIncoming::from(listener).with_nodelay(Some(true));
        tokio::spawn(Server::builder().serve_with_incoming(serve, incoming));
        Self { url, descriptors: compiler.encode_file_descriptor_set(), service }
    }

    /// What it answers from now on, as soon as a caller has no more to say. Where both sides stream, it
    /// answers each message with the same.
    pub fn answers(&self, messages: &[&str]) {
        *self.service.answers.lock().unwrap() = messages.iter().map(ToString::to_string).collect();
    }

    /// What it has heard since it was asked last, each message with its RPC.
    pub fn heard(&self) -> Vec<String> {
        std::mem::take(&mut self.service.heard.lock().unwrap())
    }
}

impl Service {
    async fn serve(
        self: Arc<Self>,
        request: http::Request<Body>,
    ) -> Result<http::Response<Body>, Infallible> {
        let (service, rpc) = request.uri().path()[1..].split_once('/').expect("the path of an RPC");
        let service = self.contract.get_service_by_name(service).expect("a service of ours");
        let rpc = service.methods().find(|method| method.name() == rpc).expect("an RPC of ours");
        let codec = Dynamic(rpc.input());
        let answer = service_fn(move |request| self.clone().answer(rpc.clone(), request));
        Ok(Grpc::new(codec).streaming(answer, request).await)
    }

    async fn answer(
        self: Arc<Self>,
        rpc: MethodDescriptor,
        request: Request<Streaming<DynamicMessage>>,
    ) -> Result<Response<BoxStream<'static, Result<DynamicMessage, Status>>>, Status> {
        let (hearing, name) = (self.clone(), rpc.name().to_owned());
        let echo = request.metadata().get("x-echo").cloned();
        let heard = request.into_inner().inspect_ok(move |message| {
            let message = format!("{name} {}", message.to_text_format());
            hearing.heard.lock().unwrap().push(message);
        });
        if rpc.is_client_streaming() && rpc.is_server_streaming() {
            return Ok(Response::new(heard.boxed()));
        }
        heard.try_for_each(|_| std::future::ready(Ok(()))).await?;
        let read = |text: &String| DynamicMessage::parse_text_format(rpc.output(), text).unwrap();
        let answers: Vec<_> = self.answers.lock().unwrap().iter().map(read).map(Ok).collect();
        let mut response = Response::new(stream::iter(answers).boxed());
        if let Some(echo) = echo {
            response.metadata_mut().insert("x-echo", echo);
        }
        Ok(response)
    }
}

/// Messages of whatever type a contract says; the type of those that come.
#[derive(Clone)]
struct Dynamic(MessageDescriptor);

impl Codec for Dynamic {
    type Encode = DynamicMessage;
    type Decode = DynamicMessage;
    type Encoder = Self;
    type Decoder = Self;

    fn encoder(&mut self) -> Self {
        self.clone()
    }

    fn decoder(&mut self) -> Self {
        self.clone()
    }
}

impl Encoder for Dynamic {
    type Item = DynamicMessage;
    type Error = Status;

    fn encode(&mut self, message: DynamicMessage, out: &mut EncodeBuf<'_>) -> Result<(), Status> {
        message.encode(out).map_err(|error| Status::internal(error.to_string()))
    }
}

impl Decoder for Dynamic {
    type Item = DynamicMessage;
    type Error = Status;

    fn decode(&mut self, wire: &mut DecodeBuf<'_>) -> Result<Option<DynamicMessage>, Status> {
        let wire = wire.copy_to_bytes(wire.remaining());
        let message = DynamicMessage::decode(self.0.clone(), wire);
        message.map(Some).map_err(|error| Status::internal(error.to_string()))
    }
}
