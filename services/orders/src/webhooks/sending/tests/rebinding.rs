use tokio::net::TcpSocket;

use super::*;

/// Gives other addresses each time, and the last ones ever after.
#[derive(Clone)]
struct Changing {
    answers: Arc<[Vec<IpAddr>]>,
    asked: Arc<AtomicUsize>,
}

impl Changing {
    fn new(answers: &[&[&str]]) -> Self {
        let parse = |answer: &&[&str]| answer.iter().map(|ip| ip.parse().unwrap()).collect();
        Self { answers: answers.iter().map(parse).collect(), asked: Arc::default() }
    }

    fn asked(&self) -> usize {
        self.asked.load(Ordering::SeqCst)
    }
}

impl Resolver for Changing {
    async fn lookup(&self, _: &str) -> io::Result<Vec<IpAddr>> {
        let turn = self.asked.fetch_add(1, Ordering::SeqCst);
        Ok(self.answers[turn.min(self.answers.len() - 1)].clone())
    }
}

const NO_PRIVATE: Policy = Policy { allow_private: false, allow_http: true };

fn named(receiver: &Receiver) -> Destination {
    parse(&format!("http://shop.example:{}/", receiver.address.port()), NO_PRIVATE).unwrap()
}

#[tokio::test]
async fn a_name_that_was_public_and_is_private_now_is_not_connected_to() {
    let receiver = Receiver::answering(OK).await;
    let to = named(&receiver);
    let resolver = Changing::new(&[&["93.184.215.14"], &["127.0.0.1"]]);
    resolve(&to, NO_PRIVATE, &resolver).await.unwrap();
    let sender = Sender::with_resolver(NO_PRIVATE, "souk/1", resolver.clone()).unwrap();
    let outcome = sender.send(&to, message(), soon()).await;
    assert_eq!(outcome.kind, Kind::Refused(Refused::Private));
    assert_eq!((receiver.connections(), resolver.asked()), (0, 2));
}

#[tokio::test]
async fn one_private_address_among_public_ones_is_not_connected_to() {
    let receiver = Receiver::answering(OK).await;
    let resolver = Changing::new(&[&["93.184.215.14", "127.0.0.1"]]);
    let sender = Sender::with_resolver(NO_PRIVATE, "souk/1", resolver).unwrap();
    let outcome = sender.send(&named(&receiver), message(), soon()).await;
    assert_eq!(outcome.kind, Kind::Refused(Refused::Private));
    assert_eq!(receiver.connections(), 0);
}

/// What is judged is what is connected to: there is no second look-up between.
#[tokio::test]
async fn a_name_is_asked_for_once_an_attempt_and_that_answer_is_used() {
    let first = Receiver::answering(OK).await;
    let second_host = Ipv4Addr::new(127, 0, 0, 2);
    let listener = TcpListener::bind((second_host, first.address.port())).await.unwrap();
    let resolver = Changing::new(&[&["127.0.0.1"], &["127.0.0.2"]]);
    let sender = Sender::with_resolver(LOCAL, "souk/1", resolver.clone()).unwrap();
    let to = named(&first);

    let outcome = sender.send(&to, message(), soon()).await;
    assert_eq!(outcome.kind, Kind::Delivered);
    assert_eq!((first.connections(), resolver.asked()), (1, 1));

    // and the next attempt remembers neither the address nor the connection
    let in_a_moment = Instant::now() + Duration::from_secs(1);
    let (outcome, accepted) =
        tokio::join!(sender.send(&to, message(), in_a_moment), listener.accept());
    assert_eq!(outcome.kind, Kind::TimedOut);
    assert_eq!(accepted.unwrap().0.local_addr().unwrap().ip(), IpAddr::from(second_host));
    assert_eq!((first.connections(), resolver.asked()), (1, 2));
}

#[tokio::test]
async fn the_next_address_is_tried_where_nobody_listens_at_the_first() {
    let receiver = Receiver::answering(OK).await;
    let resolver = Changing::new(&[&["127.0.0.3", "127.0.0.1"]]);
    let sender = Sender::with_resolver(LOCAL, "souk/1", resolver).unwrap();
    let outcome = sender.send(&named(&receiver), message(), soon()).await;
    assert_eq!(outcome.kind, Kind::Delivered);
}

#[tokio::test]
async fn the_next_address_is_tried_in_time_where_the_first_is_silent() {
    let receiver = Receiver::answering(OK).await;
    let silent = TcpSocket::new_v4().unwrap();
    silent.bind((Ipv4Addr::new(127, 0, 0, 4), receiver.address.port()).into()).unwrap();
    let silent = silent.listen(1).unwrap();
    // it takes two that are not accepted, and lets others wait
    let address = silent.local_addr().unwrap();
    let _waiting = [TcpStream::connect(address).await, TcpStream::connect(address).await];

    let resolver = Changing::new(&[&["127.0.0.4", "127.0.0.1"]]);
    let sender = Sender::with_resolver(LOCAL, "souk/1", resolver).unwrap();
    let outcome = sender.send(&named(&receiver), message(), soon()).await;
    assert_eq!(outcome.kind, Kind::Delivered);
    assert!((2..5).contains(&outcome.took.as_secs()), "{:?}", outcome.took);
}

/// Never answers.
struct Silent;

impl Resolver for Silent {
    async fn lookup(&self, _: &str) -> io::Result<Vec<IpAddr>> {
        std::future::pending().await
    }
}

#[tokio::test(start_paused = true)]
async fn a_name_is_asked_for_five_seconds_at_most() {
    let sender = Sender::with_resolver(LOCAL, "souk/1", Silent).unwrap();
    let to = parse("http://shop.example/", LOCAL).unwrap();
    let outcome = sender.send(&to, message(), soon()).await;
    assert_eq!((outcome.kind, outcome.took.as_secs()), (Kind::Unreachable, 5));
}
