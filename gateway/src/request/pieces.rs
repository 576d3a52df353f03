//! A body that is used as it comes, instead of when it is whole.

use std::time::Duration;

use bytes::Bytes;
use futures::{Stream, stream};
use http_body::Body;
use souk_kit::body::{self, Budget, Room};
use souk_kit::listener::Peer;

/// The pieces of a body.
pub(crate) struct Pieces<'a, B> {
    pub body: &'a mut B,
    /// Where there is room for what has come and is kept.
    pub budget: &'a Budget,
    /// How long the client may pause, while the next piece is asked for.
    pub idle: Duration,
    pub peer: Option<&'a Peer>,
}

impl<'a, B: Body<Data = Bytes> + Unpin> Pieces<'a, B> {
    /// The next piece, while so many bytes are held of those before; `None` is the end of the body.
    pub(crate) async fn next(&mut self, held: usize) -> Result<Option<Bytes>, body::Error> {
        let _waiting = self.peer.map(Peer::waiting);
        while let Some(frame) = self.budget.frame(&mut *self.body, self.idle, held).await? {
            // trailers mean nothing here
            if let Ok(data) = frame.into_data() {
                return Ok(Some(data));
            }
        }
        Ok(None)
    }

    /// All of them.
    pub(crate) fn into_stream(
        self,
    ) -> impl Stream<Item = Result<Bytes, body::Error>> + Send + use<'a, B>
    where
        B: Send,
    {
        stream::unfold(self, |mut pieces| async move {
            let piece = pieces.next(0).await.transpose()?;
            Some((piece, pieces))
        })
    }

    /// Room for what is kept of the body, at most this many bytes at once.
    pub(crate) fn room(&self, size: usize) -> Room {
        self.budget.room(size, self.peer.map(|peer| &peer.bytes))
    }
}
