use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, LazyLock, Mutex};

use proptest::prelude::*;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::{Handle, Runtime};

use super::answer::{KEPT, excerpt};
use super::*;
use crate::webhooks::address::{parse, resolve};

mod hostile;
mod https;
mod rebinding;

const LOCAL: Policy = Policy { allow_private: true, allow_http: true };
const BODY: &[u8] = br#"{"type":"order.paid"}"#;
const OK: &str = "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok";

/// Where receivers run: their tasks are none of the sender's.
static RECEIVERS: LazyLock<Runtime> = LazyLock::new(|| Runtime::new().unwrap());

/// A server that does this with each connection, and how many there were.
struct Receiver {
    address: SocketAddr,
    connections: Arc<AtomicUsize>,
}

impl Receiver {
    async fn start<A: Future<Output = io::Result<()>> + Send>(
        act: impl Fn(TcpStream) -> A + Send + Clone + 'static,
    ) -> Self {
        Self::start_at(Ipv4Addr::LOCALHOST, act).await
    }

    async fn start_at<A: Future<Output = io::Result<()>> + Send>(
        host: Ipv4Addr,
        act: impl Fn(TcpStream) -> A + Send + Clone + 'static,
    ) -> Self {
        let listening = RECEIVERS.spawn(TcpListener::bind((host, 0)));
        let listener = listening.await.unwrap().unwrap();
        let connections = Arc::new(AtomicUsize::new(0));
        let receiver =
            Self { address: listener.local_addr().unwrap(), connections: connections.clone() };
        RECEIVERS.spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                connections.fetch_add(1, Ordering::SeqCst);
                let act = act.clone();
                tokio::spawn(async move { act(stream).await });
            }
        });
        receiver
    }

    /// One that answers each request with this, and closes.
    async fn answering(answer: impl Into<String>) -> Self {
        let answer = answer.into();
        Self::start(move |mut stream| {
            let answer = answer.clone();
            async move {
                request(&mut stream).await?;
                stream.write_all(answer.as_bytes()).await
            }
        })
        .await
    }

    fn url(&self) -> String {
        format!("http://{}/hook?shop=1", self.address)
    }

    fn connections(&self) -> usize {
        self.connections.load(Ordering::SeqCst)
    }
}

/// Reads a request: its head, and a body with a length.
async fn request(stream: &mut (impl AsyncRead + Unpin)) -> io::Result<(String, Vec<u8>)> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(stream.read_u8().await?);
    }
    let head = String::from_utf8(head).unwrap();
    let length = head.lines().find_map(|line| line.strip_prefix("content-length: "));
    let mut body = vec![0; length.unwrap().parse().unwrap()];
    stream.read_exact(&mut body).await?;
    Ok((head, body))
}

fn sender() -> Sender {
    Sender::new(LOCAL, "souk/1").unwrap()
}

fn message() -> Message<'static> {
    Message { id: "msg_01", timestamp: 7, signature: "v1,a v1,b", body: BODY.into() }
}

fn soon() -> Instant {
    Instant::now() + Duration::from_secs(10)
}

async fn send(url: &str) -> Outcome {
    sender().send(&parse(url, LOCAL).unwrap(), message(), soon()).await
}

async fn outcome_of(answer: &str) -> Outcome {
    send(&Receiver::answering(answer).await.url()).await
}

/// Whether all that was started for the attempts of this test has ended.
async fn nothing_remains() -> bool {
    for _ in 0..200 {
        if Handle::current().metrics().num_alive_tasks() == 0 {
            return true;
        }
        // not tokio's clock, which may stand still
        tokio::task::yield_now().await;
        std::thread::sleep(Duration::from_millis(10));
    }
    false
}

