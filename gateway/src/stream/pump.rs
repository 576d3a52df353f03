//! Carries what a service says to the client of a stream: no faster than the client takes it, and no
//! longer than the stream may last.

use std::pin::pin;
use std::time::Duration;

use souk_proto::souk::types::v1::Reason;
use tokio::time::{sleep, timeout};

use super::event::Event;
use super::source::Source;
use super::term::Term;
use crate::errors::problem::Problem;
use crate::upstream::pipe::{Gone, Writer};

/// A stream that is under way.
pub(super) struct Pump {
    pub source: Source,
    pub term: Term,
    /// How long nothing is said before a heartbeat is.
    pub heartbeat: Duration,
    /// How long a client may take for one event.
    pub patience: Duration,
}

impl Pump {
    /// Carries everything, to its end.
    pub(super) async fn run(mut self, first: Option<Event>, events: Writer<Event>) {
        if let Ok(last) = self.carry(first, &events).await {
            events.finish(Some(last));
        }
    }

    /// The last event, when all others have been sent.
    async fn carry(&mut self, first: Option<Event>, events: &Writer<Event>) -> Result<Event, Gone> {
        let Self { source, term, heartbeat, patience, .. } = self;
        let mut over = pin!(term.over());
        let mut next = first;
        loop {
            let event = match next.take() {
                Some(event) => event,
                None => tokio::select! {
                    biased;
                    last = &mut over => last,
                    () = events.closed() => return Err(Gone),
                    event = source.next() => event,
                    () = sleep(*heartbeat) => Event::Heartbeat,
                },
            };
            if event.is_last() {
                return Ok(event);
            }
            tokio::select! {
                biased;
                last = &mut over => return Ok(last),
                sent = timeout(*patience, events.send(event)) => match sent {
                    Ok(sent) => sent?,
                    Err(_) => return Ok(too_slow()),
                },
            }
        }
    }
}

/// The last event for a client that is too slow.
pub(super) fn too_slow() -> Event {
    tracing::warn!("a client that takes its stream too slowly is cut off");
    let message = "the events of the stream are not taken in time, and no more can wait";
    Event::Error(Box::new(Problem::new(Reason::Overloaded, message)))
}
