//! Bodies of requests: read to their end before anything is done, under limits of one and of all.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http_body::Body;
use http_body_util::BodyExt as _;
use souk_proto::souk::types::v1::Reason;
use tokio::time::{sleep, timeout};

use crate::failure::Failure;
use crate::listener::{Share, Shares, part_of};

/// A body that is as small as this finds room when larger ones no longer do.
const SMALL: usize = 64 * 1024;
/// How long a body waits for room.
const ROOM_LIMIT: Duration = Duration::from_secs(2);
const ROOM_INTERVAL: Duration = Duration::from_millis(20);
/// How long a body may stop while others may have to wait for its room.
const TIGHT_IDLE: Duration = Duration::from_secs(1);

/// How many bytes of something a process keeps, such as those of unfinished bodies. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Budget {
    total: usize,
    used: Arc<AtomicUsize>,
}

/// What one body may be.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// Its largest size, in bytes.
    pub size: usize,
    /// How long it may pause.
    pub idle: Duration,
}

/// Why a body cannot be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// It has more bytes than it may.
    #[error("the body is larger than {0} bytes")]
    TooLarge(usize),
    /// Its connection or stream ended before it did.
    #[error("the body breaks off")]
    Broken,
    /// It stopped for too long.
    #[error("the body did not arrive in time")]
    Stalled,
    /// There are too many bodies at once.
    #[error("too many requests are being read at once")]
    NoRoom,
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        let reason = match error {
            Error::TooLarge(_) => Reason::PayloadTooLarge,
            Error::Broken | Error::Stalled => Reason::MalformedRequest,
            Error::NoRoom => return Self::overloaded(error.to_string()),
        };
        Self::new(reason, error.to_string())
    }
}

impl Budget {
    /// A budget of this many bytes.
    pub fn new(total: usize) -> Self {
        Self { total, used: Arc::default() }
    }

    /// Reads a body to its end. The connection of these shares has no more than its part of the budget,
    /// or one body; a body that came over no connection has no such limit.
    ///
    /// # Errors
    ///
    /// See [`Error`].
    pub async fn read<B: Body<Data = Bytes> + Unpin>(
        &self,
        mut body: B,
        limits: Limits,
        shares: Option<&Shares>,
    ) -> Result<Bytes, Error> {
        if body.size_hint().lower() > limits.size as u64 {
            return Err(Error::TooLarge(limits.size));
        }
        let mut room = self.room(limits.size, shares);
        let mut whole = BytesMut::new();
        while !body.is_end_stream() {
            let frame = self.frame(&mut body, limits.idle, whole.len()).await?;
            let Some(frame) = frame else { break };
            // trailers mean nothing here
            let Ok(data) = frame.into_data() else { continue };
            if whole.len() + data.len() > limits.size {
                return Err(Error::TooLarge(limits.size));
            }
            if whole.is_empty() && body.is_end_stream() {
                // most bodies come as one piece, which is not copied
                return Ok(data);
            }
            room.extend(data.len()).await?;
            whole.extend_from_slice(&data);
        }
        Ok(whole.freeze())
    }

    /// Room for something of which this is the largest size. None of it is taken yet. The connection of
    /// these shares has no more than its part of the budget, or this.
    pub fn room(&self, size: usize, shares: Option<&Shares>) -> Room {
        let most = part_of(self.total).max(size);
        Room { budget: self.clone(), bytes: 0, share: shares.map(Shares::begin), most }
    }

