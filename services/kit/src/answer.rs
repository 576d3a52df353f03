//! The body of an answer.

use std::convert::Infallible;
use std::panic::AssertUnwindSafe;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Instant;

use bytes::Bytes;
use http::{HeaderMap, Response};
use http_body::{Frame, SizeHint};
use http_body_util::BodyExt as _;
use souk_proto::souk::types::v1::Reason;
use tokio::time::{Sleep, sleep_until};
use tonic::Status;
use tonic::body::Body;
use tracing::Span;

use crate::failure::Failure;
use crate::permit::Permit;

/// An answer of which nothing is still to be made. However slowly its client takes it, the call is over.
struct Whole {
    data: Option<Bytes>,
    trailers: Option<HeaderMap>,
}

/// Makes the rest of an answer.
pub(crate) async fn whole(response: Response<Body>) -> Response<Body> {
    let (parts, body) = response.into_parts();
    let made = match body.collect().await {
        Ok(made) => made,
        Err(status) => return status.into_http(),
    };
    let trailers = made.trailers().cloned();
    let data = Some(made.to_bytes()).filter(|data| !data.is_empty());
    Response::from_parts(parts, Body::new(Whole { data, trailers }))
}

impl http_body::Body for Whole {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        let data = self.data.take().map(Frame::data);
        Poll::Ready(data.or_else(|| self.trailers.take().map(Frame::trailers)).map(Ok))
    }

    fn is_end_stream(&self) -> bool {
        self.data.is_none() && self.trailers.is_none()
    }

    fn size_hint(&self) -> SizeHint {
        // not exact: the length of what trailers follow is no header of gRPC
        let mut size = SizeHint::new();
        size.set_lower(self.data.as_ref().map_or(0, |data| data.len() as u64));
        size
    }
}

/// An answer that comes in pieces: its call is under way, with its permit and its span, until the
/// last of them, and no longer than its caller waits.
pub(crate) struct Pieces {
    body: Body,
    until: Pin<Box<Sleep>>,
    _permit: Permit,
    span: Span,
}

impl Pieces {
    pub(crate) fn new(body: Body, until: Instant, permit: Permit, span: Span) -> Self {
        Self { body, until: Box::pin(sleep_until(until.into())), _permit: permit, span }
    }
}

/// The last frame of an answer that goes no further: what has been sent of it stays, and its caller is
/// told why there is no more.
fn failed(body: &mut Body, reason: Reason, message: &'static str) -> Frame<Bytes> {
    *body = Body::empty();
    let mut trailers = HeaderMap::new();
    // there is nothing in it that a header cannot have
    let _ = Status::from(Failure::new(reason, message)).add_header(&mut trailers);
    Frame::trailers(trailers)
}

impl http_body::Body for Pieces {
    type Data = Bytes;
    type Error = Status;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Status>>> {
        let Self { body, until, span, .. } = &mut *self;
        let _entered = span.enter();
        if body.is_end_stream() {
            return Poll::Ready(None);
        }
        if until.as_mut().poll(cx).is_ready() {
            let message = "the call took longer than its deadline";
            return Poll::Ready(Some(Ok(failed(body, Reason::DeadlineExceeded, message))));
        }
        let poll = AssertUnwindSafe(|| Pin::new(&mut *body).poll_frame(cx));
        std::panic::catch_unwind(poll).unwrap_or_else(|_| {
            // the panic hook has told what and where
            Poll::Ready(Some(Ok(failed(body, Reason::Internal, "internal error"))))
        })
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use futures::stream;
    use http_body_util::StreamBody;

    use super::*;
    use crate::permit::Permits;

    fn pieces(permits: &Permits, frames: Vec<fn() -> Frame<Bytes>>) -> Pieces {
        let frames = frames.into_iter().map(|frame| Ok::<_, Status>(frame()));
        let body = Body::new(StreamBody::new(stream::iter(frames)));
        let until = Instant::now() + Duration::from_secs(60);
        Pieces::new(body, until, permits.take(None).unwrap(), Span::none())
    }

    /// Why a stream ends.
    async fn failure(stream: &mut Pieces) -> Status {
        let trailers = stream.frame().await.unwrap().unwrap().into_trailers().expect("trailers");
        Status::from_header_map(&trailers).expect("a status")
    }

    #[tokio::test]
    async fn a_stream_of_answers_is_a_call_until_its_last_piece() {
        let permits = Permits::new(1);
        let mut stream = pieces(&permits, vec![|| Frame::data("one".into())]);
        assert!(stream.frame().await.unwrap().is_ok());
        assert!(permits.take(None).is_none());
        assert!(stream.frame().await.is_none());
        drop(stream);
        assert!(permits.take(None).is_some());
    }

    #[tokio::test(start_paused = true)]
    async fn a_stream_of_answers_ends_when_its_caller_stops_waiting() {
        let (permits, until) = (Permits::new(1), Instant::now() + Duration::from_secs(60));
        let body = Body::new(StreamBody::new(stream::pending::<Result<_, Status>>()));
        let mut stream = Pieces::new(body, until, permits.take(None).unwrap(), Span::none());
        assert_eq!(failure(&mut stream).await.code(), tonic::Code::DeadlineExceeded);
    }

    #[tokio::test]
    async fn a_panic_in_a_stream_is_an_error_of_the_stream() {
        let permits = Permits::new(1);
        let mut stream = pieces(&permits, vec![|| panic!("in the middle")]);
        let error = failure(&mut stream).await;
        assert_eq!((error.code(), error.message()), (tonic::Code::Internal, "internal error"));
        assert!(stream.frame().await.is_none());
    }

    #[tokio::test]
    async fn an_answer_that_is_whole_is_what_it_was() {
        let trailers =
            HeaderMap::from_iter([("grpc-status".parse().unwrap(), "0".parse().unwrap())]);
        let frames = [Frame::data(Bytes::from("one")), Frame::trailers(trailers.clone())];
        let body = StreamBody::new(stream::iter(frames.map(Ok::<_, Status>)));
        let answer = whole(Response::new(Body::new(body))).await.into_body();
        assert!(!http_body::Body::is_end_stream(&answer));
        let taken = answer.collect().await.unwrap();
        assert_eq!(taken.trailers(), Some(&trailers));
        assert_eq!(taken.to_bytes(), "one");
        // a refusal is all in its head
        let refusal = whole(Response::new(Body::empty())).await;
        assert!(http_body::Body::is_end_stream(refusal.body()));
    }
}
