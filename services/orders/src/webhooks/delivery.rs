//! Deliveries: an event on its way to an endpoint, and what becomes of an attempt.

use std::time::Duration;

use souk_kit::id::{EventId, OrderId, WebhookDeliveryId, WebhookEndpointId};
use souk_kit::page::Row;
use time::OffsetDateTime;
use uuid::Uuid;

use super::endpoint::Disabled;
use super::schedule;
use super::sending::{Kind, Outcome};

/// The type of the events that owners ask for.
pub const TEST: &str = "webhook.test";
/// An attempt that takes longer has its endpoint wait among those that are not well.
const SOON: Duration = Duration::from_secs(2);

/// An event on its way to an endpoint, or there.
#[derive(Debug, Clone)]
pub struct Delivery {
    pub id: WebhookDeliveryId,
    pub endpoint: WebhookEndpointId,
    pub event: EventId,
    pub event_type: String,
    /// The order, and which change of it; a test has neither.
    pub order: Option<OrderId>,
    pub sequence: Option<i32>,
    pub state: State,
    pub attempts: i32,
    /// The last attempt.
    pub attempted_at: Option<OffsetDateTime>,
    pub outcome: String,
    pub status: Option<i32>,
    pub excerpt: String,
    pub took_ms: i32,
    /// When it is tried again.
    pub due_at: Option<OffsetDateTime>,
    pub delivered_at: Option<OffsetDateTime>,
    pub created_at: OffsetDateTime,
}

/// Where a delivery stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    Pending,
    Delivered,
    Failed,
    Cancelled,
    /// A later release knows.
    Later,
}

impl State {
    pub const ALL: [Self; 4] = [Self::Pending, Self::Delivered, Self::Failed, Self::Cancelled];

    pub fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Delivered => "delivered",
            Self::Failed => "failed",
            Self::Cancelled => "cancelled",
            Self::Later => "later",
        }
    }

    pub fn from_word(word: &str) -> Self {
        Self::ALL.into_iter().find(|state| state.as_str() == word).unwrap_or(Self::Later)
    }
}

impl Row for Delivery {
    fn key(&self) -> Uuid {
        self.id.uuid()
    }

    fn bytes(&self) -> usize {
        // the excerpt may be all quotation marks
        800 + 2 * self.excerpt.len()
    }
}

/// Which deliveries a list has.
#[derive(Debug, Clone, Copy)]
pub struct Log {
    pub endpoint: WebhookEndpointId,
    pub state: Option<State>,
}

impl Log {
    /// The name of the list, to which cursors belong.
    pub fn name(&self) -> String {
        let state = self.state.map_or("any state", State::as_str);
        format!("deliveries to {} in {state}", self.endpoint.uuid())
    }
}

/// A delivery that is claimed, with all that it takes to send it.
#[derive(Debug)]
pub struct Claimed {
    pub id: WebhookDeliveryId,
    pub endpoint: WebhookEndpointId,
    /// What is written must be written under this.
    pub epoch: i64,
    /// How often it was tried in vain since it was due first.
    pub failures: i32,
    pub event: Event,
    pub url: String,
    /// Encrypted, the newest first.
    pub secrets: Vec<Vec<u8>>,
    /// Whether the last one has arrived there, and soon, if there was one.
    pub is_well: bool,
}

/// What is told.
#[derive(Debug)]
pub struct Event {
    pub id: EventId,
    pub name: String,
    /// The event of the contract, as the outbox has it; a test has none.
    pub payload: Option<Vec<u8>>,
    pub occurred_at: OffsetDateTime,
}

/// What comes of an attempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Verdict {
    pub state: State,
    /// When it is tried again.
    pub again: Option<Duration>,
    /// Why the endpoint is to be disabled: for this one at once, for [`Disabled::Failing`] if nothing else has arrived
    /// there meanwhile.
    pub disables: Option<Disabled>,
    /// Whether the endpoint is well.
    pub is_well: bool,
}

impl Verdict {
    /// What an attempt means that followed so many in vain. `jitter` is a random number in `[0, 1)`. Of a test there is
    /// one attempt.
    pub fn of(outcome: &Outcome, failures: i32, is_test: bool, jitter: f64) -> Self {
        let failed = Self { state: State::Failed, again: None, disables: None, is_well: false };
        let attempt = u32::try_from(failures).unwrap_or_default() + 1;
        match outcome.kind {
            Kind::Delivered => {
                let is_well = outcome.took <= SOON;
                Self { state: State::Delivered, is_well, ..failed }
            }
            Kind::Gone => Self { disables: Some(Disabled::Gone), ..failed },
            _ if is_test => failed,
            _ => match schedule::next(attempt, jitter, outcome.retry_after) {
                None => Self { disables: Some(Disabled::Failing), ..failed },
                again => Self { state: State::Pending, again, ..failed },
            },
        }
    }
}

/// What became of an attempt, for people.
pub fn tell(kind: Kind) -> String {
    match kind {
        Kind::Delivered => "delivered".to_owned(),
        Kind::Gone => "the receiver has answered that it is gone".to_owned(),
        Kind::Redirected => {
            "the receiver has answered with a redirect, which is not followed".to_owned()
        }
        Kind::Rejected(status) => format!("the receiver has answered {status}"),
        Kind::TimedOut => "the receiver did not answer in time".to_owned(),
        Kind::Unreachable => "the receiver cannot be reached".to_owned(),
        Kind::Refused(refused) => format!("nothing is sent there: {refused}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn outcome(kind: Kind, took: Duration) -> Outcome {
        Outcome { status: None, kind, retry_after: None, excerpt: String::new(), took }
    }

    fn verdict(kind: Kind, failures: i32, is_test: bool) -> Verdict {
        Verdict::of(&outcome(kind, Duration::ZERO), failures, is_test, 0.5)
    }

    #[test]
    fn what_fails_is_tried_sixteen_times_and_then_given_up() {
        for failures in 0..15 {
            let verdict = verdict(Kind::TimedOut, failures, false);
            assert_eq!((verdict.state, verdict.disables), (State::Pending, None));
            assert!(verdict.again.is_some());
        }
        let last = verdict(Kind::TimedOut, 15, false);
        assert_eq!((last.state, last.again), (State::Failed, None));
        assert_eq!(last.disables, Some(Disabled::Failing));
    }

    #[test]
    fn a_test_is_tried_once_and_disables_nothing_that_is_not_gone() {
        let test = verdict(Kind::Rejected(500), 0, true);
        assert_eq!((test.state, test.disables), (State::Failed, None));
        assert_eq!(verdict(Kind::Gone, 0, true).disables, Some(Disabled::Gone));
    }

    #[test]
    fn who_takes_its_time_is_not_well_though_it_has_it() {
        let slow = Verdict::of(&outcome(Kind::Delivered, Duration::from_secs(3)), 0, false, 0.5);
        assert_eq!((slow.state, slow.is_well), (State::Delivered, false));
        assert!(verdict(Kind::Delivered, 7, false).is_well);
    }

    #[test]
    fn words_read_back() {
        for state in State::ALL {
            assert_eq!(State::from_word(state.as_str()), state);
        }
        assert_eq!(State::from_word("on hold"), State::Later);
        for disabled in [Disabled::Failing, Disabled::Gone] {
            assert_eq!(Disabled::from_word(disabled.as_str()), disabled);
        }
    }
}
