//! Connections: how many there are, how long each may do nothing, and how they end.
//!
//! `axum::serve` has no limit on the time that a client takes to send its headers, so this is an
//! accept loop of our own.

use std::convert::Infallible;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

use axum::body::Body;
use http::Request;
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto::Builder;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;

use crate::Options;
use crate::front::Front;

/// The largest head of an HTTP/1 request; hyper takes up to 100 headers in it.
const MAX_HEAD: usize = 64 * 1024;
/// The largest list of headers of an HTTP/2 request.
const MAX_HEADER_LIST: u32 = 32 * 1024;
/// Requests that one HTTP/2 connection may have under way.
const REQUESTS_PER_CONNECTION: u32 = 128;
/// How long to wait after an accept that failed: file descriptors may have run out.
const ACCEPT_PAUSE: Duration = Duration::from_millis(200);

/// Serves connections until `shutdown`, then lets them finish, no longer than the drain limit.
pub(crate) async fn serve(
    listener: TcpListener,
    front: Arc<Front>,
    options: Options,
    shutdown: CancellationToken,
) {
    let server = Arc::new(Server {
        front,
        http: http(&options),
        header_timeout: options.header_timeout,
        connection_idle: options.connection_idle,
        shutdown: shutdown.clone(),
    });
    let slots = Arc::new(Semaphore::new(options.max_connections));
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            () = shutdown.cancelled() => break,
            // a task that has ended is forgotten
            Some(_) = connections.join_next() => {}
            accepted = accept(&listener, &slots) => {
                let Some((stream, slot)) = accepted else { continue };
                let server = server.clone();
                connections.spawn(async move {
                    server.connection(stream).await;
                    drop(slot);
                });
            }
        }
    }
    // nobody new: the port is free while the rest drains
    drop(listener);
    let drained = async { while connections.join_next().await.is_some() {} };
    if timeout(options.drain_limit, drained).await.is_err() {
        tracing::warn!(
            left = connections.len(),
            "connections were still open after the drain limit"
        );
        connections.shutdown().await;
    }
}

/// The next connection, once there is room for it. `None` when the listener has failed.
async fn accept(
    listener: &TcpListener,
    slots: &Arc<Semaphore>,
) -> Option<(TcpStream, OwnedSemaphorePermit)> {
    let slot = slots.clone().acquire_owned().await.ok()?;
    match listener.accept().await {
        Ok((stream, _)) => Some((stream, slot)),
        Err(error) => {
            tracing::warn!(%error, "a connection cannot be accepted");
            sleep(ACCEPT_PAUSE).await;
            None
        }
    }
}

/// HTTP/1.1 and HTTP/2 without TLS; which of them, the first bytes say.
fn http(options: &Options) -> Builder<TokioExecutor> {
    let mut builder = Builder::new(TokioExecutor::new());
    builder
        .http1()
        .timer(TokioTimer::new())
        .header_read_timeout(options.header_timeout)
        .max_buf_size(MAX_HEAD);
    builder
        .http2()
        .timer(TokioTimer::new())
        .max_concurrent_streams(REQUESTS_PER_CONNECTION)
        .max_header_list_size(MAX_HEADER_LIST)
        .keep_alive_interval(Duration::from_secs(20))
        .keep_alive_timeout(Duration::from_secs(10));
    builder
}

/// What all connections share.
struct Server {
    front: Arc<Front>,
    http: Builder<TokioExecutor>,
    header_timeout: Duration,
    connection_idle: Duration,
    shutdown: CancellationToken,
}

impl Server {
    async fn connection(&self, stream: TcpStream) {
        if let Err(error) = stream.set_nodelay(true) {
            tracing::debug!(%error, "a connection has no TCP_NODELAY");
        }
        let activity = Arc::new(Activity::default());
        let service = service_fn(|request: Request<Incoming>| {
            let (front, activity) = (self.front.clone(), activity.clone());
            async move {
                let _under_way = activity.begin();
                Ok::<_, Infallible>(front.answer(request.map(Body::new)).await)
            }
        });
        let mut connection = pin!(self.http.serve_connection(TokioIo::new(stream), service));
        let mut stall = pin!(self.stall(&activity));
        let mut draining = false;
        loop {
            tokio::select! {
                ended = connection.as_mut() => {
                    if let Err(error) = ended {
                        tracing::debug!(error, "a connection broke");
                    }
                    return;
                }
                () = &mut stall => return,
                () = self.shutdown.cancelled(), if !draining => {
                    draining = true;
                    connection.as_mut().graceful_shutdown();
                }
            }
        }
    }

    /// Ends when a connection has had nothing to do for too long. hyper has a limit on the headers
    /// of HTTP/1 only once it knows that it is HTTP/1, and none on a client that takes no answers.
    async fn stall(&self, activity: &Activity) {
        let mut seen = 0;
        loop {
            let patience = if seen == 0 { self.header_timeout } else { self.connection_idle };
            sleep(patience).await;
            let marks = activity.marks.load(Ordering::Relaxed);
            if marks == seen && activity.under_way.load(Ordering::Relaxed) == 0 {
                return;
            }
            seen = marks;
        }
    }
}

/// What a connection has to do.
#[derive(Default)]
struct Activity {
    /// Requests without an answer so far.
    under_way: AtomicUsize,
    /// Grows with each request and each answer.
    marks: AtomicU64,
}

impl Activity {
    fn begin(&self) -> UnderWay<'_> {
        self.under_way.fetch_add(1, Ordering::Relaxed);
        self.marks.fetch_add(1, Ordering::Relaxed);
        UnderWay(self)
    }
}

/// A request that is being answered, also when that ends without an answer.
struct UnderWay<'a>(&'a Activity);

impl Drop for UnderWay<'_> {
    fn drop(&mut self) {
        self.0.under_way.fetch_sub(1, Ordering::Relaxed);
        self.0.marks.fetch_add(1, Ordering::Relaxed);
    }
}
