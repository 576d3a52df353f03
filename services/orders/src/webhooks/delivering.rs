//! Carrying deliveries: made of events, claimed, sent, and what comes of it written down.

use std::time::Duration;

use bytes::Bytes;
use souk_db::Access;
use souk_kit::clock;
use souk_kit::failure::chain;
use souk_kit::server::DRAIN_LIMIT;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{Instant, sleep, timeout};
use tokio_util::sync::CancellationToken;

use super::delivery::{Claimed, TEST, Verdict, tell};
use super::endpoint::Disabled;
use super::sending::{Kind, Message, Outcome};
use super::{Webhooks, address, body, signature};
use crate::Error;
use crate::store::webhooks::{self as store, Room};

/// How often events and deliveries that are due are looked for.
const INTERVAL: Duration = Duration::from_millis(200);
/// How long an attempt may take: what the sender allows.
const ATTEMPT: Duration = Duration::from_secs(15);
/// How long a claim lasts: an attempt, and time to write what came of it.
const LEASE: Duration = Duration::from_secs(30);
/// How long a statement may take.
const STATEMENT: Duration = Duration::from_secs(8);
/// How many webhooks are on their way at once to an endpoint that has shown that it is well; one to any other.
const SHARE: i64 = 4;
/// How many events become deliveries in one statement.
const EVENTS: i32 = 500;

impl Webhooks {
    /// Carries deliveries until `shutdown`; then lets what is under way finish.
    pub async fn run(&self, shutdown: CancellationToken) {
        while !shutdown.is_cancelled() {
            match self.turn().await {
                // there may be more
                Ok(true) => continue,
                Ok(false) => {}
                Err(error) => {
                    tracing::warn!(error = chain(&error), "cannot look for webhooks that are due");
                    sleep(INTERVAL).await;
                }
            }
            tokio::select! {
                () = shutdown.cancelled() => {}
                () = self.inner.wake.notified() => {}
                () = sleep(INTERVAL) => {}
            }
        }
        self.inner.tasks.close();
        // what does not finish is sent again by whoever comes next
        let _ = timeout(DRAIN_LIMIT, self.inner.tasks.wait()).await;
    }

    /// One look; whether there may be more events.
    async fn turn(&self) -> Result<bool, Error> {
        let access = self.access();
        let passed = store::fan_out(&access, EVENTS).await?;
        let room = Room {
            all: free(&self.inner.room),
            rest: free(&self.inner.room_for_the_rest),
            each: SHARE,
        };
        if room.all > 0 {
            for claimed in store::claim(&access, room, LEASE).await? {
                self.begin(claimed);
            }
        }
        Ok(passed >= i64::from(EVENTS))
    }

    /// Carries a delivery apart from all others.
    fn begin(&self, claimed: Claimed) {
        let place = |room: &std::sync::Arc<Semaphore>| -> Option<OwnedSemaphorePermit> {
            // nobody else takes places: there are as many as were claimed for
            room.clone().try_acquire_owned().ok()
        };
        let rest = (!claimed.is_well).then(|| place(&self.inner.room_for_the_rest));
        let places = (place(&self.inner.room), rest);
        let webhooks = self.clone();
        self.inner.tasks.spawn(async move {
            if let Err(error) = webhooks.carry(&claimed).await {
                // its claim ends by itself
                let (error, delivery) = (chain(&error), claimed.id);
                tracing::warn!(error, %delivery, "cannot write what became of a webhook");
            }
            drop(places);
            webhooks.wake();
        });
    }

    async fn carry(&self, claimed: &Claimed) -> Result<(), Error> {
        let outcome = self.attempt(claimed).await;
        let jitter = getrandom::u32().map_or(0.5, |bits| f64::from(bits) / f64::from(u32::MAX));
        let is_test = claimed.event.name == TEST;
        let verdict = Verdict::of(&outcome, claimed.failures, is_test, jitter);
        let told = tell(outcome.kind);
        let (endpoint, delivery, event) = (claimed.endpoint, claimed.id, &claimed.event.name);
        tracing::info!(%endpoint, %delivery, event, outcome = told, "webhook sent");
        let stopped = store::note(&self.access(), claimed, &outcome, &told, verdict).await?;
        if stopped {
            let reason = verdict.disables.map(Disabled::as_str).unwrap_or_default();
            tracing::warn!(%endpoint, reason, "webhook.disabled: the endpoint gets no more webhooks");
        }
        Ok(())
    }

    async fn attempt(&self, claimed: &Claimed) -> Outcome {
        let failed = |kind| Outcome {
            status: None,
            kind,
            retry_after: None,
            excerpt: String::new(),
            took: Duration::ZERO,
        };
        let destination = match address::parse(&claimed.url, self.inner.policy) {
            Ok(destination) => destination,
            // it was allowed once
            Err(refused) => return failed(Kind::Refused(refused)),
        };
        let (secrets, body) = match self.message(claimed) {
            Ok(message) => message,
            Err(error) => {
                let (error, delivery) = (chain(&error), claimed.id);
                tracing::error!(error, %delivery, "a webhook cannot be made");
                return failed(Kind::Unreachable);
            }
        };
        let id = claimed.event.id.to_string();
        let timestamp = clock::now().unix_timestamp();
        let signature = signature::sign(&id, timestamp, &body, &secrets);
        let message = Message { id: &id, timestamp, signature: &signature, body };
        self.inner.sender.send(&destination, message, Instant::now() + ATTEMPT).await
    }

    /// The secrets that sign, and the body.
    fn message(&self, claimed: &Claimed) -> Result<(Vec<signature::Secret>, Bytes), Error> {
        let secret = |sealed: &Vec<u8>| self.secret(claimed.endpoint, sealed);
        let (newest, earlier) = claimed.secrets.split_first().ok_or(Error::WebhookSecret)?;
        let mut secrets = vec![secret(newest)?];
        // who has rotated because the earlier one cannot be opened any more shall be helped by that
        secrets.extend(earlier.iter().filter_map(|sealed| secret(sealed).ok()));
        Ok((secrets, body::of(&claimed.event, claimed.endpoint)?))
    }

    fn access(&self) -> Access {
        self.inner.database.within(STATEMENT)
    }
}

fn free(room: &Semaphore) -> i64 {
    i64::try_from(room.available_permits()).unwrap_or(i64::MAX)
}
