//! The bytes of a connection: noted as they come and go, and closed so that a client that is still
//! sending can read its answer.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::{Buf as _, Bytes};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _, ReadBuf};
use tokio::net::TcpStream;
use tokio::runtime::Handle;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::timeout;
use tokio_rustls::server::TlsStream;
use tokio_util::either::Either;

use super::activity::{Activity, now};

/// How long, and how far, a client may go on sending after its connection has been answered and
/// closed. Closing with bytes unread would reset the connection, and the answer would be lost.
const LINGER_LIMIT: Duration = Duration::from_secs(2);
const LINGER_BYTES: usize = 16 * 1024 * 1024;
/// How many connections of a process do so at once. They have left their place in the listener: others
/// do not wait for them.
static LINGERING: Semaphore = Semaphore::const_new(100);

/// What the bytes travel over: TCP, or TLS over it.
pub(super) type Transport = Either<TcpStream, Box<TlsStream<TcpStream>>>;

/// A connection that keeps its place in the listener until it has been served.
pub(super) struct Stream {
    transport: Option<(Transport, OwnedSemaphorePermit)>,
    activity: Arc<Activity>,
    rejection: Option<fn(u16) -> Option<Bytes>>,
    /// What is sent in place of something of this length.
    page: Option<(Bytes, usize)>,
    has_ended: bool,
}

impl Stream {
    pub(super) fn new(
        transport: Transport,
        place: OwnedSemaphorePermit,
        activity: Arc<Activity>,
        rejection: Option<fn(u16) -> Option<Bytes>>,
    ) -> Self {
        Self {
            transport: Some((transport, place)),
            activity,
            rejection,
            page: None,
            has_ended: false,
        }
    }

    fn transport(&mut self) -> io::Result<Pin<&mut Transport>> {
        let transport = self.transport.as_mut().map(|(transport, _)| Pin::new(transport));
        transport.ok_or_else(|| io::ErrorKind::NotConnected.into())
    }

    fn noted<T>(&self, polled: Poll<io::Result<T>>) -> Poll<io::Result<T>> {
        match &polled {
            Poll::Ready(_) => self.activity.has_sent(),
            Poll::Pending => self.activity.cannot_send(),
        }
        polled
    }

    /// The response to a request that the HTTP layer could not read is that layer's own, and has no
    /// body: ours goes in its place.
    fn replace(&mut self, bytes: &[u8]) {
        let Some(rejection) = self.rejection.filter(|_| self.page.is_none()) else { return };
        if self.activity.is_under_way() || !bytes.starts_with(b"HTTP/1.1 4") {
            return;
        }
        let head = String::from_utf8_lossy(bytes);
        let status = head.get(9..12).and_then(|status| status.parse().ok());
        // responses of ours have an id: they may be sent after their request has ended
        if let Some(status) = status.filter(|_| !head.contains("x-request-id")) {
            self.page = rejection(status).map(|page| (page, bytes.len()));
        }
    }

    fn poll_page(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<usize>> {
        while let Some((mut page, length)) = self.page.take() {
            if page.is_empty() {
                return Poll::Ready(Ok(length));
            }
            let polled = self.transport()?.poll_write(cx, &page);
            if let Poll::Ready(Ok(written)) = &polled {
                page.advance(*written);
            }
            self.page = Some((page, length));
            ready!(self.noted(polled))?;
        }
        Poll::Ready(Ok(0))
    }
}

impl AsyncRead for Stream {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        ready!(self.transport()?.poll_read(cx, buffer))?;
        match &buffer.filled()[before..] {
            [] => self.has_ended = true,
            bytes => self.activity.has_received(bytes),
        }
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Stream {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.replace(bytes);
        if self.page.is_some() {
            return self.poll_page(cx);
        }
        let polled = self.transport()?.poll_write(cx, bytes);
        self.noted(polled)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        if let Some(first) = slices.iter().find(|slice| !slice.is_empty()) {
            self.replace(first);
        }
        if self.page.is_some() {
            return self.poll_page(cx);
        }
        let polled = self.transport()?.poll_write_vectored(cx, slices);
        self.noted(polled)
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.transport()?.poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.transport()?.poll_shutdown(cx)
    }
}

impl Drop for Stream {
    fn drop(&mut self) {
        let Some((transport, _place)) = self.transport.take() else { return };
        let answered = now() < self.activity.sent.load(std::sync::atomic::Ordering::Relaxed) + 1000;
        if self.has_ended || !answered {
            return;
        }
        if let (Ok(runtime), Ok(lingering)) = (Handle::try_current(), LINGERING.try_acquire()) {
            runtime.spawn(async move {
                let _ = timeout(LINGER_LIMIT, linger(transport)).await;
                drop(lingering);
            });
        }
    }
}

/// Says that no more comes, and takes what the client is still sending.
async fn linger(mut transport: Transport) -> io::Result<()> {
    transport.shutdown().await?;
    let mut buffer = vec![0; 16 * 1024];
    let mut taken = 0;
    while taken < LINGER_BYTES {
        match transport.read(&mut buffer).await? {
            0 => break,
            read => taken += read,
        }
    }
    Ok(())
}
