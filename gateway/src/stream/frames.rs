//! The events of a stream as the body of an answer over HTTP.

use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use bytes::Bytes;
use futures::stream;

use super::event::Event;
use super::form::Form;
use crate::admission::places::Place;
use crate::upstream::pipe::{BrokenOff, Reader};

/// How much of an event is given at once, in bytes: between two pieces it can still be cut.
const PIECE: usize = 64 * 1024;

/// The events of a stream, and how they are told.
pub(super) struct Frames {
    pub events: Reader<Event>,
    pub form: Form,
    pub request_id: Arc<str>,
    /// How long a client may take for what is left when the end is known.
    pub rest_limit: Duration,
    /// Given back when the client has taken all, or takes no more.
    pub _place: Place,
}

impl Frames {
    /// The body of the answer.
    pub(super) fn into_body(self) -> Body {
        Body::from_stream(stream::unfold((self, Bytes::new()), |(mut frames, mut rest)| async {
            let piece = frames.next(&mut rest).await?;
            Some((piece, (frames, rest)))
        }))
    }

    /// The next piece. `rest` is what is left of an event.
    async fn next(&mut self, rest: &mut Bytes) -> Option<Result<Bytes, BrokenOff>> {
        if rest.is_empty() {
            match self.events.next().await? {
                Ok(event) => *rest = self.form.frame(event, &self.request_id),
                Err(broken) => return Some(Err(broken)),
            }
        }
        if self.events.ended().is_some_and(|since| since > self.rest_limit) {
            tracing::warn!("a client that takes the rest of its stream too slowly is cut off");
            return Some(Err(BrokenOff));
        }
        Some(Ok(rest.split_to(rest.len().min(PIECE))))
    }
}