    /// The next piece of a body of which so many bytes are held; `None` is its end. Who stops has less
    /// time where others may have to wait for that room.
    ///
    /// # Errors
    ///
    /// It breaks off, or stops for longer than `idle`.
    pub async fn frame<B: Body<Data = Bytes> + Unpin>(
        &self,
        body: &mut B,
        idle: Duration,
        held: usize,
    ) -> Result<Option<http_body::Frame<Bytes>>, Error> {
        let mut left = idle;
        loop {
            let step = left.min(TIGHT_IDLE);
            match timeout(step, body.frame()).await {
                Ok(Some(Ok(frame))) => return Ok(Some(frame)),
                Ok(Some(Err(_))) => return Err(Error::Broken),
                Ok(None) => return Ok(None),
                Err(_) => left = left.saturating_sub(step),
            }
            if left.is_zero() || self.is_tight(held) {
                return Err(Error::Stalled);
            }
        }
    }

    /// Whether there is so little room left that a body which holds this much of it must not stop. Large
    /// ones do not make it so for small ones: they have no more than these three quarters.
    fn is_tight(&self, held: usize) -> bool {
        let most = if held > SMALL { self.total / 2 } else { self.for_large() };
        self.used.load(Ordering::Relaxed) > most
    }

    /// What large bodies may take together: the last quarter is for small ones.
    fn for_large(&self) -> usize {
        self.total / 4 * 3
    }

    /// Takes bytes for a body that has some already.
    fn take(&self, bytes: usize, held: usize) -> bool {
        let most = if held + bytes > SMALL { self.for_large() } else { self.total };
        let taken = self.used.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |used| {
            used.checked_add(bytes).filter(|used| *used <= most)
        });
        taken.is_ok()
    }
}

/// The room that one body takes, until dropped.
#[derive(Debug)]
pub struct Room {
    budget: Budget,
    bytes: usize,
    /// What its connection, or its client, has of the budget, with this, and may have.
    share: Option<Share>,
    most: usize,
}

impl Room {
    /// Takes more room, as soon as there is some.
    ///
    /// # Errors
    ///
    /// There is none for a while.
    pub async fn extend(&mut self, bytes: usize) -> Result<(), Error> {
        let taking = async {
            while !self.grow(bytes) {
                sleep(ROOM_INTERVAL).await;
            }
        };
        timeout(ROOM_LIMIT, taking).await.map_err(|_| Error::NoRoom)
    }

    /// Takes more room, if there is some now: whether there was.
    pub fn grow(&mut self, bytes: usize) -> bool {
        if !self.budget.take(bytes, self.bytes) {
            return false;
        }
        let most = self.most;
        if !self.share.as_mut().is_none_or(|share| share.grow(bytes, most)) {
            self.budget.used.fetch_sub(bytes, Ordering::Relaxed);
            return false;
        }
        self.bytes += bytes;
        true
    }

    /// Gives so many bytes back, or all where it has fewer.
    pub fn shrink(&mut self, bytes: usize) {
        let bytes = bytes.min(self.bytes);
        self.bytes -= bytes;
        self.budget.used.fetch_sub(bytes, Ordering::Relaxed);
        if let Some(share) = &mut self.share {
            share.shrink(bytes);
        }
    }

    /// How many bytes it is.
    pub fn bytes(&self) -> usize {
        self.bytes
    }
}

