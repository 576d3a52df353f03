//! What a connection has to do, and since when it has had nothing to do.

use std::fmt;
use std::net::IpAddr;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, LazyLock, Mutex, PoisonError};
use std::time::{Duration, Instant};

use futures::future::BoxFuture;
use tokio::sync::Notify;

use super::shares::Shares;

/// The connection that a request came over: in the extensions of each.
#[derive(Debug, Clone)]
pub struct Peer {
    /// The address that the connection comes from: the client's, or that of a proxy between.
    pub address: IpAddr,
    /// What it has under way.
    pub calls: Shares,
    /// Client streams, of which a process has far fewer.
    pub streams: Shares,
    /// Streams of answers. All connections of its client have these together.
    pub answers: Shares,
    /// Bytes of bodies that are still arriving.
    pub bytes: Shares,
    activity: Arc<Activity>,
}

impl Peer {
    pub(super) fn new(address: IpAddr, answers: Shares, activity: Arc<Activity>) -> Self {
        let shares = Shares::default;
        Self { address, calls: shares(), streams: shares(), answers, bytes: shares(), activity }
    }

    /// What is done with the connection once it is no longer one of HTTP: when the answer to a request of
    /// HTTP/1.1 is that it changes its protocol. It lives no longer than the connection.
    pub fn take_over(&self, work: impl Future<Output = ()> + Send + 'static) {
        let work = Takeover(Box::pin(work));
        *self.activity.takeover.lock().unwrap_or_else(PoisonError::into_inner) = Some(work);
    }

    /// Notes that a request waits for its client, which has more of it to send. A connection whose
    /// requests all do so has nothing to do, and may have to make room for others.
    pub fn waiting(&self) -> Waiting {
        self.activity.waiting.fetch_add(1, Ordering::Relaxed);
        Waiting(self.activity.clone())
    }
}

/// A request that waits for its client, until dropped.
#[derive(Debug)]
pub struct Waiting(Arc<Activity>);

impl Drop for Waiting {
    fn drop(&mut self) {
        self.0.waiting.fetch_sub(1, Ordering::Relaxed);
    }
}

/// The work on a connection that is no longer one of HTTP.
struct Takeover(BoxFuture<'static, ()>);

impl fmt::Debug for Takeover {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Takeover")
    }
}

/// What a connection does. Points in time are milliseconds since the first connection of the process.
#[derive(Debug)]
pub(super) struct Activity {
    opened: u64,
    /// Requests whose answer has not been given to its end.
    under_way: AtomicUsize,
    /// Those of them that wait for more of their client.
    waiting: AtomicUsize,
    /// Those of them whose answer has begun, and those whose answer is whole: the client has to take it.
    answering: AtomicUsize,
    whole: AtomicUsize,
    /// Those of them that come in pieces, of which none is there: the client has to wait for us.
    quiet: AtomicUsize,
    /// The bytes of whole answers that have not been taken, and those of all connections.
    unread: AtomicUsize,
    /// When those of this connection were answered, on average.
    unread_since: AtomicU64,
    all_unread: Arc<AtomicUsize>,
    /// Whether a request was ever begun.
    asked: AtomicBool,
    /// Whether the beginning that HTTP/2 prescribes has come.
    is_http2: AtomicBool,
    received: AtomicUsize,
    /// When a byte last came.
    heard: AtomicU64,
    /// When a request last began or ended, or a piece of an answer was taken.
    moved: AtomicU64,
    /// When a piece of an answer was last taken, or the first after a while was there to be taken.
    taken: AtomicU64,
    /// When the first byte came after that, while nothing was under way; 0 when none has.
    head_began: AtomicU64,
    /// Since when bytes of an answer cannot be sent; 0 when they can.
    blocked: AtomicU64,
    /// When a byte was last sent.
    pub(super) sent: AtomicU64,
    takeover: Mutex<Option<Takeover>>,
    /// Told when the connection's place is needed.
    pub(super) evicted: Notify,
    /// Told when the memory is needed that its unread answers take.
    pub(super) expelled: Notify,
}

/// What the beginning of HTTP/2 is: the preface and an empty frame of settings (RFC 9113, 3.4).
const PREFACE: usize = 24 + 9;

