use super::*;

const MOMENT: Duration = Duration::from_millis(500);
/// A machine has more to do.
const LEEWAY: Duration = Duration::from_secs(2);
const BIG: usize = 32 * 1024 * 1024;

/// Sends something to a receiver that does this after the request, with little time. Whatever it does, the
/// attempt ends in time and leaves nothing behind.
async fn against<A: Future<Output = io::Result<()>> + Send>(
    act: impl Fn(TcpStream) -> A + Send + Clone + 'static,
) -> Outcome {
    let receiver = Receiver::start(move |mut stream| {
        let act = act.clone();
        async move {
            request(&mut stream).await?;
            act(stream).await
        }
    })
    .await;
    ended(&receiver, message()).await
}

async fn ended(receiver: &Receiver, message: Message<'_>) -> Outcome {
    let to = parse(&receiver.url(), LOCAL).unwrap();
    let outcome = sender().send(&to, message, Instant::now() + MOMENT).await;
    assert!(outcome.took < MOMENT + LEEWAY, "{outcome:?}");
    assert!(outcome.excerpt.chars().count() <= KEPT);
    assert!(nothing_remains().await, "{outcome:?}");
    outcome
}

/// Writes this over and over.
async fn endless(mut stream: TcpStream, start: &str, again: &str) -> io::Result<()> {
    stream.write_all(start.as_bytes()).await?;
    loop {
        stream.write_all(again.as_bytes()).await?;
    }
}

