//! When a stream ends, whatever its service has still to say.

use std::time::SystemTime;

use souk_kit::auth::Principal;
use souk_proto::souk::types::v1::Reason;
use tokio::time::{Instant, sleep_until};
use tokio_util::sync::CancellationToken;

use super::event::{Ending, Event};
use crate::errors::problem::Problem;

/// How long a stream may last.
#[derive(Clone)]
pub(crate) struct Term {
    /// No stream lasts longer.
    until: Instant,
    /// The token of its client ends then.
    expires: Option<Instant>,
    /// The process ends.
    shutdown: CancellationToken,
}

impl Term {
    pub(crate) fn new(
        until: Instant,
        principal: Option<&Principal>,
        shutdown: CancellationToken,
    ) -> Self {
        let expires = principal.map(|principal| {
            let left = principal.expires_at.duration_since(SystemTime::now());
            Instant::now() + left.unwrap_or_default()
        });
        // a token that lasts longer than the stream does not matter
        Self { until, expires: expires.filter(|expires| *expires < until), shutdown }
    }

    /// Waits for the end of the term; the last event of the stream.
    pub(super) async fn over(&self) -> Event {
        tokio::select! {
            () = self.shutdown.cancelled() => Event::End(Ending::Shutdown),
            () = sleep_until(self.expires.unwrap_or(self.until)) => match self.expires {
                None => Event::End(Ending::MaxDuration),
                Some(_) => {
                    let message = "the access token has expired";
                    Event::Error(Box::new(Problem::new(Reason::TokenExpired, message)))
                }
            },
        }
    }
}
