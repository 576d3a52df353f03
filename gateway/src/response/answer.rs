//! The body of an answer. One that comes in pieces is made within the span of its request. One that is
//! whole needs nothing any more: however slowly its client takes it, the request is over.

use std::panic::AssertUnwindSafe;
use std::pin::Pin;
use std::task::{Context, Poll};

use axum::body::Body;
use bytes::Bytes;
use http_body::{Frame, SizeHint};
use tracing::Span;

/// An answer on its way.
pub(crate) struct Answer {
    content: Content,
    pub span: Option<Span>,
}

enum Content {
    /// All of it, until it has been taken.
    Whole(Option<Bytes>),
    Pieces(Body),
}

impl Answer {
    /// Without content.
    pub(crate) fn empty() -> Self {
        Content::Whole(None).into()
    }

    /// The content, where it is whole; it is then no longer here.
    pub(crate) fn whole(&mut self) -> Option<Bytes> {
        match &mut self.content {
            Content::Whole(bytes) => bytes.take(),
            Content::Pieces(_) => None,
        }
    }

    /// How long it is, where that is known.
    pub(crate) fn length(&self) -> Option<u64> {
        http_body::Body::size_hint(self).exact()
    }
}

impl Default for Answer {
    fn default() -> Self {
        Self::empty()
    }
}

impl From<Bytes> for Answer {
    fn from(content: Bytes) -> Self {
        Content::Whole(Some(content).filter(|bytes| !bytes.is_empty())).into()
    }
}

impl From<Content> for Answer {
    fn from(content: Content) -> Self {
        Self { content, span: None }
    }
}

impl From<Vec<u8>> for Answer {
    fn from(content: Vec<u8>) -> Self {
        Bytes::from(content).into()
    }
}

impl From<Body> for Answer {
    fn from(content: Body) -> Self {
        Content::Pieces(content).into()
    }
}

impl http_body::Body for Answer {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        let Self { content, span, .. } = &mut *self;
        match content {
            Content::Whole(bytes) => Poll::Ready(bytes.take().map(|bytes| Ok(Frame::data(bytes)))),
            Content::Pieces(body) => {
                let _entered = span.as_ref().map(Span::enter);
                let poll = AssertUnwindSafe(|| Pin::new(body).poll_frame(cx));
                // the panic hook has told what and where; the connection tells the client
                let broken = || axum::Error::new(std::io::Error::other("an answer broke off"));
                std::panic::catch_unwind(poll).unwrap_or_else(|_| Poll::Ready(Some(Err(broken()))))
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        match &self.content {
            Content::Whole(bytes) => bytes.is_none(),
            Content::Pieces(body) => body.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match &self.content {
            Content::Whole(bytes) => {
                SizeHint::with_exact(bytes.as_ref().map_or(0, |bytes| bytes.len() as u64))
            }
            Content::Pieces(body) => body.size_hint(),
        }
    }
}