/// Writes this byte by byte, over and over.
async fn drip(mut stream: TcpStream, start: &str, again: &str) -> io::Result<()> {
    stream.write_all(start.as_bytes()).await?;
    for byte in again.bytes().cycle() {
        stream.write_u8(byte).await?;
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    Ok(())
}

async fn wait(_: TcpStream) -> io::Result<()> {
    std::future::pending().await
}

#[tokio::test]
async fn who_closes_at_once_is_unreachable() {
    let receiver = Receiver::start(|_| async { Ok(()) }).await;
    assert_eq!(ended(&receiver, message()).await.kind, Kind::Unreachable);
    assert_eq!(against(|_| async { Ok(()) }).await.kind, Kind::Unreachable);
}

#[tokio::test]
async fn who_speaks_no_http_is_unreachable() {
    for garbage in
        ["\0\0\0\0\r\n\r\n", "SSH-2.0-OpenSSH_9.9\r\n", "HTTP/1.1 20", "HTTP/9 200\r\n\r\n"]
    {
        let outcome = outcome_of(garbage).await;
        assert_eq!((outcome.kind, outcome.status), (Kind::Unreachable, None), "{garbage:?}");
    }
}

#[tokio::test]
async fn who_says_nothing_is_timed_out() {
    assert_eq!(against(wait).await.kind, Kind::TimedOut);
}

#[tokio::test]
async fn who_never_reads_is_timed_out() {
    let receiver = Receiver::start(wait).await;
    let big = Message { body: vec![b' '; BIG].into(), ..message() };
    assert_eq!(ended(&receiver, big).await.kind, Kind::TimedOut);
}

#[tokio::test]
async fn a_head_byte_by_byte_is_timed_out() {
    let outcome = against(|stream| drip(stream, "HTTP/1.1 200 OK\r\n", "a: b\r\n")).await;
    assert_eq!(outcome.kind, Kind::TimedOut);
}

#[tokio::test]
async fn an_endless_head_is_unreachable() {
    let outcome = against(|stream| endless(stream, "HTTP/1.1 200 OK\r\n", "a: b\r\n")).await;
    assert_eq!(outcome.kind, Kind::Unreachable);
    let outcome = against(|stream| endless(stream, "HTTP/1.1 200 OK\r\na: ", "b")).await;
    assert_eq!(outcome.kind, Kind::Unreachable);
}

#[tokio::test]
async fn endless_promises_of_an_answer_are_no_answer() {
    let outcome = against(|stream| endless(stream, "", "HTTP/1.1 100 Continue\r\n\r\n")).await;
    assert_eq!(outcome.kind, Kind::Unreachable);
}

#[tokio::test]
async fn a_body_byte_by_byte_is_cut_off_after_a_status_that_counts() {
    let outcome = against(|stream| drip(stream, "HTTP/1.1 200 OK\r\n\r\n", "x")).await;
    assert_eq!(outcome.kind, Kind::Delivered);
    assert!(outcome.excerpt.starts_with("xx"));
}

#[tokio::test]
async fn an_endless_body_is_cut_off_long_before_the_deadline() {
    for head in [
        "HTTP/1.1 500 x\r\n\r\n",
        "HTTP/1.1 500 x\r\ncontent-length: 1099511627776\r\n\r\n",
        "HTTP/1.1 500 x\r\ntransfer-encoding: chunked\r\n\r\nfffffff\r\n",
    ] {
        let receiver = Receiver::start(move |mut stream| async move {
            request(&mut stream).await?;
            endless(stream, head, &"x".repeat(1024 * 1024)).await
        })
        .await;
        let outcome = send(&receiver.url()).await;
        assert_eq!((outcome.kind, outcome.excerpt.len()), (Kind::Rejected(500), KEPT), "{head}");
        assert!(outcome.took < LEEWAY, "{head}");
        assert!(nothing_remains().await);
    }
}

#[tokio::test]
async fn a_body_that_breaks_off_does_not_change_what_the_status_said() {
    for answer in [
        "HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\nshort",
        "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\nshort\r\nno chunk",
    ] {
        let outcome = outcome_of(answer).await;
        assert_eq!((outcome.kind, outcome.excerpt.as_str()), (Kind::Delivered, "short"));
    }
}

#[tokio::test]
async fn a_protocol_is_not_switched() {
    let answer = "HTTP/1.1 101 x\r\nconnection: upgrade\r\nupgrade: websocket\r\n\r\n";
    let outcome = against(move |mut stream| async move {
        stream.write_all(answer.as_bytes()).await?;
        wait(stream).await
    })
    .await;
    assert_eq!(outcome.kind, Kind::Rejected(101));
}

#[tokio::test(start_paused = true)]
async fn an_attempt_takes_fifteen_seconds_at_most() {
    let receiver = Receiver::start(wait).await;
    let to = parse(&receiver.url(), LOCAL).unwrap();
    let never = Instant::now() + Duration::from_hours(1);
    let outcome = sender().send(&to, message(), never).await;
    assert_eq!((outcome.kind, outcome.took.as_secs()), (Kind::TimedOut, 15));
}

#[tokio::test(start_paused = true)]
async fn a_connection_takes_five_seconds_at_most() {
    let receiver = Receiver::start(wait).await;
    // accepted, but TLS never comes about
    let url = receiver.url().replace("http:", "https:");
    let to = parse(&url, LOCAL).unwrap();
    let never = Instant::now() + Duration::from_hours(1);
    let outcome = sender().send(&to, message(), never).await;
    assert_eq!((outcome.kind, outcome.took.as_secs()), (Kind::Unreachable, 5));
}

#[tokio::test]
async fn no_more_than_64_kib_of_an_answer_are_read() {
    const PIPE: usize = 1024;
    for (start, again) in [
        ("HTTP/1.1 200 OK\r\na: ", "xxxxxxxx"),
        ("HTTP/1.1 200 OK\r\n\r\n", "xxxxxxxx"),
        ("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n", "1\r\nx\r\n"),
        ("", "HTTP/1.1 100 Continue\r\n\r\n"),
    ] {
        let (ours, mut theirs) = tokio::io::duplex(PIPE);
        let written = RECEIVERS.spawn(async move {
            request(&mut theirs).await.unwrap();
            let mut written = 0;
            let mut write = async |text: &str| {
                theirs.write_all(text.as_bytes()).await?;
                written += text.len();
                io::Result::Ok(())
            };
            let _ = write(start).await;
            while write(again).await.is_ok() {}
            written
        });
        let to = parse("http://shop.example/", LOCAL).unwrap();
        let call = sender().request(&to, message()).unwrap();
        if let Ok((response, _connection)) = connection::call(Box::new(ours), call).await {
            answer::read(response, soon()).await;
        }
        let written = written.await.unwrap();
        assert!((63 * 1024..=64 * 1024 + PIPE).contains(&written), "{start:?}: {written}");
    }
}