#[tokio::test]
async fn a_receiver_gets_the_webhook_as_it_is() {
    let seen = Arc::new(Mutex::new(None));
    let keep = seen.clone();
    let receiver = Receiver::start(move |mut stream| {
        let keep = keep.clone();
        async move {
            let seen = request(&mut stream).await?;
            *keep.lock().unwrap() = Some(seen);
            stream.write_all(OK.as_bytes()).await
        }
    })
    .await;
    let outcome = send(&receiver.url()).await;
    assert_eq!(outcome.kind, Kind::Delivered);
    assert_eq!((outcome.status, outcome.excerpt.as_str()), (Some(200), "ok"));

    let (head, body) = seen.lock().unwrap().take().unwrap();
    assert_eq!(body, BODY);
    assert!(head.starts_with("POST /hook?shop=1 HTTP/1.1\r\n"), "{head}");
    for line in [
        &format!("host: {}", receiver.address),
        "connection: close",
        "user-agent: souk/1",
        "content-type: application/json",
        "webhook-id: msg_01",
        "webhook-timestamp: 7",
        "webhook-signature: v1,a v1,b",
    ] {
        assert!(head.lines().any(|seen| seen == line), "{line}: {head}");
    }
}

#[tokio::test]
async fn the_status_decides() {
    for (status, kind) in [
        (200, Kind::Delivered),
        (202, Kind::Delivered),
        (204, Kind::Delivered),
        (299, Kind::Delivered),
        (301, Kind::Redirected),
        (304, Kind::Redirected),
        (308, Kind::Redirected),
        (400, Kind::Rejected(400)),
        (404, Kind::Rejected(404)),
        (410, Kind::Gone),
        (429, Kind::Rejected(429)),
        (500, Kind::Rejected(500)),
        (999, Kind::Rejected(999)),
    ] {
        let outcome =
            outcome_of(&format!("HTTP/1.1 {status} x\r\ncontent-length: 0\r\n\r\n")).await;
        assert_eq!((outcome.kind, outcome.status), (kind, Some(status)));
    }
}

#[tokio::test]
async fn redirects_are_not_followed() {
    let elsewhere = Receiver::answering(OK).await;
    for status in [301, 302, 303, 307, 308] {
        let location = elsewhere.url();
        let answer = format!(
            "HTTP/1.1 {status} x\r\nlocation: {location}\r\nrefresh: 0; {location}\r\ncontent-length: 0\r\n\r\n"
        );
        assert_eq!(outcome_of(&answer).await.kind, Kind::Redirected);
    }
    assert_eq!(elsewhere.connections(), 0);
}

#[tokio::test]
async fn each_attempt_has_a_connection_of_its_own_and_no_cookies() {
    let cookies = Arc::new(AtomicUsize::new(0));
    let count = cookies.clone();
    let receiver = Receiver::start(move |mut stream| {
        let count = count.clone();
        async move {
            loop {
                let (head, _) = request(&mut stream).await?;
                count.fetch_add(usize::from(head.contains("cookie")), Ordering::SeqCst);
                let answer = "HTTP/1.1 200 OK\r\nset-cookie: a=b\r\ncontent-length: 0\r\n\r\n";
                stream.write_all(answer.as_bytes()).await?;
            }
        }
    })
    .await;
    let (sender, to) = (sender(), parse(&receiver.url(), LOCAL).unwrap());
    for _ in 0..3 {
        assert_eq!(sender.send(&to, message(), soon()).await.kind, Kind::Delivered);
    }
    assert_eq!((receiver.connections(), cookies.load(Ordering::SeqCst)), (3, 0));
    assert!(nothing_remains().await);
}

/// Runs itself again, in a process with another environment.
#[tokio::test]
async fn no_proxy_of_the_environment_is_used() {
    if std::env::var_os("HTTP_PROXY").is_some_and(|proxy| proxy.to_string_lossy().contains("souk"))
    {
        assert_eq!(outcome_of(OK).await.kind, Kind::Delivered);
        return;
    }
    let proxy = Receiver::answering(OK).await;
    let url = format!("http://souk@{}", proxy.address);
    let test = "webhooks::sending::tests::no_proxy_of_the_environment_is_used";
    let mut process = tokio::process::Command::new(std::env::current_exe().unwrap());
    process.args(["--exact", test]).env_remove("NO_PROXY").env_remove("no_proxy");
    for name in ["HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy", "HTTPS_PROXY"] {
        process.env(name, &url);
    }
    let output = process.output().await.unwrap();
    assert!(
        output.status.success() && String::from_utf8_lossy(&output.stdout).contains("1 passed")
    );
    assert_eq!(proxy.connections(), 0);
}