impl Drop for Room {
    fn drop(&mut self) {
        self.budget.used.fetch_sub(self.bytes, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use futures::{StreamExt as _, stream};
    use http_body::Frame;
    use http_body_util::StreamBody;

    use super::*;

    const LIMITS: Limits = Limits { size: 100_000, idle: Duration::from_millis(50) };

    type Pieces = Vec<Result<Frame<Bytes>, std::convert::Infallible>>;

    fn body(
        pieces: &[usize],
    ) -> StreamBody<stream::Iter<std::vec::IntoIter<<Pieces as IntoIterator>::Item>>> {
        let pieces: Pieces =
            pieces.iter().map(|size| Ok(Frame::data(vec![b'x'; *size].into()))).collect();
        StreamBody::new(stream::iter(pieces))
    }

    #[tokio::test]
    async fn a_body_in_pieces_is_put_together_and_leaves_nothing_behind() {
        let budget = Budget::new(1_000);
        let whole = budget.read(body(&[10, 20, 30]), LIMITS, None).await.unwrap();
        assert_eq!(whole.len(), 60);
        assert_eq!(budget.used.load(Ordering::Relaxed), 0);
    }

    #[tokio::test]
    async fn a_body_over_its_limit_is_refused() {
        let refused = Budget::new(1_000_000).read(body(&[60_000, 60_000]), LIMITS, None).await;
        assert_eq!(refused, Err(Error::TooLarge(100_000)));
    }

    #[tokio::test(start_paused = true)]
    async fn a_body_that_stops_is_given_up_and_its_room_is_free_again() {
        let budget = Budget::new(1_000);
        let first = Ok::<_, std::convert::Infallible>(Frame::data(Bytes::from_static(b"x")));
        let endless = StreamBody::new(stream::iter([first]).chain(stream::pending()));
        assert_eq!(budget.read(endless, LIMITS, None).await, Err(Error::Stalled));
        assert_eq!(budget.used.load(Ordering::Relaxed), 0);
    }

    #[tokio::test(start_paused = true)]
    async fn small_bodies_find_room_when_large_ones_no_longer_do() {
        let budget = Budget::new(400_000);
        assert!(budget.take(290_000, 0));
        assert_eq!(budget.read(body(&[50_000, 50_000]), LIMITS, None).await, Err(Error::NoRoom));
        assert!(budget.read(body(&[20_000, 20_000]), LIMITS, None).await.is_ok());
    }

    #[tokio::test(start_paused = true)]
    async fn large_bodies_do_not_shorten_the_pauses_of_small_ones() {
        let budget = Budget::new(400_000);
        assert!(budget.take(290_000, 0));
        let limits = Limits { idle: TIGHT_IDLE * 10, ..LIMITS };
        let pausing = |size: usize| {
            let pieces = stream::iter([size, 10]).then(|size| async move {
                sleep(TIGHT_IDLE * 3).await;
                Ok::<_, std::convert::Infallible>(Frame::data(vec![b'x'; size].into()))
            });
            StreamBody::new(Box::pin(pieces))
        };
        let whole = budget.read(pausing(1_000), limits, None).await;
        assert_eq!(whole.map(|whole| whole.len()), Ok(1_010));
        // there is room for a large one too, and no time
        budget.used.store(210_000, Ordering::Relaxed);
        assert_eq!(budget.read(pausing(70_000), limits, None).await, Err(Error::Stalled));
    }

    #[tokio::test(start_paused = true)]
    async fn a_connection_has_its_part_of_the_room_and_always_one_body() {
        let (budget, greedy) = (Budget::new(400_000), Shares::default());
        let mut held = greedy.begin();
        assert!(held.grow(90_000, 100_000));
        let refused = budget.read(body(&[8_000, 8_000]), LIMITS, Some(&greedy)).await;
        assert_eq!(refused, Err(Error::NoRoom));
        let other = budget.read(body(&[50_000, 50_000]), LIMITS, Some(&Shares::default())).await;
        assert!(other.is_ok());
        drop(held);
        assert!(budget.read(body(&[8_000, 8_000]), LIMITS, Some(&greedy)).await.is_ok());
        let small = Budget::new(160_000);
        assert!(small.read(body(&[50_000, 50_000]), LIMITS, Some(&greedy)).await.is_ok());
    }

    #[test]
    fn room_is_there_at_once_or_not_at_all_and_can_be_given_back() {
        let (budget, greedy) = (Budget::new(1_000), Shares::default());
        let mut room = budget.room(0, Some(&greedy));
        assert!(room.grow(200) && !room.grow(100));
        assert!(budget.room(0, Some(&Shares::default())).grow(250));
        room.shrink(150);
        assert!(room.grow(200));
        room.shrink(usize::MAX);
        assert_eq!((room.bytes(), budget.used.load(Ordering::Relaxed)), (0, 0));
        assert!(greedy.is_empty());
    }
}
