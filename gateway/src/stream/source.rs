//! The messages of a service as the events of a stream.

use std::sync::Arc;

use bytes::Bytes;
use futures::future::BoxFuture;
use souk_kit::request::Context;
use tonic::{Status, Streaming};

use super::event::{Ending, Event};
use crate::problem::Problem;
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
    ) -> Self {
        Self { answers, plans, route, selection, context }
    }

    /// What the service says next. Nothing is lost when this is dropped before it is done.
    pub(super) async fn next(&mut self) -> Event {
        match self.answers.next().await {
            Ok(Some(wire)) => {
                let message = self.message(&wire);
                message.unwrap_or_else(|error| Event::Error(Box::new(self.internal(&error))))
            }
            Ok(None) => Event::End(Ending::Complete),
            Err(status) => {
                Event::Error(Box::new(self.route.target.problem(&status, &self.context)))
            }
        }
    }

    /// The next bytes of a service that answers with those; `None` when there are no more.
    pub(super) async fn bytes(&mut self) -> Result<Option<HttpBody>, Problem> {
        let failed = |status: Status| self.route.target.problem(&status, &self.context);
        let Some(wire) = self.answers.next().await.map_err(failed)? else { return Ok(None) };
        let body = reply::bytes(&self.plans, &self.route, &wire);
        body.map(Some).map_err(|error| self.internal(&error))
    }

    fn message(&self, wire: &[u8]) -> Result<Event, WireError> {
        let id = self.route.event_id.as_ref().and_then(|field| field.read(wire));
        let json = reply::json(&self.plans, &self.route, self.selection.as_ref(), wire)?;
        Ok(Event::Message { id, json })
    }

    fn internal(&self, error: &WireError) -> Problem {
        Problem::internal(&self.context, &format!("{}: {error}", self.route.target.path))
    }

    pub(super) fn request_id(&self) -> &Arc<str> {
        &self.context.request_id
    }
}
