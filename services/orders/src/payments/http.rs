//! HTTP to providers of payments. What matters here is not to ask until there is an answer, but to know after
//! every call whether it may have moved money.

use std::time::{Duration, SystemTime};

use reqwest::header::{HeaderMap, RETRY_AFTER};
use reqwest::{Method, Request, RequestBuilder, Response};
use serde::de::DeserializeOwned;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc2822;
use tokio::time::{Instant, sleep, timeout_at};
use tokio_rustls::rustls::crypto::ring;
use url::Url;

/// How often a call is sent, all in all.
const TRIES: u32 = 3;
/// No answer of a provider comes near this many bytes.
const MAX_BODY: usize = 1024 * 1024;
const USER_AGENT: &str = concat!("souk/", env!("CARGO_PKG_VERSION"));

/// Why something has not worked, for those who look into it.
pub type Cause = Box<dyn std::error::Error + Send + Sync>;

/// Why a call to a provider brings no result.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The provider lets nothing in for now.
    #[error("the provider has had too many calls")]
    RateLimited {
        /// How long it wants to be left alone.
        retry_after: Option<Duration>,
    },
    /// The provider does not know our credentials, or they are not good for this.
    #[error("the provider does not accept our credentials")]
    Authentication,
    /// Something is broken at the provider's.
    #[error("the provider has failed with status {status}")]
    Server {
        /// The status of its answer.
        status: u16,
        /// How long it wants to be left alone.
        retry_after: Option<Duration>,
    },
    /// The provider has decided against the call.
    #[error("the provider has refused with status {status} {code}")]
    Refused {
        /// The status of its answer.
        status: u16,
        /// Its name for the reason; empty if it gives none.
        code: String,
        /// The reason in its words, which may be about a customer: not for logs.
        description: String,
    },
    /// The call may have been sent, and no answer has come.
    #[error("the provider has not answered")]
    Unanswered(#[source] Cause),
    /// The call has not been sent.
    #[error("the provider cannot be reached")]
    Unreachable(#[source] Cause),
    /// The answer is larger than any that could be meant.
    #[error("the provider's answer is too large")]
    TooLarge,
    /// The answer is none to this call. What it says instead is not told: it may be anything.
    #[error("the provider's answer cannot be read")]
    Malformed,
}

impl Error {
    /// Whether the call may have taken effect all the same.
    pub fn is_unknown(&self) -> bool {
        match self {
            Self::Unanswered(_) | Self::Server { .. } | Self::TooLarge | Self::Malformed => true,
            Self::RateLimited { .. }
            | Self::Authentication
            | Self::Refused { .. }
            | Self::Unreachable(_) => false,
        }
    }

    /// Whether the same call may fare better later.
    fn is_passing(&self) -> bool {
        match self {
            Self::RateLimited { .. }
            | Self::Server { .. }
            | Self::Unanswered(_)
            | Self::Unreachable(_) => true,
            Self::Authentication | Self::Refused { .. } | Self::TooLarge | Self::Malformed => false,
        }
    }

    fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::RateLimited { retry_after } | Self::Server { retry_after, .. } => *retry_after,
            _ => None,
        }
    }

    fn sending(error: reqwest::Error) -> Self {
        // whoever reads a log need not learn whose payment it was
        let error = error.without_url();
        if error.is_connect() || error.is_builder() {
            Self::Unreachable(error.into())
        } else {
            Self::Unanswered(error.into())
        }
    }
}

/// Whether a call may be sent again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Repeat {
    /// Twice sent, it may take effect twice.
    Never,
    /// It changes nothing.
    Harmless,
    /// It carries a key under which the provider lets it take effect once.
    Keyed,
}

