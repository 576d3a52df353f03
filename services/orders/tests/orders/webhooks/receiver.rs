//! A receiver of webhooks: it keeps what comes, and answers as it is told.

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use http::{HeaderMap, HeaderName, HeaderValue};
use serde_json::Value;
use standardwebhooks::Webhook;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::sleep;

use crate::support::soon;

/// What has come.
#[derive(Debug, Clone)]
pub struct Hit {
    pub headers: HeaderMap,
    pub text: String,
    /// The status that it was answered with; none, where that was no answer.
    pub status: Option<u16>,
}

/// How a receiver answers.
#[derive(Clone)]
pub enum Reply {
    Status(u16),
    /// A status for each.
    Each(fn(&Hit) -> u16),
    Late(Duration),
    /// What is no HTTP, or not all of it.
    Raw(&'static str),
    Never,
}

/// A receiver. It ends with the runtime that it was made in.
pub struct Receiver {
    address: SocketAddr,
    hits: Arc<Mutex<Vec<Hit>>>,
    reply: Arc<Mutex<Reply>>,
}

impl Hit {
    pub fn id(&self) -> &str {
        self.headers["webhook-id"].to_str().unwrap()
    }

    pub fn body(&self) -> Value {
        serde_json::from_str(&self.text).unwrap()
    }

    /// The name of the event.
    pub fn name(&self) -> String {
        self.body()["type"].as_str().unwrap().to_owned()
    }

    pub fn order(&self) -> String {
        self.body()["data"]["ordering_key"].as_str().unwrap().to_owned()
    }

    pub fn sequence(&self) -> i64 {
        self.body()["data"]["sequence"].as_i64().unwrap()
    }

    /// Whether a receiver with this secret believes it.
    pub fn is_signed_with(&self, secret: &str) -> bool {
        let webhook = Webhook::new(secret).unwrap();
        webhook.verify(self.text.as_bytes(), &self.headers).is_ok()
    }
}

impl Receiver {
    pub async fn new(reply: Reply) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let address = listener.local_addr().unwrap();
        let (hits, reply) = (Arc::<Mutex<Vec<Hit>>>::default(), Arc::new(Mutex::new(reply)));
        let receiver = Self { address, hits: hits.clone(), reply: reply.clone() };
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (hits, reply) = (hits.clone(), reply.clone());
                tokio::spawn(async move { serve(stream, &hits, &reply).await });
            }
        });
        receiver
    }

    /// One that has everything at once.
    pub async fn good() -> Self {
        Self::new(Reply::Status(204)).await
    }

    pub fn url(&self) -> String {
        format!("http://{}/hooks", self.address)
    }

    /// Answers otherwise from now on.
    pub fn reply(&self, reply: Reply) {
        *self.reply.lock().unwrap() = reply;
    }

    pub fn hits(&self) -> Vec<Hit> {
        self.hits.lock().unwrap().clone()
    }

    /// What it has taken.
    pub fn taken(&self) -> Vec<Hit> {
        self.hits().into_iter().filter(|hit| matches!(hit.status, Some(200..300))).collect()
    }

    /// The names of what it has taken.
    pub fn names(&self) -> Vec<String> {
        self.taken().iter().map(Hit::name).collect()
    }

    /// Waits until it has taken so much.
    pub async fn has_taken(&self, count: usize) -> Vec<Hit> {
        soon(&format!("{count} webhooks"), || async { self.taken().len() >= count }).await;
        self.taken()
    }

    /// Waits until so much has come.
    pub async fn has_got(&self, count: usize) -> Vec<Hit> {
        soon(&format!("{count} attempts"), || async { self.hits().len() >= count }).await;
        self.hits()
    }
}

async fn serve(mut stream: TcpStream, hits: &Mutex<Vec<Hit>>, reply: &Mutex<Reply>) {
    let Ok(mut hit) = read(&mut stream).await else { return };
    let reply = reply.lock().unwrap().clone();
    let (status, delay) = match reply {
        Reply::Status(status) => (Some(status), Duration::ZERO),
        Reply::Each(status) => (Some(status(&hit)), Duration::ZERO),
        Reply::Late(delay) => (Some(200), delay),
        Reply::Raw(_) | Reply::Never => (None, Duration::ZERO),
    };
    hit.status = status;
    hits.lock().unwrap().push(hit);
    sleep(delay).await;
    let answer = match (reply, status) {
        (Reply::Raw(text), _) => text.to_owned(),
        (_, Some(204)) => "HTTP/1.1 204 x\r\n\r\n".to_owned(),
        (_, Some(status)) => format!("HTTP/1.1 {status} x\r\ncontent-length: 4\r\n\r\nwell"),
        // until the other side has had enough
        (_, None) => return drop(stream.read_u8().await),
    };
    let _ = stream.write_all(answer.as_bytes()).await;
}

async fn read(stream: &mut TcpStream) -> io::Result<Hit> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(stream.read_u8().await?);
    }
    let head = String::from_utf8(head).unwrap();
    let header = |line: &str| {
        let (name, value) = line.split_once(": ")?;
        Some((name.parse::<HeaderName>().unwrap(), value.parse::<HeaderValue>().unwrap()))
    };
    let headers: HeaderMap = head.lines().filter_map(header).collect();
    let length = headers["content-length"].to_str().unwrap().parse().unwrap();
    let mut body = vec![0; length];
    stream.read_exact(&mut body).await?;
    Ok(Hit { headers, text: String::from_utf8(body).unwrap(), status: None })
}