pub(super) fn now() -> u64 {
    static BEGIN: LazyLock<Instant> = LazyLock::new(Instant::now);
    // never 0, which means never
    u64::try_from(BEGIN.elapsed().as_millis()).unwrap_or(u64::MAX).saturating_add(1)
}

impl Activity {
    pub(super) fn new(all_unread: Arc<AtomicUsize>) -> Arc<Self> {
        let opened = now();
        Arc::new(Self {
            opened,
            under_way: AtomicUsize::new(0),
            waiting: AtomicUsize::new(0),
            answering: AtomicUsize::new(0),
            whole: AtomicUsize::new(0),
            quiet: AtomicUsize::new(0),
            unread: AtomicUsize::new(0),
            unread_since: AtomicU64::new(opened),
            all_unread,
            asked: AtomicBool::new(false),
            is_http2: AtomicBool::new(false),
            received: AtomicUsize::new(0),
            heard: AtomicU64::new(opened),
            moved: AtomicU64::new(opened),
            taken: AtomicU64::new(opened),
            head_began: AtomicU64::new(0),
            blocked: AtomicU64::new(0),
            sent: AtomicU64::new(0),
            takeover: Mutex::default(),
            evicted: Notify::new(),
            expelled: Notify::new(),
        })
    }

    pub(super) fn begin(self: &Arc<Self>) -> UnderWay {
        self.under_way.fetch_add(1, Ordering::Relaxed);
        self.asked.store(true, Ordering::Relaxed);
        self.head_began.store(0, Ordering::Relaxed);
        self.moved.store(now(), Ordering::Relaxed);
        UnderWay(self.clone())
    }

