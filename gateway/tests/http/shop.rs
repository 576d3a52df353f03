//! A gateway that runs for one test, and a client for it.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde_json::Value;
use souk_gateway::{Contracts, Gateway, Options, Upstream};
use souk_kit::Channel;
use souk_kit::auth::{AUDIENCE, Claims, ISSUER, SigningKey, Verifier};
use souk_proto::souk::auth::v1::Jwks;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::fake::{Fake, SERVICES};

pub struct Shop {
    pub address: SocketAddr,
    pub shutdown: CancellationToken,
    pub serving: JoinHandle<()>,
}

/// What came back.
#[derive(Debug)]
pub struct Reply {
    pub status: u16,
    pub headers: HashMap<String, String>,
    pub body: String,
    /// The body as it came.
    pub content: Vec<u8>,
}

impl Shop {
    /// In front of a fake in this process.
    pub async fn of(fake: &Fake) -> Self {
        Self::with(fake, Options::default()).await
    }

    pub async fn with(fake: &Fake, options: Options) -> Self {
        Self::behind(Channel::in_process(fake.routes()), options).await
    }

    pub async fn behind(channel: Channel, options: Options) -> Self {
        Self::serving(gateway(channel, options)).await
    }

    /// Any gateway.
    pub async fn serving(gateway: Gateway) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let shutdown = CancellationToken::new();
        let serving = tokio::spawn(gateway.serve(listener, shutdown.clone()));
        Self { address, shutdown, serving }
    }

    pub async fn connect(&self) -> TcpStream {
        TcpStream::connect(self.address).await.unwrap()
    }

    pub async fn get(&self, target: &str) -> Reply {
        self.send("GET", target, &[], "").await
    }

    /// Sends JSON.
    pub async fn json(&self, method: &str, target: &str, body: &str) -> Reply {
        self.send(method, target, &["content-type: application/json"], body).await
    }

    /// Sends a request as an admin, unless it has a token of its own.
    pub async fn send(&self, method: &str, target: &str, headers: &[&str], body: &str) -> Reply {
        let mut head = format!("{method} {target} HTTP/1.1\r\nhost: souk\r\nconnection: close\r\n");
        if !headers.iter().any(|header| header.starts_with("authorization:")) {
            head.push_str(&format!("authorization: Bearer {}\r\n", admin_token()));
        }
        for header in headers {
            head.push_str(&format!("{header}\r\n"));
        }
        if !body.is_empty() {
            head.push_str(&format!("content-length: {}\r\n", body.len()));
        }
        self.raw(&format!("{head}\r\n{body}")).await
    }

    /// Sends exactly this, and reads until the gateway closes the connection.
    pub async fn raw(&self, request: &str) -> Reply {
        let mut stream = self.connect().await;
        stream.write_all(request.as_bytes()).await.unwrap();
        Reply::read(&mut stream).await
    }
}

fn gateway(channel: Channel, options: Options) -> Gateway {
    let upstream =
        |name: &str| Upstream { name: name.to_owned(), channel: channel.clone(), probe: None };
    let upstreams = SERVICES.map(upstream).into();
    Gateway::new(&Contracts::of_this_build(), upstreams, Some(verifier()), options).unwrap()
}

/// Knows the key of [`admin_token`].
pub fn verifier() -> Arc<Verifier> {
    let auth = Fake::answering(Jwks { keys: vec![signing_key().jwk()] });
    Arc::new(Verifier::new(Channel::in_process(auth.routes()), AUDIENCE))
}

/// A token that allows everything that people may do.
pub fn admin_token() -> String {
    token_for(Duration::from_secs(600))
}

/// One that ends when this has passed, in whole seconds.
pub fn token_for(time: Duration) -> String {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs() as i64;
    let claims = Claims {
        iss: ISSUER.to_owned(),
        aud: AUDIENCE.to_owned(),
        sub: souk_kit::id::new::<souk_kit::id::kind::User>().to_string(),
        iat: now,
        exp: now + time.as_secs() as i64,
        jti: "1".to_owned(),
        sid: souk_kit::id::new::<souk_kit::id::kind::Session>().to_string(),
        scope: "catalog:write stock:write orders:read_all orders:fulfill orders:refund".to_owned(),
    };
    signing_key().sign(&claims).unwrap()
}

fn signing_key() -> SigningKey {
    SigningKey::new("the-key", &[7; 32])
}

impl Reply {
    pub async fn read(stream: &mut TcpStream) -> Self {
        let mut bytes = Vec::new();
        let reading = stream.read_to_end(&mut bytes);
        let read = tokio::time::timeout(Duration::from_secs(20), reading).await;
        // a reset after the answer is no worse than a close
        let _ = read.expect("the gateway neither answers nor closes");
        Self::parse(&bytes)
    }

    pub fn parse(bytes: &[u8]) -> Self {
        let end = bytes.windows(4).position(|end| end == b"\r\n\r\n").expect("a response");
        let (head, content) =
            (String::from_utf8(bytes[..end].to_vec()).unwrap(), &bytes[end + 4..]);
        let mut lines = head.lines();
        let status = lines.next().unwrap().split(' ').nth(1).unwrap().parse().unwrap();
        let mut headers: HashMap<String, String> = HashMap::new();
        for (name, value) in lines.filter_map(|line| line.split_once(": ")) {
            // several of a name mean one list
            let known = headers.entry(name.to_ascii_lowercase());
            known.and_modify(|list| *list += &format!(", {value}")).or_insert(value.to_owned());
        }
        let body = String::from_utf8_lossy(content).into_owned();
        Self { status, headers, body, content: content.to_vec() }
    }

    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", String::as_str)
    }

    pub fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }

    /// The error, when its shape is the one that is promised.
    pub fn error(&self) -> Value {
        let error = self.json()["error"].clone();
        let code = error["code"].as_str().expect("a code");
        assert!(error["message"].is_string() && error["details"].is_array(), "{error}");
        assert_eq!(error["request_id"], self.header("x-request-id"));
        assert_eq!(error["docs_url"], format!("/docs/errors/{code}"));
        error
    }

    pub fn code(&self) -> String {
        self.error()["code"].as_str().unwrap().to_owned()
    }
}
