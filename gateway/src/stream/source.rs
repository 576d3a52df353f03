//! The messages of a service as the events of a stream.

use std::sync::Arc;

use bytes::Bytes;
use souk_kit::request::Context;
use tonic::Streaming;

use super::event::{Ending, Event};
use crate::problem::Problem;
use crate::reply;
use crate::routing::Route;
use crate::transcode::{Plans, Selection, WireError};

/// A service that answers with a stream.
pub(crate) struct Source {
    messages: Streaming<Bytes>,
    plans: Arc<Plans>,
    route: Arc<Route>,
    selection: Option<Selection>,
    context: Context,
    /// How many messages there were.
    count: u64,
}

impl Source {
    pub(crate) fn new(
        messages: Streaming<Bytes>,
        plans: Arc<Plans>,
        route: Arc<Route>,
        selection: Option<Selection>,
        context: Context,
    ) -> Self {
        Self { messages, plans, route, selection, context, count: 0 }
    }

    /// What the service says next. Nothing is lost when this is dropped before it is done.
    pub(super) async fn next(&mut self) -> Event {
        match self.messages.message().await {
            Ok(Some(wire)) => self.message(&wire).unwrap_or_else(|error| {
                let error = format!("{}: {error}", self.route.target.path);
                Event::Error(Box::new(Problem::internal(&self.context, &error)))
            }),
            Ok(None) => Event::End(Ending::Complete),
            Err(status) => {
                Event::Error(Box::new(self.route.target.problem(&status, &self.context)))
            }
        }
    }

    fn message(&mut self, wire: &[u8]) -> Result<Event, WireError> {
        self.count += 1;
        let id = match &self.route.event_id {
            Some(field) => field.read(wire),
            None => self.count.to_string(),
        };
        let json = reply::json(&self.plans, &self.route, self.selection.as_ref(), wire)?;
        Ok(Event::Message { id, json })
    }

    pub(super) fn request_id(&self) -> &Arc<str> {
        &self.context.request_id
    }
}
