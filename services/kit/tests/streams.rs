//! Client streams that pause: what their service sees, and what others still get.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test that cannot go on has failed")]

use std::convert::Infallible;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use futures::{Stream, StreamExt as _, stream};
use http::{HeaderMap, HeaderValue, Request, Response};
use http_body::Frame;
use http_body_util::{BodyExt as _, StreamBody};
use prost::Message as _;
use souk_kit::Channel;
use souk_kit::auth::{AUDIENCE, Claims, ISSUER, SigningKey, Verifier};
use souk_kit::id::{self, kind};
use souk_kit::stack::{Limits, Stack};
use souk_proto::souk::auth::v1::Jwks;
use tokio::time::sleep;
use tonic::Status;
use tonic::body::Body;
use tower::{ServiceExt as _, service_fn};

/// As long as a stream may pause.
const IDLE: Duration = Duration::from_secs(30);
const SECOND: Duration = Duration::from_secs(1);

/// One empty message.
const MESSAGE: Bytes = Bytes::from_static(&[0; 5]);

/// A service that works for so long on each piece of a stream. It has room for one stream.
fn service(work: Duration) -> Stack {
    let import = move |request: Request<Body>| async move {
        let mut body = request.into_body();
        while let Some(frame) = body.frame().await {
            if let Err(status) = frame {
                return Ok::<_, Infallible>(status.into_http());
            }
            sleep(work).await;
        }
        Ok(Status::ok("").into_http())
    };
    let limits = Limits { streams: 1, ..Limits::default() };
    Stack::new(service_fn(import), Arc::new(verifier()), limits)
}

/// Knows the key of [`token`].
fn verifier() -> Verifier {
    let publish = |_: Request<Body>| async {
        let message = Jwks { keys: vec![key().jwk()] }.encode_to_vec();
        let length = u32::try_from(message.len()).unwrap().to_be_bytes();
        let bytes = [&[0][..], &length, &message].concat();
        let trailers = HeaderMap::from_iter([(
            http::HeaderName::from_static("grpc-status"),
            HeaderValue::from_static("0"),
        )]);
        let frames = [Frame::data(Bytes::from(bytes)), Frame::trailers(trailers)];
        let body = StreamBody::new(stream::iter(frames.map(Ok::<_, Status>)));
        let response = Response::builder().header("content-type", "application/grpc");
        Ok::<_, Infallible>(response.body(Body::new(body)).unwrap())
    };
    Verifier::new(Channel::in_process(service_fn(publish)), AUDIENCE)
}

fn key() -> SigningKey {
    SigningKey::new("the-key", &[7; 32])
}

fn token() -> String {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs() as i64;
    let claims = Claims {
        iss: ISSUER.to_owned(),
        aud: AUDIENCE.to_owned(),
        sub: id::new::<kind::User>().to_string(),
        iat: now,
        exp: now + 600,
        jti: "1".to_owned(),
        sid: id::new::<kind::Session>().to_string(),
        scope: "catalog:write".to_owned(),
    };
    key().sign(&claims).unwrap()
}

/// Sends messages, each after a pause; then the stream ends, or says nothing more.
async fn import(stack: &Stack, pauses: &[Duration], ends: bool) -> Status {
    let messages = stream::iter(pauses.to_vec()).then(|pause| async move {
        sleep(pause).await;
        Ok(Frame::data(MESSAGE))
    });
    let silence = stream::pending().take(usize::from(!ends));
    send(stack, messages.chain(silence)).await
}

async fn send(
    stack: &Stack,
    body: impl Stream<Item = Result<Frame<Bytes>, Status>> + Send + 'static,
) -> Status {
    let request = Request::post("/souk.catalog.v1.CatalogService/ImportProducts")
        .header("content-type", "application/grpc")
        .header("authorization", format!("Bearer {}", token()))
        .body(Body::new(StreamBody::new(Box::pin(body))))
        .unwrap();
    let response = stack.clone().oneshot(request).await.unwrap();
    Status::from_header_map(response.headers()).expect("a status")
}

#[tokio::test(start_paused = true)]
async fn a_stream_that_falls_silent_is_refused_and_the_next_has_its_place() {
    let stack = service(Duration::ZERO);
    for pauses in [&[][..], &[SECOND, IDLE - SECOND], &[IDLE + SECOND, SECOND]] {
        let status = import(&stack, pauses, false).await;
        assert_eq!(status.code(), tonic::Code::InvalidArgument, "{status:?}");
        assert_eq!(status.message(), "the body did not arrive in time");
    }
    assert_eq!(import(&stack, &[SECOND], true).await.code(), tonic::Code::Ok);
}

#[tokio::test(start_paused = true)]
async fn a_stream_may_last_far_longer_than_it_may_pause() {
    let pauses = [IDLE - SECOND; 10];
    let status = import(&service(Duration::ZERO), &pauses, true).await;
    assert_eq!(status.code(), tonic::Code::Ok, "{status:?}");
}

#[tokio::test(start_paused = true)]
async fn a_client_does_not_pause_while_the_service_is_at_work() {
    let status = import(&service(IDLE * 2), &[SECOND; 5], true).await;
    assert_eq!(status.code(), tonic::Code::Ok, "{status:?}");
}

#[tokio::test]
async fn a_stream_that_is_cancelled_is_not_taken_for_a_whole_one() {
    let stack = service(Duration::ZERO);
    let pieces = [Ok(Frame::data(MESSAGE)), Err(Status::cancelled("the client has gone"))];
    let status = send(&stack, stream::iter(pieces)).await;
    assert_eq!(status.code(), tonic::Code::InvalidArgument, "{status:?}");
    assert_eq!(status.message(), "the message of the request breaks off");
}