/// Limits of all calls; those of one call are its deadline.
#[derive(Debug, Clone)]
pub struct Limits {
    /// How long connecting may take.
    pub connect: Duration,
    /// How long the provider may say nothing.
    pub read: Duration,
    /// The most that is waited before the second try, twice that before the third, and so on.
    pub backoff: Duration,
    /// The most that is waited unless the provider asks for more.
    pub max_backoff: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connect: Duration::from_secs(5),
            read: Duration::from_secs(10),
            backoff: Duration::from_secs(1),
            max_backoff: Duration::from_secs(10),
        }
    }
}

impl Limits {
    /// Anything up to the limit, so that those who failed together do not come back together.
    fn wait(&self, tries: u32) -> Duration {
        let limit = self.backoff.saturating_mul(1 << (tries - 1)).min(self.max_backoff);
        limit.mul_f64(fastrand::f64())
    }
}

/// A provider's reason for a refusal.
#[derive(Debug, Default)]
pub struct Reason {
    /// Its name.
    pub code: String,
    /// The same in words.
    pub description: String,
}

/// A client of one provider.
#[derive(Debug, Clone)]
pub struct Client {
    http: reqwest::Client,
    limits: Limits,
    explain: fn(&[u8]) -> Reason,
}

impl Client {
    /// A client of a provider whose refusals `explain` reads.
    ///
    /// # Errors
    ///
    /// TLS cannot be used here: no certificates, for instance.
    pub fn new(limits: Limits, explain: fn(&[u8]) -> Reason) -> Result<Self, Error> {
        // fails where somebody else has chosen before, which is as well
        let _ = ring::default_provider().install_default();
        let http = reqwest::Client::builder()
            .user_agent(USER_AGENT)
            .connect_timeout(limits.connect)
            .read_timeout(limits.read)
            .http1_only()
            // our secret goes where we send it, and nowhere else
            .redirect(reqwest::redirect::Policy::none())
            .no_proxy()
            // whether a call is sent again is decided here
            .retry(reqwest::retry::never())
            .build()
            .map_err(Error::sending)?;
        Ok(Self { http, limits, explain })
    }

    /// A request to be given to [`Self::send`].
    pub fn request(&self, method: Method, url: Url) -> RequestBuilder {
        self.http.request(method, url)
    }

    /// Sends a request, at most three times if that may be, and reads the answer to it as JSON.
    ///
    /// # Errors
    ///
    /// That of the last try; but if an earlier one may have taken effect, and the last was not even looked at,
    /// that of the earlier one.
    pub async fn send<T: DeserializeOwned>(
        &self,
        request: RequestBuilder,
        repeat: Repeat,
        deadline: Instant,
    ) -> Result<T, Error> {
        let request = request.build().map_err(Error::sending)?;
        let body = self.persist(&request, repeat, deadline).await?;
        serde_json::from_slice(&body).map_err(|_| Error::Malformed)
    }

    async fn persist(
        &self,
        request: &Request,
        repeat: Repeat,
        deadline: Instant,
    ) -> Result<Vec<u8>, Error> {
        let mut doubt = None;
        let mut tries = 1;
        loop {
            let error = match self.attempt(request, repeat, deadline).await {
                Ok(body) => return Ok(body),
                Err(error) => error,
            };
            let wait = error.retry_after().unwrap_or_else(|| self.limits.wait(tries));
            let left = deadline.saturating_duration_since(Instant::now());
            if repeat == Repeat::Never || tries == TRIES || !error.is_passing() || wait >= left {
                return Err(in_doubt(doubt, error));
            }
            if repeat == Repeat::Keyed && error.is_unknown() {
                doubt = Some(error);
            }
            sleep(wait).await;
            tries += 1;
        }
    }

    async fn attempt(
        &self,
        request: &Request,
        repeat: Repeat,
        deadline: Instant,
    ) -> Result<Vec<u8>, Error> {
        if deadline <= Instant::now() {
            return Err(Error::Unreachable("the deadline has passed".into()));
        }
        let unsendable = || Error::Unreachable("the request can be sent only once".into());
        let request = request.try_clone().ok_or_else(unsendable)?;
        timeout_at(deadline, self.exchange(request, repeat))
            .await
            .unwrap_or_else(|late| Err(Error::Unanswered(late.into())))
    }

