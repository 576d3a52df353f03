use rcgen::{CertifiedKey, generate_simple_self_signed};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::pki_types::PrivatePkcs8KeyDer;
use tokio_rustls::server::TlsStream;

use super::*;

/// Says of every name that it is this machine.
struct Here;

impl Resolver for Here {
    async fn lookup(&self, _: &str) -> io::Result<Vec<IpAddr>> {
        Ok(vec![Ipv4Addr::LOCALHOST.into()])
    }
}

/// A receiver with a certificate for `shop.example`, and a sender that trusts it.
async fn secure<A: Future<Output = io::Result<()>> + Send>(
    act: impl Fn(TlsStream<TcpStream>) -> A + Send + Sync + Clone + 'static,
) -> (Receiver, Sender<Here>) {
    let CertifiedKey { cert, signing_key } =
        generate_simple_self_signed(["shop.example".to_owned()]).unwrap();
    let tls = Some(connection::tls([cert.der().clone()]).unwrap());
    let sender = Sender { tls, ..Sender::with_resolver(LOCAL, "souk/1", Here).unwrap() };
    let key = PrivatePkcs8KeyDer::from(signing_key.serialize_der());
    let config = ServerConfig::builder()
        .with_no_client_auth()
        .with_single_cert(vec![cert.der().clone()], key.into())
        .unwrap();
    let acceptor = TlsAcceptor::from(Arc::new(config));
    let receiver = Receiver::start(move |stream| {
        let (acceptor, act) = (acceptor.clone(), act.clone());
        async move { act(acceptor.accept(stream).await?).await }
    })
    .await;
    (receiver, sender)
}

async fn answer(mut stream: TlsStream<TcpStream>) -> io::Result<()> {
    assert_eq!(stream.get_ref().1.server_name(), Some("shop.example"));
    request(&mut stream).await?;
    stream.write_all(OK.as_bytes()).await?;
    stream.shutdown().await
}

async fn wait(_: TlsStream<TcpStream>) -> io::Result<()> {
    std::future::pending().await
}

fn at(name: &str, receiver: &Receiver) -> Destination {
    parse(&format!("https://{name}:{}/", receiver.address.port()), LOCAL).unwrap()
}

#[tokio::test]
async fn the_name_counts_for_the_certificate_and_not_the_address() {
    let (receiver, sender) = secure(answer).await;
    let outcome = sender.send(&at("shop.example", &receiver), message(), soon()).await;
    assert_eq!(outcome.kind, Kind::Delivered);
    let outcome = sender.send(&at("other.example", &receiver), message(), soon()).await;
    assert_eq!(outcome.kind, Kind::Unreachable);
}

#[tokio::test]
async fn a_certificate_that_nobody_knows_is_not_trusted() {
    let (receiver, _) = secure(answer).await;
    let stranger = Sender::with_resolver(LOCAL, "souk/1", Here).unwrap();
    let outcome = stranger.send(&at("shop.example", &receiver), message(), soon()).await;
    assert_eq!(outcome.kind, Kind::Unreachable);
}

#[tokio::test]
async fn who_never_reads_holds_nothing_after_the_deadline() {
    let (receiver, sender) = secure(wait).await;
    let big = Message { body: vec![b' '; 32 * 1024 * 1024].into(), ..message() };
    let deadline = Instant::now() + Duration::from_secs(1);
    let outcome = sender.send(&at("shop.example", &receiver), big, deadline).await;
    assert_eq!(outcome.kind, Kind::TimedOut);
    assert!(nothing_remains().await);
}
