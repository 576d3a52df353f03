//! Streams, in front of a service that does what its test says.

mod answers;
mod bodies;
mod bytes;
mod client;
mod downloads;
mod forms;
mod forwarding;
mod limits;
mod service;
mod sockets;
mod stalled;

use std::path::Path;
use std::sync::LazyLock;

use souk_gateway::transcode::Style;
use souk_gateway::{Access, Contracts, Gateway, Options, Upstream};
use souk_kit::Channel;

use crate::shop::{Shop, verifier};
use client::{Answer, Body, Next};
use service::{Call, PATIENCE, Service};

/// The messages of `feed.proto`.
#[derive(Clone, PartialEq, prost::Message)]
struct WatchRequest {
    #[prost(string, tag = "1")]
    topic: String,
    #[prost(int32, tag = "2")]
    size: i32,
}

#[derive(Clone, PartialEq, prost::Message)]
struct Entry {
    #[prost(string, tag = "1")]
    topic: String,
    #[prost(int32, tag = "2")]
    sequence: i32,
    #[prost(string, tag = "3")]
    text: String,
}

#[derive(Clone, PartialEq, prost::Message)]
struct Summary {
    #[prost(int32, tag = "1")]
    count: i32,
}

#[derive(Clone, PartialEq, prost::Message)]
struct HttpBody {
    #[prost(string, tag = "1")]
    content_type: String,
    #[prost(bytes = "vec", tag = "2")]
    data: Vec<u8>,
}

#[derive(Clone, PartialEq, prost::Message)]
struct File {
    #[prost(string, tag = "1")]
    topic: String,
    #[prost(int32, tag = "2")]
    size: i32,
    #[prost(message, optional, tag = "3")]
    content: Option<HttpBody>,
    #[prost(string, tag = "4")]
    name: String,
}

#[derive(Clone, PartialEq, prost::Message)]
struct Document {
    #[prost(string, tag = "1")]
    etag: String,
    #[prost(message, optional, tag = "2")]
    content: Option<HttpBody>,
}

fn http_body(content_type: &str, data: impl Into<Vec<u8>>) -> HttpBody {
    HttpBody { content_type: content_type.to_owned(), data: data.into() }
}

fn entry(sequence: i32, text: &str) -> Entry {
    Entry { sequence, text: text.to_owned(), ..Entry::default() }
}

fn contracts() -> Contracts {
    static DESCRIPTORS: LazyLock<Vec<u8>> = LazyLock::new(|| {
        let root = Path::new(env!("CARGO_MANIFEST_DIR"));
        let includes = ["tests/http/streams", "../proto", "tests/transcoding"];
        let includes = includes.map(|folder| root.join(folder));
        let mut compiler = protox::Compiler::new(includes).unwrap();
        compiler.include_imports(true).open_file("feed.proto").unwrap();
        compiler.encode_file_descriptor_set()
    });
    Contracts::read(&DESCRIPTORS, Some(Access::Public), Style::Plain).unwrap()
}

/// A gateway in front of a service in this process.
async fn feed(service: &Service, options: Options) -> Shop {
    before(service.here(), options).await
}

/// A gateway in front of a service that is called over the network.
async fn remote_feed(service: &Service, options: Options) -> Shop {
    before(service.remote().await, options).await
}

/// A service and its gateway, called in both ways.
async fn feeds(options: Options) -> Vec<(Service, Shop)> {
    let (here, remote) = (Service::new(), Service::new());
    let shops = (feed(&here, options.clone()).await, remote_feed(&remote, options).await);
    vec![(here, shops.0), (remote, shops.1)]
}

async fn before(channel: Channel, options: Options) -> Shop {
    let contracts = contracts();
    let upstream = Upstream { name: "feed.v1.Feed".to_owned(), channel, probe: None };
    let gateway = Gateway::new(&contracts, vec![upstream], Some(verifier()), options);
    Shop::serving(gateway.unwrap()).await
}
