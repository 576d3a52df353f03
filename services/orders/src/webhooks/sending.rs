//! Sending a webhook, once. A receiver is a stranger: it gets as much time, memory and room in the log as is
//! written here, whatever it does.
//!
//! Each attempt has a connection of its own, to an address that was judged, and closes it. So there is nothing
//! that grows with the number of receivers, and nothing that would follow redirects, keep cookies or heed the
//! proxies of the environment.

mod answer;
mod connection;

use std::time::Duration;

use bytes::Bytes;
use http::header::{CONNECTION, CONTENT_TYPE, HOST, InvalidHeaderValue, USER_AGENT};
use http::{HeaderValue, Request};
use http_body_util::Full;
use tokio::time::{Instant, timeout_at};
use tokio_rustls::{TlsConnector, rustls};
use url::Position;

use super::address::{self, Destination, Policy, Refused, Resolver, System};
use answer::Answer;

/// For the look-up of the name, the connection, and TLS.
const CONNECTING: Duration = Duration::from_secs(5);

/// For all of it.
const LONGEST: Duration = Duration::from_secs(15);

/// Sends webhooks.
#[derive(Clone)]
pub struct Sender<R = System> {
    policy: Policy,
    user_agent: HeaderValue,
    resolver: R,
    /// None where the system has no certificates to trust: then HTTPS is out of reach.
    tls: Option<TlsConnector>,
}

/// A webhook.
#[derive(Clone)]
pub struct Message<'a> {
    /// The event, the same in each attempt.
    pub id: &'a str,
    /// The time of this attempt, in seconds since 1970.
    pub timestamp: i64,
    /// By [`super::signature::sign`].
    pub signature: &'a str,
    /// JSON.
    pub body: Bytes,
}

/// What became of an attempt.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outcome {
    /// The status of the answer, if there was one.
    pub status: Option<u16>,
    /// What that means.
    pub kind: Kind,
    /// How long the receiver asks to be left alone.
    pub retry_after: Option<Duration>,
    /// The first KiB of the answer's body, fit for a log: no control characters.
    pub excerpt: String,
    /// How long the attempt took.
    pub took: Duration,
}

/// What an attempt comes to. The status decides, even where the body after it is cut off.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// The receiver has it (2xx).
    Delivered,
    /// The receiver wants no more, ever (410).
    Gone,
    /// The receiver sends us elsewhere (3xx), where we do not go.
    Redirected,
    /// Any other status.
    Rejected(u16),
    /// There was a connection, but no answer in time.
    TimedOut,
    /// There was no connection, or what came was no HTTP.
    Unreachable,
    /// We do not send there.
    Refused(Refused),
}

/// Why there is no sender.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The system has no certificates to trust.
    #[error("cannot use the certificates that the system trusts")]
    Certificates(#[from] rustls::Error),
    /// The user agent is no header.
    #[error("the user agent is no header")]
    UserAgent(#[from] InvalidHeaderValue),
}

impl Sender {
    /// A sender that asks the operating system for the addresses of names.
    ///
    /// # Errors
    ///
    /// The system has no certificates to trust, or the user agent is no header.
    pub fn new(policy: Policy, user_agent: &str) -> Result<Self, Error> {
        Self::with_resolver(policy, user_agent, System)
    }

    /// The same for a system without certificates to trust: nobody is reached over HTTPS.
    ///
    /// # Errors
    ///
    /// The user agent is no header.
    pub fn without_certificates(policy: Policy, user_agent: &str) -> Result<Self, Error> {
        Ok(Self { policy, user_agent: user_agent.parse()?, resolver: System, tls: None })
    }
}

impl<R: Resolver> Sender<R> {
    /// A sender that asks somebody else.
    ///
    /// # Errors
    ///
    /// As for [`Sender::new`].
    pub fn with_resolver(policy: Policy, user_agent: &str, resolver: R) -> Result<Self, Error> {
        let tls = Some(connection::tls([])?);
        Ok(Self { policy, user_agent: user_agent.parse()?, resolver, tls })
    }

    /// Sends a webhook. It ends by `deadline`, and after 15 seconds at the latest.
    pub async fn send(&self, to: &Destination, message: Message<'_>, deadline: Instant) -> Outcome {
        let start = Instant::now();
        let answer = self.call(to, message, deadline.min(start + LONGEST)).await;
        let took = start.elapsed();
        match answer {
            Ok(Answer { status, kind, retry_after, excerpt }) => {
                Outcome { status: Some(status), kind, retry_after, excerpt, took }
            }
            Err(kind) => {
                let excerpt = String::new();
                Outcome { status: None, kind, retry_after: None, excerpt, took }
            }
        }
    }

    async fn call(
        &self,
        to: &Destination,
        message: Message<'_>,
        end: Instant,
    ) -> Result<Answer, Kind> {
        let request = self.request(to, message).map_err(|_| Kind::Refused(Refused::NotAUrl))?;
        let connected = end.min(Instant::now() + CONNECTING);
        let stream =
            timeout_at(connected, self.connect(to)).await.unwrap_or(Err(Kind::Unreachable))?;
        let calling = connection::call(stream, request);
        let (response, _connection) = timeout_at(end, calling)
            .await
            .map_err(|_| Kind::TimedOut)?
            .map_err(|_| Kind::Unreachable)?;
        Ok(answer::read(response, end).await)
    }

    async fn connect(&self, to: &Destination) -> Result<connection::Stream, Kind> {
        match address::resolve(to, self.policy, &self.resolver).await {
            Ok(addresses) => connection::open(to.url(), &addresses, self.tls.as_ref())
                .await
                .map_err(|_| Kind::Unreachable),
            Err(Refused::Unresolved) => Err(Kind::Unreachable),
            Err(refused) => Err(Kind::Refused(refused)),
        }
    }

    fn request(
        &self,
        to: &Destination,
        message: Message<'_>,
    ) -> Result<Request<Full<Bytes>>, http::Error> {
        let url = to.url();
        Request::post(&url[Position::BeforePath..Position::AfterQuery])
            .header(HOST, &url[Position::BeforeHost..Position::AfterPort])
            .header(USER_AGENT, &self.user_agent)
            .header(CONTENT_TYPE, "application/json")
            .header(CONNECTION, "close")
            .header("webhook-id", message.id)
            .header("webhook-timestamp", message.timestamp)
            .header("webhook-signature", message.signature)
            .body(Full::new(message.body))
    }
}

#[cfg(test)]
mod tests;