    /// What is to be done with the connection, now that HTTP has come to its end there.
    pub(super) fn takeover(&self) -> Option<BoxFuture<'static, ()>> {
        let mut takeover = self.takeover.lock().unwrap_or_else(PoisonError::into_inner);
        takeover.take().map(|work| work.0)
    }

    pub(super) fn is_under_way(&self) -> bool {
        self.under_way.load(Ordering::Relaxed) > 0
    }

    pub(super) fn has_asked(&self) -> bool {
        self.asked.load(Ordering::Relaxed)
    }

    /// Since when there is nothing to do, other than to wait for the client; `None` while there is.
    pub(super) fn idle_since(&self) -> Option<u64> {
        match self.under_way.load(Ordering::Relaxed) {
            0 => Some(self.moved.load(Ordering::Relaxed)),
            all => {
                let whole = self.whole.load(Ordering::Relaxed);
                let since = if whole > 0 { &self.taken } else { &self.heard };
                (all <= whole + self.waiting.load(Ordering::Relaxed))
                    .then(|| since.load(Ordering::Relaxed))
            }
        }
    }

    /// The bytes of answers that the client has not taken.
    pub(super) fn unread(&self) -> usize {
        self.unread.load(Ordering::Relaxed)
    }

    /// How much the client neglects what it was answered: the unread bytes times the milliseconds that
    /// they have lain. An answer that has just begun counts for next to nothing, and taking a little of
    /// one now and then changes no more than a little.
    pub(super) fn neglect(&self, now: u64) -> u64 {
        let unread = self.unread.load(Ordering::Acquire) as u64;
        let lain = now.saturating_sub(self.unread_since.load(Ordering::Relaxed)) + 1;
        unread.saturating_mul(lain)
    }

    /// Notes that an answer has begun; all its bytes where they are there already, which the client then
    /// has to take.
    pub(super) fn begin_answer(&self, whole: Option<usize>) {
        let now = now();
        self.answering.fetch_add(1, Ordering::Relaxed);
        self.moved.store(now, Ordering::Relaxed);
        let Some(bytes) = whole else { return };
        if self.whole.fetch_add(1, Ordering::Relaxed) == 0 {
            self.taken.store(now, Ordering::Relaxed);
        }
        let (older, new) = (self.unread.load(Ordering::Acquire) as u64, bytes as u64);
        let since = self.unread_since.load(Ordering::Relaxed);
        let lain = now.saturating_sub(since);
        let later = lain.saturating_mul(new) / older.saturating_add(new).max(1);
        // before the bytes: who sees those must not take them for old ones
        self.unread_since.store(since + later, Ordering::Relaxed);
        self.unread.fetch_add(bytes, Ordering::Release);
        self.all_unread.fetch_add(bytes, Ordering::Relaxed);
    }

    /// Notes that so many bytes of an answer were taken, or will not be.
    pub(super) fn has_taken(&self, bytes: usize) {
        self.unread.fetch_sub(bytes, Ordering::Relaxed);
        self.all_unread.fetch_sub(bytes, Ordering::Relaxed);
    }

    /// Notes that an answer goes on.
    pub(super) fn has_moved(&self) {
        let now = now();
        self.moved.store(now, Ordering::Relaxed);
        self.taken.store(now, Ordering::Relaxed);
    }

    /// Notes that the client takes all that there is of an answer, and waits for the next piece.
    pub(super) fn begin_quiet(&self) {
        self.quiet.fetch_add(1, Ordering::Relaxed);
    }

    /// Notes that it need not wait any more; what has come it has to take.
    pub(super) fn end_quiet(&self) {
        self.has_moved();
        self.quiet.fetch_sub(1, Ordering::Relaxed);
    }

    pub(super) fn end_answer(&self, is_whole: bool) {
        self.answering.fetch_sub(1, Ordering::Relaxed);
        self.whole.fetch_sub(usize::from(is_whole), Ordering::Relaxed);
    }

    pub(super) fn has_received(&self, bytes: &[u8]) {
        let before = self.received.fetch_add(bytes.len(), Ordering::Relaxed);
        self.heard.store(now(), Ordering::Relaxed);
        if before == 0 && bytes.starts_with(b"PRI") {
            self.is_http2.store(true, Ordering::Relaxed);
        }
        if !self.is_under_way() && self.head_began.load(Ordering::Relaxed) == 0 {
            self.head_began.store(now(), Ordering::Relaxed);
        }
    }

    pub(super) fn has_sent(&self) {
        self.blocked.store(0, Ordering::Relaxed);
        self.sent.store(now(), Ordering::Relaxed);
    }

    pub(super) fn cannot_send(&self) {
        let _ = self.blocked.compare_exchange(0, now(), Ordering::Relaxed, Ordering::Relaxed);
    }

    /// When the connection's patience ends, if nothing happens until then.
    pub(super) fn ends_at(&self, header: Duration, idle: Duration) -> u64 {
        let (header, idle) = (milliseconds(header), milliseconds(idle));
        let blocked = self.blocked.load(Ordering::Relaxed);
        let stalled = if blocked > 0 { blocked + idle } else { u64::MAX };
        let moved = self.moved.load(Ordering::Relaxed);
        if self.whole.load(Ordering::Relaxed) > 0 {
            // a client that does not take what it has asked for, however much more it asks for
            return stalled.min(self.taken.load(Ordering::Relaxed) + idle);
        }
        if self.answering.load(Ordering::Relaxed) > self.quiet.load(Ordering::Relaxed) {
            return stalled.min(moved + idle);
        }
        if self.is_under_way() {
            // whoever works on it has a deadline of its own
            return stalled;
        }
        let is_http2 = self.is_http2.load(Ordering::Relaxed);
        if !self.has_asked() {
            let is_begun = is_http2 && self.received.load(Ordering::Relaxed) >= PREFACE;
            return self.opened + if is_begun { idle } else { header };
        }
        match self.head_began.load(Ordering::Relaxed) {
            // frames of HTTP/2 that belong to no request are not the head of one
            began if began > 0 && !is_http2 => stalled.min(began + header),
            _ => stalled.min(moved + idle),
        }
    }
}

fn milliseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX / 4)
}

/// A request that is being answered, also when that ends without an answer.
#[derive(Debug)]
pub(super) struct UnderWay(pub(super) Arc<Activity>);

impl Drop for UnderWay {
    fn drop(&mut self) {
        self.0.moved.store(now(), Ordering::Relaxed);
        self.0.under_way.fetch_sub(1, Ordering::Relaxed);
    }
}
