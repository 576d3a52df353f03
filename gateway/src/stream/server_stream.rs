//! One message in, a stream of them out.

use std::sync::Arc;

use axum::body::Body;
use bytes::Bytes;
use http::header::CONTENT_TYPE;
use http::{HeaderName, HeaderValue, Response, Version};
use souk_proto::souk::types::v1::Reason;
use tokio::time::{Instant, timeout};
use tracing::{Instrument as _, Span};

use super::download::Download;
use super::event::Event;
use super::form::Form;
use super::frames::Frames;
use super::pump::Pump;
use super::source::{Answers, Source};
use super::term::Term;
use super::{Streams, resume};
use crate::admission::places::Place;
use crate::admission::{Client, Gate};
use crate::call::{self, Asked};
use crate::errors::problem::Problem;
use crate::response::answer::Answer;
use crate::routing::Route;
use crate::upstream::pipe::pipe;
use crate::{options, reply};

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
        if route.gives_bytes && asked.version < Version::HTTP_11 {
            let message = "the answer comes in pieces: ask for it over HTTP/1.1 or newer, where a \
                           client can tell whether it is whole";
            return Err(Problem::new(Reason::MalformedRequest, message));
        }
        let form = (!route.gives_bytes)
            .then(|| Form::of(client.headers, route.has_websocket))
            .transpose()?;
        let admitted = gate.admit(target, client).await?;
        let body = call::read(gate, route, client, body).await?;
        let place = gate.place(client)?;
        let (wire, selection) = call::message(&self.plans, route, &asked, &body)?;

        let until = Instant::now() + self.options.limit;
        let context = client.context.until(until.into_std());
        let mut outgoing = Client { context: &context, ..client }.outgoing(wire);
        resume(route, client, outgoing.metadata_mut());
        let answer = target.call_for_stream(outgoing).await;
        client.forwarding.take(&answer);
        let answer = answer.map_err(|status| target.problem(&status, client.context))?;
        let plans = self.plans.clone();
        let answers = Answers::Begun(Box::new(answer.into_inner()));
        let source =
            Source::new(answers, plans, route.clone(), selection, context, place.quota.clone());
        let (media_type, pieces) = match form {
            Some(form) => {
                let term = Term::new(until, admitted.principal.as_deref(), self.ending.clone());
                (form.content_type(), self.events(source, form, term, place).await?)
            }
            None => self.bytes(source, until, place).await?,
        };
        let mut response = Response::new(Answer::from(pieces));
        let headers = response.headers_mut();
        headers.extend(route.headers.iter().cloned());
        headers.insert(CONTENT_TYPE, media_type);
        headers.insert(X_ACCEL_BUFFERING, HeaderValue::from_static("no"));
        Ok(response)
    }

    /// Waits for the first bytes, which say what they are; all of them.
    async fn bytes(
        &self,
        mut source: Source,
        until: Instant,
        place: Place,
    ) -> Result<(HeaderValue, Body), Problem> {
        let first = source.bytes().await?.unwrap_or_default();
        let media_type = reply::media_type(&first);
        let patience = self.options.patience;
        let download = Download { source, first: first.data, until, patience, place };
        Ok((media_type, download.into_body()))
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