    async fn exchange(&self, request: Request, repeat: Repeat) -> Result<Vec<u8>, Error> {
        let response = self.http.execute(request).await.map_err(Error::sending)?;
        let retry_after = retry_after(response.headers(), SystemTime::now());
        match response.status().as_u16() {
            200..=299 => read(response).await,
            401 | 403 => Err(Error::Authentication),
            408 => Err(Error::Unanswered("the provider has not got all of the request".into())),
            409 if repeat == Repeat::Keyed => {
                Err(Error::Unanswered("another call with the same key is under way".into()))
            }
            429 => Err(Error::RateLimited { retry_after }),
            400..=499 => Err(self.refused(response).await),
            status @ 500..=599 => Err(Error::Server { status, retry_after }),
            // a redirect, above all
            _ => Err(Error::Malformed),
        }
    }

    /// The status decides; the reason is told as far as it can be read.
    async fn refused(&self, response: Response) -> Error {
        let status = response.status().as_u16();
        let Reason { code, description } =
            (self.explain)(&read(response).await.unwrap_or_default());
        Error::Refused { status, code, description }
    }
}

/// What an earlier try may have done is not undone by a later one that was not let in.
fn in_doubt(doubt: Option<Error>, error: Error) -> Error {
    match error {
        Error::Refused { .. } => error,
        error => doubt.unwrap_or(error),
    }
}

async fn read(mut response: Response) -> Result<Vec<u8>, Error> {
    let mut body = Vec::new();
    let lost = |error: reqwest::Error| Error::Unanswered(error.without_url().into());
    while let Some(piece) = response.chunk().await.map_err(lost)? {
        if body.len() + piece.len() > MAX_BODY {
            return Err(Error::TooLarge);
        }
        body.extend_from_slice(&piece);
    }
    Ok(body)
}

/// The wait that an answer asks for: in seconds, or until a time.
fn retry_after(headers: &HeaderMap, now: SystemTime) -> Option<Duration> {
    let value = headers.get(RETRY_AFTER)?.to_str().ok()?.trim();
    if let Ok(seconds) = value.parse() {
        return Some(Duration::from_secs(seconds));
    }
    let until = OffsetDateTime::parse(value, &Rfc2822).ok()?;
    // what has passed already need not be waited for
    Some((until - OffsetDateTime::from(now)).try_into().unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// 1994-11-06 08:49:00 UTC
    const NOW: Duration = Duration::from_secs(784_111_740);

    fn asked(value: &str) -> Option<Duration> {
        let headers = [(RETRY_AFTER, value.parse().unwrap())].into_iter().collect();
        retry_after(&headers, SystemTime::UNIX_EPOCH + NOW)
    }

    #[test]
    fn a_provider_asks_for_patience_in_seconds_or_until_a_time() {
        assert_eq!(asked("120"), Some(Duration::from_secs(120)));
        assert_eq!(asked("Sun, 06 Nov 1994 08:49:37 GMT"), Some(Duration::from_secs(37)));
        assert_eq!(asked("Sun, 06 Nov 1994 08:48:37 GMT"), Some(Duration::ZERO));
        assert_eq!(asked("soon"), None);
        assert_eq!(asked("-1"), None);
    }

    #[test]
    fn waits_grow_up_to_a_limit() {
        let limits = Limits::default();
        for (tries, limit) in [(1, 1), (2, 2), (3, 4), (4, 8), (5, 10), (6, 10)] {
            let waits: Vec<_> = (0..1000).map(|_| limits.wait(tries)).collect();
            let limit = Duration::from_secs(limit);
            assert!(waits.iter().all(|wait| *wait <= limit));
            assert!(waits.iter().any(|wait| *wait > limit / 2));
            assert!(waits.iter().any(|wait| *wait < limit / 2));
        }
    }
}
