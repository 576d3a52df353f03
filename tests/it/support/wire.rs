//! HTTP/2 without a client library in between: what an ordinary client never sends, or not so.

use bytes::{BufMut as _, Bytes, BytesMut};
use h2::client::{ResponseFuture, SendRequest};
use h2::{RecvStream, SendStream};
use http::{HeaderMap, Request, StatusCode};
use tokio::net::{TcpSocket, TcpStream};
use tonic::{Code, Status};
use tonic_types::StatusExt as _;

/// A connection.
#[derive(Clone)]
pub struct Http2 {
    requests: SendRequest<Bytes>,
    authority: String,
}

/// A whole answer.
#[derive(Debug)]
pub struct Answer {
    pub status: StatusCode,
    pub headers: HeaderMap,
    pub trailers: HeaderMap,
    pub body: Bytes,
}

impl Http2 {
    pub async fn connect(address: &str) -> Self {
        Self::over(TcpStream::connect(address).await.unwrap(), &h2::client::Builder::new()).await
    }

    /// One from an address of this machine, which gives room for so much of each answer.
    pub async fn connect_from(own: &str, address: &str, window: u32) -> Self {
        let socket = TcpSocket::new_v4().unwrap();
        socket.bind(format!("{own}:0").parse().unwrap()).unwrap();
        let tcp = socket.connect(address.parse().unwrap()).await.unwrap();
        Self::over(tcp, h2::client::Builder::new().initial_window_size(window)).await
    }

    async fn over(tcp: TcpStream, builder: &h2::client::Builder) -> Self {
        let authority = tcp.peer_addr().unwrap().to_string();
        tcp.set_nodelay(true).unwrap();
        let (requests, connection) = builder.handshake(tcp).await.unwrap();
        tokio::spawn(connection);
        Self { requests, authority }
    }

    /// Begins a request, of which no body has been sent.
    pub async fn begin(
        &self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
    ) -> (ResponseFuture, SendStream<Bytes>) {
        let mut request =
            Request::builder().method(method).uri(format!("http://{}{path}", self.authority));
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let mut requests = self.requests.clone().ready().await.unwrap();
        requests.send_request(request.body(()).unwrap(), false).unwrap()
    }

    /// Sends a request with a body, and waits for the answer.
    pub async fn send(
        &self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: Bytes,
    ) -> Answer {
        let (response, mut stream) = self.begin(method, path, headers).await;
        // the server may have answered already
        let _ = stream.send_data(body, true);
        Answer::of(response).await
    }

    /// Calls an RPC of the catalog with these bytes.
    pub async fn call(&self, rpc: &str, headers: &[(&str, &str)], body: Bytes) -> Answer {
        let path = format!("/souk.catalog.v1.CatalogService/{rpc}");
        let mut all = vec![("content-type", "application/grpc"), ("te", "trailers")];
        all.extend(headers);
        self.send("POST", &path, &all, body).await
    }
}

impl Answer {
    pub async fn of(response: ResponseFuture) -> Self {
        let (parts, mut body) = response.await.unwrap().into_parts();
        let mut bytes = BytesMut::new();
        while let Some(data) = body.data().await {
            let data = data.unwrap();
            release(&mut body, data.len());
            bytes.put(data);
        }
        let trailers = body.trailers().await.unwrap_or_default().unwrap_or_default();
        Self { status: parts.status, headers: parts.headers, trailers, body: bytes.freeze() }
    }

    /// The status of gRPC, and the reason in its details.
    pub fn grpc(&self) -> (Code, String) {
        let headers = if self.trailers.is_empty() { &self.headers } else { &self.trailers };
        let status = Status::from_header_map(headers).expect("a status of gRPC");
        let reason = status.get_details_error_info().map(|info| info.reason);
        (status.code(), reason.unwrap_or_default())
    }
}

fn release(body: &mut RecvStream, bytes: usize) {
    let _ = body.flow_control().release_capacity(bytes);
}

/// A message as gRPC sends it: behind a flag and its length.
pub fn framed(message: &[u8]) -> Bytes {
    let mut frame = BytesMut::with_capacity(message.len() + 5);
    frame.put_u8(0);
    frame.put_u32(u32::try_from(message.len()).unwrap());
    frame.put_slice(message);
    frame.freeze()
}
