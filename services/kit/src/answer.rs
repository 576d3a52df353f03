//! The body of an answer.

use std::convert::Infallible;
use std::panic::AssertUnwindSafe;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use http::{HeaderMap, Response};
use http_body::{Frame, SizeHint};
use http_body_util::BodyExt as _;
use souk_proto::souk::types::v1::Reason;
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
/// last of them.
pub(crate) struct Pieces {
    pub body: Body,
    pub _permit: Permit,
    pub span: Span,
}

impl http_body::Body for Pieces {
    type Data = Bytes;
    type Error = Status;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Status>>> {
        let Self { body, span, .. } = &mut *self;
        let _entered = span.enter();
        let polled = std::panic::catch_unwind(AssertUnwindSafe(|| Pin::new(body).poll_frame(cx)));
        polled.unwrap_or_else(|_| {
            let failure = Failure::new(Reason::Internal, "internal error");
            Poll::Ready(Some(Err(Status::from(failure))))
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
    use futures::stream;
    use http_body_util::StreamBody;

    use super::*;
    use crate::permit::Permits;

    fn pieces(permits: &Permits, frames: Vec<fn() -> Frame<Bytes>>) -> Pieces {
        let frames = frames.into_iter().map(|frame| Ok::<_, Status>(frame()));
        Pieces {
            body: Body::new(StreamBody::new(stream::iter(frames))),
            _permit: permits.take(None).unwrap(),
            span: Span::none(),
        }
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

    #[tokio::test]
    async fn a_panic_in_a_stream_is_an_error_of_the_stream() {
        let permits = Permits::new(1);
        let mut stream = pieces(&permits, vec![|| panic!("in the middle")]);
        let error = stream.frame().await.unwrap().unwrap_err();
        assert_eq!((error.code(), error.message()), (tonic::Code::Internal, "internal error"));
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