#[tokio::test]
async fn what_a_receiver_asks_for_is_told() {
    let with = async |value: &str| {
        let answer = format!("HTTP/1.1 503 x\r\nretry-after: {value}\r\ncontent-length: 0\r\n\r\n");
        outcome_of(&answer).await.retry_after
    };
    assert_eq!(with("120").await, Some(Duration::from_mins(2)));
    assert_eq!(with("18446744073709551615").await, Some(Duration::from_secs(u64::MAX)));
    let date = "Wed, 01 Jan 2200 00:00:00 GMT";
    assert!(with(date).await.unwrap() > Duration::from_hours(24 * 365));
    for none in ["Sun, 06 Nov 1994 08:49:37 GMT", "-1", "1.5", "soon", "", "99999999999999999999"] {
        assert_eq!(with(none).await, None, "{none}");
    }
}

#[tokio::test]
async fn an_excerpt_is_short_and_fit_for_a_log() {
    let outcome = outcome_of("HTTP/1.1 500 x\r\n\r\na\nb\u{0}\u{1b}[31m\u{85}é").await;
    assert_eq!(outcome.excerpt, "a b\u{fffd}\u{fffd}[31m\u{fffd}é");
    let long = outcome_of(&format!("HTTP/1.1 500 x\r\n\r\n{}", "x".repeat(5000))).await;
    assert_eq!(long.excerpt, "x".repeat(1024));
    assert_eq!(excerpt(b"\xff\xfea"), "\u{fffd}\u{fffd}a");
}

#[tokio::test]
async fn nobody_there_is_unreachable() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/", listener.local_addr().unwrap());
    drop(listener);
    assert_eq!(send(&url).await.kind, Kind::Unreachable);
    assert_eq!(send("http://souk.invalid/").await.kind, Kind::Unreachable);
}

#[tokio::test]
async fn a_stricter_policy_refuses_what_another_let_pass() {
    let receiver = Receiver::answering(OK).await;
    let to = parse(&receiver.url(), LOCAL).unwrap();
    let no_private = Policy { allow_private: false, ..LOCAL };
    let outcome = Sender::new(no_private, "souk/1").unwrap().send(&to, message(), soon()).await;
    assert_eq!(outcome.kind, Kind::Refused(Refused::Private));
    let no_http = Policy { allow_http: false, ..LOCAL };
    let outcome = Sender::new(no_http, "souk/1").unwrap().send(&to, message(), soon()).await;
    assert_eq!(outcome.kind, Kind::Refused(Refused::Scheme));
    assert_eq!(receiver.connections(), 0);
}

#[test]
fn the_host_and_the_path_are_those_of_the_url() {
    let sender = sender();
    for (url, host, path) in [
        ("https://shop.example", "shop.example", "/"),
        ("https://shop.example:443/", "shop.example", "/"),
        ("https://SHOP.example:8443/a?b=c", "shop.example:8443", "/a?b=c"),
        ("http://127.1/?", "127.0.0.1", "/?"),
        ("http://[::0:1]:80/%2F", "[::1]", "/%2F"),
        ("https://bücher.example/ü?ü", "xn--bcher-kva.example", "/%C3%BC?%C3%BC"),
    ] {
        let request = sender.request(&parse(url, LOCAL).unwrap(), message()).unwrap();
        assert_eq!(
            (request.headers()[HOST].to_str().unwrap(), request.uri().to_string()),
            (host, path.to_owned())
        );
    }
}

proptest! {
    #[test]
    fn every_destination_makes_a_request(path in ".{0,40}", query in "[ -~]{0,40}") {
        static SENDER: LazyLock<Sender> = LazyLock::new(sender);
        if let Ok(to) = parse(&format!("https://shop.example/{path}?{query}"), LOCAL) {
            prop_assert!(SENDER.request(&to, message()).is_ok(), "{}", to.url());
        }
    }
}
