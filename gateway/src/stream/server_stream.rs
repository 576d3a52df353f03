//! One message in, a stream of them out.

use std::sync::Arc;

use axum::body::Body;
use bytes::Bytes;
use http::header::CONTENT_TYPE;
use http::{HeaderName, HeaderValue, Response};
use souk_kit::listener::Pace;
use tokio::time::{Instant, timeout};
use tracing::{Instrument as _, Span};

use super::event::Event;
use super::form::Form;
use super::frames::Frames;
use super::opening::Opening;
use super::pump::Pump;
use super::source::Source;
use super::term::Term;
use super::{Streams, download};
use crate::admission::Gate;
use crate::admission::places::Place;
use crate::call::{self, Asked};
use crate::errors::problem::Problem;
use crate::options;
use crate::response::answer::Answer;
use crate::routing::Route;
use crate::upstream::pipe::pipe;

/// Keeps a proxy of nginx's kind from collecting events before it passes them on.
const X_ACCEL_BUFFERING: HeaderName = HeaderName::from_static("x-accel-buffering");

impl Streams {
    /// The way is that of other calls; but it goes on when the answer has begun, and the place is kept
    /// for so long.
    pub(super) async fn server_stream<B: http_body::Body<Data = Bytes> + Unpin>(
        &self,
        gate: &Gate,
        route: &Arc<Route>,
        asked: Asked<'_>,
        body: &mut B,
    ) -> Result<Response<Answer>, Problem> {
        let (target, client) = (&route.target, asked.client);
        let form = (!route.gives_bytes)
            .then(|| Form::of(client.headers, route.has_websocket))
            .transpose()?;
        if form.is_none() {
            download::check_version(route, asked.version)?;
        }
        let admitted = gate.admit(target, client).await?;
        let body = call::read(gate, route, client, body).await?;
        let options::Streams { limit, patience, rest_limit, .. } = self.options;
        let (place, pace) = match form {
            // it is told first, and may take what is left
            Some(_) => (gate.place(client)?, Pace::of(patience + rest_limit)),
            None => gate.download(client, patience)?,
        };
        let (wire, selection) = call::message(&self.plans, route, &asked, &body)?;

        let until = Instant::now() + limit;
        let context = client.context.until(until.into_std());
        let quota = place.quota.clone();
        let opening = Opening { plans: &self.plans, route, client, context, quota };
        let mut response = match form {
            Some(form) => {
                let source = opening.open(wire, selection).await?;
                let term = Term::new(until, admitted.principal.as_deref(), self.ending.clone());
                let events = self.events(source, form, term, place).await?;
                let mut response = Response::new(Answer::from(events));
                response.headers_mut().extend(route.headers.iter().cloned());
                response.headers_mut().insert(CONTENT_TYPE, form.content_type());
                response
            }
            None => self.download(&opening, asked.method, wire, until, place).await?,
        };
        response.headers_mut().insert(X_ACCEL_BUFFERING, HeaderValue::from_static("no"));
        response.extensions_mut().insert(pace);
        Ok(response)
    }

    /// Waits until the service begins to speak; what it says from then on.
    async fn events(
        &self,
        mut source: Source,
        form: Form,
        term: Term,
        place: Place,
    ) -> Result<Body, Problem> {
        let first = self.first(&mut source).await?;
        let options::Streams { heartbeat, patience, rest_limit, .. } = self.options;
        let (writer, events) = pipe();
        let request_id = source.request_id().clone();
        let pump = Pump { source, term, heartbeat, patience };
        // ends when its answer is dropped
        tokio::spawn(pump.run(first, writer).instrument(Span::current()));
        Ok(Frames { events, form, request_id, rest_limit, _place: place }.into_body())
    }

    /// What the service says first; `None` when it says nothing for a while.
    pub(super) async fn first(&self, source: &mut Source) -> Result<Option<Event>, Problem> {
        match timeout(self.options.first, source.next()).await {
            Ok(Event::Error(problem)) => Err(*problem),
            first => Ok(first.ok()),
        }
    }
}
