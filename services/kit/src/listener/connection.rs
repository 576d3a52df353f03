//! One connection, from its first byte to its last.

use std::convert::Infallible;
use std::error::Error;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::Request;
use http_body::Body;
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::conn::auto::Builder;
use tokio::net::TcpStream;
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;

use super::activity::{Activity, Peer, now};
use super::answer::Answer;
use super::handler::Handler;
use super::options::{Options, Protocol};
use super::pace::Requests;
use super::registry::Entry;
use super::stream::{Stream, Transport};

/// The largest head of an HTTP/1 request; hyper takes up to 100 headers in it.
const MAX_HEAD: usize = 64 * 1024;
/// The largest list of headers of an HTTP/2 request.
const MAX_HEADER_LIST: u32 = 32 * 1024;
/// How much of one request's body a client may send ahead.
const STREAM_WINDOW: u32 = 64 * 1024;
/// The same for all requests of a connection. The HTTP/2 library takes half of it as its budget for
/// small frames that wait to be read, and closes a connection whose frames exceed it: a client that
/// sends rows of 50 bytes in a frame each needs about 1 MiB of it for a full window of one request.
const CONNECTION_WINDOW: u32 = 64 * 1024 * 1024;
/// How long a connection may take to end that has to make room for others. One at a time may have to,
/// and others wait for it.
const GOODBYE_LIMIT: Duration = Duration::from_millis(50);

/// What all connections of a listener share.
pub(super) struct Server<S> {
    handler: S,
    options: Options,
    http: Builder<Requests>,
    shutdown: CancellationToken,
}

impl<S> Server<S> {
    pub(super) fn new(handler: S, options: Options, shutdown: CancellationToken) -> Self {
        let http = http(&options);
        Self { handler, options, http, shutdown }
    }

    /// Serves a connection to its end.
    pub(super) async fn connection<B>(
        self: Arc<Self>,
        tcp: TcpStream,
        place: OwnedSemaphorePermit,
        entry: Entry,
    ) where
        S: Handler<B>,
        B: Body<Data = Bytes, Error: Into<Box<dyn Error + Send + Sync>>> + Send + Unpin + 'static,
    {
        if let Err(error) = tcp.set_nodelay(true) {
            tracing::debug!(%error, "a connection has no TCP_NODELAY");
        }
        let registry = entry.registry.clone();
        let activity = &entry.activity;
        let peer = Peer::new(entry.address, entry.answers.clone(), activity.clone());
        let Some(transport) = self.begin(tcp, activity).await else { return };
        let stream = Stream::new(transport, place, activity.clone(), self.options.rejection);
        let service = service_fn(|mut request: Request<Incoming>| {
            let under_way = activity.begin();
            request.extensions_mut().insert(peer.clone());
            let (answer, registry) = (self.handler.clone().call(request), registry.clone());
            async move {
                let mut response = answer.await?;
                let pace = response.extensions_mut().remove();
                let response = response.map(|body| Answer::new(body, pace, under_way));
                registry.bound_unread(response.body().unread());
                Ok::<_, Infallible>(response)
            }
        });
        let stream = TokioIo::new(stream);
        let mut connection = pin!(self.http.serve_connection_with_upgrades(stream, service));
        let mut overdue = pin!(self.overdue(activity));
        let mut goodbye = pin!(sleep(Duration::MAX));
        let mut is_ending = false;
        loop {
            tokio::select! {
                ended = connection.as_mut() => {
                    return match ended {
                        Ok(()) => self.take_over(activity).await,
                        Err(error) => tracing::debug!(error, "a connection broke"),
                    };
                }
                // nothing is to be expected of it
                () = &mut overdue => return,
                () = activity.expelled.notified() => return,
                () = &mut goodbye, if is_ending && activity.idle_since().is_some() => return,
                () = activity.evicted.notified(), if !is_ending => {
                    // one that has never asked has nothing to lose by it
                    let limit = if activity.has_asked() { GOODBYE_LIMIT } else { Duration::ZERO };
                    goodbye.set(sleep(limit));
                }
                () = self.shutdown.cancelled(), if !is_ending => {}
            }
            if !is_ending {
                is_ending = true;
                connection.as_mut().graceful_shutdown();
            }
        }
    }

    /// Does with a connection what is left to be done when it is no longer one of HTTP.
    async fn take_over(&self, activity: &Arc<Activity>) {
        let Some(work) = activity.takeover() else { return };
        // whoever works on it looks after it, but for a client that takes nothing
        let _under_way = activity.begin();
        tokio::select! {
            () = work => {}
            () = self.overdue(activity) => {}
            () = activity.expelled.notified() => {}
        }
    }

    /// Does the handshake, where there is TLS; `None` when it has not come to its end.
    async fn begin(&self, tcp: TcpStream, activity: &Activity) -> Option<Transport> {
        let Some(tls) = &self.options.tls else { return Some(Transport::Left(tcp)) };
        // apart: connections without TLS have no room for it
        let handshake = Box::pin(tls.accept(tcp));
        tokio::select! {
            done = handshake => match done {
                Ok(tls) => Some(Transport::Right(Box::new(tls))),
                Err(error) => {
                    tracing::debug!(%error, "a connection has no TLS");
                    None
                }
            },
            () = self.overdue(activity) => None,
            () = activity.evicted.notified() => None,
            () = self.shutdown.cancelled() => None,
        }
    }

    /// Ends when the client has let the connection wait for too long.
    async fn overdue(&self, activity: &Activity) {
        let Options { header_timeout, idle, .. } = self.options;
        loop {
            let (ends_at, now) = (activity.ends_at(header_timeout, idle), now());
            if ends_at <= now {
                return;
            }
            // something may begin that ends sooner
            let look = Duration::from_millis(ends_at - now).min(header_timeout).min(idle);
            sleep(look).await;
        }
    }
}

fn http(options: &Options) -> Builder<Requests> {
    let mut builder = Builder::new(Requests);
    builder
        .http1()
        .timer(TokioTimer::new())
        // our own: hyper's would also close a connection that is between two requests
        .header_read_timeout(None)
        .max_buf_size(MAX_HEAD);
    builder
        .http2()
        .timer(TokioTimer::new())
        .max_concurrent_streams(options.streams)
        .max_header_list_size(MAX_HEADER_LIST)
        .initial_stream_window_size(STREAM_WINDOW)
        .initial_connection_window_size(CONNECTION_WINDOW)
        .keep_alive_interval(Duration::from_secs(20))
        .keep_alive_timeout(Duration::from_secs(10));
    match options.protocol {
        Protocol::Http => builder,
        Protocol::Grpc => builder.http2_only(),
    }
}
