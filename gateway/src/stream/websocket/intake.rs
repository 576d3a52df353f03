//! What comes over a WebSocket: messages that are not whole take room, and have to become whole in time.

use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, ready};
use std::time::{Duration, Instant};

use souk_kit::body::{self, Room};
use tokio::io::{AsyncRead, ReadBuf};

/// What a control frame of a client has besides its payload: two bytes, and the mask (RFC 6455, 5.2).
const CONTROL_HEAD: usize = 6;

/// What has come of a message that is not whole. Cheap to clone.
#[derive(Clone)]
pub(super) struct Unfinished(Arc<Mutex<Begun>>);

struct Begun {
    room: Room,
    since: Option<Instant>,
}

impl Unfinished {
    /// Nothing yet; what comes takes this room.
    pub(super) fn new(room: Room) -> Self {
        Self(Arc::new(Mutex::new(Begun { room, since: None })))
    }

    /// The message is whole, and has been used.
    pub(super) fn clear(&self) {
        self.shrink(usize::MAX);
    }

    /// A control frame with this payload, which is a part of no message.
    pub(super) fn leave_out(&self, payload: &[u8]) {
        self.shrink(payload.len() + CONTROL_HEAD);
    }

    /// How long it has been on its way, if there is one.
    pub(super) fn age(&self) -> Option<Duration> {
        self.lock().since.map(|since| since.elapsed())
    }

    fn grow(&self, bytes: usize) -> Result<(), body::Error> {
        let mut begun = self.lock();
        if bytes > 0 {
            begun.since.get_or_insert_with(Instant::now);
        }
        if begun.room.grow(bytes) { Ok(()) } else { Err(body::Error::NoRoom) }
    }

    fn shrink(&self, bytes: usize) {
        let mut begun = self.lock();
        begun.room.shrink(bytes);
        if begun.room.bytes() == 0 {
            begun.since = None;
        }
    }

    fn lock(&self) -> MutexGuard<'_, Begun> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Counts what is read.
pub(super) struct Intake<R> {
    pub reader: R,
    pub unfinished: Unfinished,
}

impl<R: AsyncRead + Unpin> AsyncRead for Intake<R> {
    /// Fails with [`body::Error::NoRoom`] where there is none.
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        ready!(Pin::new(&mut self.reader).poll_read(cx, buffer))?;
        let read = buffer.filled().len() - before;
        Poll::Ready(self.unfinished.grow(read).map_err(io::Error::other))
    }
}
