//! The messages of a service as the events of a stream.

use std::sync::Arc;

use bytes::Bytes;
use futures::future::BoxFuture;
use souk_kit::body::Room;
use souk_kit::request::Context;
use tonic::{Status, Streaming};

use super::event::{Ending, Event};
use super::text::Text;
use crate::admission::places::{Quota, held, no_room};
use crate::errors::problem::Problem;
use crate::reply;
use crate::routing::Route;
use crate::transcode::{HttpBody, Plans, Selection, WireError};

/// What a service answers.
pub(super) enum Answers {
    /// It may hear more before it begins.
    Awaited(BoxFuture<'static, Result<Streaming<Bytes>, Status>>),
    Begun(Box<Streaming<Bytes>>),
}

/// A service that answers with a stream.
pub(super) struct Source {
    answers: Answers,
    plans: Arc<Plans>,
    route: Arc<Route>,
    selection: Option<Selection>,
    context: Context,
    quota: Quota,
    /// Room for the largest message so far: the buffer that it came in is used for the next.
    room: Room,
}

impl Answers {
    /// The next message; `None` is the end. Nothing is lost when this is dropped before it is done.
    async fn next(&mut self) -> Result<Option<Bytes>, Status> {
        if let Self::Awaited(answers) = self {
            *self = Self::Begun(Box::new(answers.await?));
        }
        match self {
            Self::Begun(messages) => messages.message().await,
            Self::Awaited(_) => Ok(None),
        }
    }
}

impl Source {
    pub(super) fn new(
        answers: Answers,
        plans: Arc<Plans>,
        route: Arc<Route>,
        selection: Option<Selection>,
        context: Context,
        quota: Quota,
    ) -> Self {
        let room = quota.room();
        Self { answers, plans, route, selection, context, quota, room }
    }

    /// What the service says next. Nothing is lost when this is dropped before it is done.
    pub(super) async fn next(&mut self) -> Event {
        let event = match self.wire().await {
            Ok(Some(wire)) => self.message(wire),
            Ok(None) => Ok(Event::End(Ending::Complete)),
            Err(problem) => Err(problem),
        };
        event.unwrap_or_else(|problem| Event::Error(Box::new(problem)))
    }

    /// The next bytes of a service that answers with those; `None` when there are no more.
    pub(super) async fn bytes(&mut self) -> Result<Option<HttpBody>, Problem> {
        let wire = self.wire().await?;
        wire.map(|wire| self.body(&wire)).transpose()
    }

    /// The bytes that a message has.
    pub(super) fn body(&self, wire: &Bytes) -> Result<HttpBody, Problem> {
        let body = reply::bytes(&self.plans, &self.route, wire);
        let mut body = body.map_err(|error| self.internal(&error))?;
        let room = self.quota.take(body.data.len())?;
        body.data = held(body.data, room);
        Ok(body)
    }

    /// The next message as it is.
    pub(super) async fn wire(&mut self) -> Result<Option<Bytes>, Problem> {
        let next = self.answers.next().await;
        let wire = next.map_err(|status| self.route.target.problem(&status, &self.context))?;
        let size = wire.as_ref().map_or(0, Bytes::len);
        match self.room.grow(size.saturating_sub(self.room.bytes())) {
            true => Ok(wire),
            false => Err(no_room()),
        }
    }

    fn message(&self, wire: Bytes) -> Result<Event, Problem> {
        let id = self.route.event_id.as_ref().and_then(|field| field.read(&wire));
        let json = reply::json(&self.plans, &self.route, self.selection.as_ref(), &wire);
        let mut json = json.map_err(|error| self.internal(&error))?;
        drop(wire);
        json.shrink_to_fit();
        let room = self.quota.take(json.len())?;
        Ok(Event::Message { id, json: Text::in_room(json, room) })
    }

    fn internal(&self, error: &WireError) -> Problem {
        Problem::internal(&self.context, &format!("{}: {error}", self.route.target.path))
    }

    pub(super) fn request_id(&self) -> &Arc<str> {
        &self.context.request_id
    }
}
