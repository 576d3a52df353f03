//! One connection among others: it has no more than its part of what all share.

use std::time::Duration;

use bytes::Bytes;
use http::StatusCode;
use souk_gateway::Options;
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;

use crate::fake::Fake;
use crate::http2::{Connection, trickle};
use crate::shop::Shop;

const SHORT: Duration = Duration::from_millis(200);
const LONG: Duration = Duration::from_secs(8);

#[track_caller]
fn assert_overloaded((status, body): (StatusCode, String)) {
    assert_eq!(status, 503, "{body}");
    assert!(body.contains("\"OVERLOADED\""), "{body}");
}

#[tokio::test]
async fn one_connection_has_a_quarter_of_the_calls() {
    let released = CancellationToken::new();
    let waiting = released.clone();
    let fake = Fake::with(move || {
        let waiting = waiting.clone();
        async move {
            waiting.cancelled().await;
            Ok(tonic::Response::new(Bytes::new()))
        }
    });
    let shop = Shop::with(&fake, Options { max_calls: 8, ..Options::default() }).await;
    let (greedy, other) = (Connection::to(&shop).await, Connection::to(&shop).await);
    let mut under_way = vec![tokio::spawn(greedy.get()), tokio::spawn(greedy.get())];
    sleep(SHORT).await;
    assert_overloaded(greedy.get().await);
    under_way.push(tokio::spawn(other.get()));
    sleep(SHORT).await;
    released.cancel();
    for call in under_way {
        assert_eq!(call.await.unwrap().0, 200);
    }
    // what is held at once counts, not what was asked over time
    for _ in 0..8 {
        assert_eq!(greedy.get().await.0, 200);
    }
}

#[tokio::test]
async fn answers_that_nobody_reads_are_no_calls() {
    let options = Options { max_calls: 8, ..Options::default() };
    let shop = Shop::with(&Fake::answering(()), options).await;
    let mut unread = Vec::new();
    for _ in 0..5 {
        let mute = Connection::mute(&shop).await;
        for _ in 0..4 {
            unread.push(mute.begin_get().await);
        }
    }
    assert!(unread.iter().all(|answer| answer.status() == 200));
    assert_eq!(Connection::to(&shop).await.get().await.0, 200);
}

#[tokio::test]
async fn one_connection_has_a_quarter_of_the_room_for_bodies() {
    let options = Options { max_body: 10_000, body_bytes: 80_000, ..Options::default() };
    let shop = Shop::with(&Fake::answering(()), options).await;
    let greedy = Connection::to(&shop).await;
    let begin = |bytes| greedy.ask("POST", "/v1/auth/revoke", trickle(bytes));
    let begun = [tokio::spawn(begin(9_000)), tokio::spawn(begin(9_000))];
    sleep(SHORT).await;
    assert_overloaded(begin(9_000).await);
    // the body of another is read meanwhile, piece by piece
    let piece = " ".repeat(4_000);
    let chunked = format!(
        "POST /v1/auth/revoke HTTP/1.1\r\nhost: souk\r\nconnection: close\r\n\
         content-type: application/json\r\ntransfer-encoding: chunked\r\n\r\n\
         fa0\r\n{piece}\r\nfa0\r\n{piece}\r\n2\r\n{{}}\r\n0\r\n\r\n"
    );
    let reply = timeout(LONG, shop.raw(&chunked)).await.expect("an answer");
    assert!(reply.status < 300, "{reply:?}");
    begun.iter().for_each(tokio::task::JoinHandle::abort);
}
