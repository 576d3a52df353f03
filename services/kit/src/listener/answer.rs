//! The body of an answer on its way to the client, which is counted until it is taken.

use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};

use super::activity::{Activity, UnderWay};
use super::pace::{Pace, STEP, Watch};

/// How much of an answer is handed on at once, to where it is counted no longer.
const PIECE: usize = STEP;

/// The body of an answer: its request is under way until it has been given to its end.
#[derive(Debug)]
pub(super) struct Answer<B> {
    body: B,
    /// What has been taken from the body, and has not been handed on.
    rest: Bytes,
    /// Whether all of it was there when it began.
    is_whole: bool,
    /// What is counted as unread.
    unread: usize,
    /// Whether the next piece has been asked for, and is not there.
    is_quiet: bool,
    /// Over what comes in pieces, where these have a pace.
    watch: Option<Watch>,
    under_way: UnderWay,
}

impl<B: Body> Answer<B> {
    pub(super) fn new(body: B, pace: Option<Pace>, under_way: UnderWay) -> Self {
        // what comes in pieces does not know how much is left
        let unread = usize::try_from(body.size_hint().lower()).unwrap_or(usize::MAX);
        let is_whole = unread > 0;
        under_way.0.begin_answer(is_whole.then_some(unread));
        let watch = pace.map(|pace| Watch::over(pace, under_way.0.clone()));
        Self { body, rest: Bytes::new(), is_whole, unread, is_quiet: false, watch, under_way }
    }
}

impl<B> Answer<B> {
    /// How many of its bytes are counted as unread.
    pub(super) fn unread(&self) -> usize {
        self.unread
    }

    fn activity(&self) -> &Activity {
        &self.under_way.0
    }

    fn set_quiet(&mut self, is_quiet: bool) {
        match (self.is_quiet, is_quiet) {
            (false, true) => self.activity().begin_quiet(),
            (true, false) => self.activity().end_quiet(),
            _ => {}
        }
        self.is_quiet = is_quiet;
    }

    fn next_piece(&mut self) -> Bytes {
        let piece = self.rest.split_to(self.rest.len().min(PIECE));
        let counted = piece.len().min(self.unread);
        self.unread -= counted;
        self.activity().has_taken(counted);
        self.activity().has_moved();
        if let Some(watch) = &self.watch {
            watch.offers(piece.len());
        }
        piece
    }
}

impl<B> Drop for Answer<B> {
    fn drop(&mut self) {
        self.set_quiet(false);
        self.activity().has_taken(self.unread);
        self.activity().end_answer(self.is_whole);
    }
}

impl<B: Body<Data = Bytes> + Unpin> Body for Answer<B> {
    type Data = Bytes;
    type Error = B::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        if let Some(watch) = &self.watch {
            watch.has_taken();
        }
        if self.rest.is_empty() {
            let polled = Pin::new(&mut self.body).poll_frame(cx);
            self.set_quiet(polled.is_pending());
            match ready!(polled).map(|frame| frame.map(Frame::into_data)) {
                Some(Ok(Ok(data))) => self.rest = data,
                Some(Ok(Err(trailers))) => return Poll::Ready(Some(Ok(trailers))),
                Some(Err(error)) => return Poll::Ready(Some(Err(error))),
                None => return Poll::Ready(None),
            }
        }
        Poll::Ready(Some(Ok(Frame::data(self.next_piece()))))
    }

    fn is_end_stream(&self) -> bool {
        self.rest.is_empty() && self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        let (rest, mut size) = (self.rest.len() as u64, self.body.size_hint());
        if let Some(upper) = size.upper() {
            size.set_upper(upper + rest);
        }
        size.set_lower(size.lower() + rest);
        size
    }
}
