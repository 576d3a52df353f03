//! Streams of answers over HTTP.
//!
//! An RPC whose answer is a stream is served in the form that the client accepts: JSON in lines
//! (`application/x-ndjson`, which is for all who do not ask for another), or server-sent events
//! (`text/event-stream`). `application/json` is none of them: a document is not made to be read
//! before its end. What holds for both:
//!
//! - The status is that of the first message: a call that fails before it has answered at all fails as
//!   any other does. A service that has taken the call and says nothing for a while is no failure:
//!   its stream begins without a message.
//! - Each message is an event. As server-sent events it is JSON with the id of the event; in lines it
//!   is `{"result": …}`. The policy of the RPC names the field that is the id, so that a client that
//!   comes back with `Last-Event-ID` goes on from there; without one, events are counted.
//! - The last event says that it is the last: `{"end": {"reason": …}}` (`complete`; `max_duration` and
//!   `shutdown` mean that the client may connect again), or `{"error": …}` with the usual error, as
//!   the last line or as an event named `end` or `error`. A stream that ends without it was cut.
//! - While there is nothing to tell, a comment or an empty line says so every now and then.
//! - Few messages are on their way at once: a slow client holds up the service, and one that is too slow
//!   is told so by the last event, and cut off.
//! - A stream ends with the token that it was asked for with.

mod event;
mod event_id;
mod form;
mod pipe;
mod pump;
mod source;
mod term;

use std::sync::Arc;

use axum::body::Body;
use bytes::Bytes;
use futures::stream::unfold;
use http::header::CONTENT_TYPE;
use http::{HeaderName, HeaderValue, Response};
use souk_kit::permit::Permit;
use souk_kit::request::LAST_EVENT_ID;
use tokio::time::{Instant, timeout};
use tokio_util::sync::CancellationToken;
use tracing::{Instrument as _, Span};

pub(crate) use event_id::EventId;

use crate::answer::Answer;
use crate::call::{self, Asked};
use crate::gate::{Client, Gate, forward};
use crate::options;
use crate::problem::Problem;
use crate::routing::Route;
use crate::transcode::Plans;
use event::Event;
use form::Form;
use pipe::pipe;
use pump::Pump;
use source::Source;
use term::Term;

/// Keeps a proxy of nginx's kind from collecting events before it passes them on.
const X_ACCEL_BUFFERING: HeaderName = HeaderName::from_static("x-accel-buffering");

/// What all streams share.
pub(crate) struct Streams {
    plans: Arc<Plans>,
    options: options::Streams,
    /// Told when the process ends.
    ending: CancellationToken,
}

impl Streams {
    pub(crate) fn new(
        plans: Arc<Plans>,
        options: &options::Streams,
        ending: CancellationToken,
    ) -> Self {
        Self { plans, options: options.clone(), ending }
    }

    /// Answers a request with an RPC whose answer is a stream. Its way is that of other calls; but it
    /// goes on when its answer has begun, and keeps its permit for so long.
    pub(crate) async fn answer<B: http_body::Body<Data = Bytes> + Unpin>(
        &self,
        gate: &Gate,
        route: &Arc<Route>,
        asked: Asked<'_>,
        body: &mut B,
    ) -> Result<Response<Answer>, Problem> {
        let (target, client) = (&route.target, asked.client);
        let form = Form::of(client.headers)?;
        let admitted = gate.admit(target, client).await?;
        let body = call::read(gate, route, client, body).await?;
        let permit = gate.stream_permit(client)?;
        let (wire, selection) = call::message(&self.plans, route, &asked, &body)?;

        let until = Instant::now() + self.options.limit;
        let context = client.context.until(until.into_std());
        let mut outgoing = Client { context: &context, ..client }.outgoing(wire);
        forward(&LAST_EVENT_ID, client.headers, outgoing.metadata_mut());
        let messages = target.call_for_stream(outgoing).await;
        let messages = messages.map_err(|status| target.problem(&status, client.context))?;
        let plans = self.plans.clone();
        let source = Source::new(messages, plans, route.clone(), selection, context);
        let term = Term::new(until, admitted.principal.as_deref(), self.ending.clone());
        let pieces = self.begin(source, form, term, permit).await?;

        let mut response = Response::new(Answer::from(pieces));
        let headers = response.headers_mut();
        headers.extend(route.headers.iter().cloned());
        headers.insert(CONTENT_TYPE, form.content_type());
        headers.insert(X_ACCEL_BUFFERING, HeaderValue::from_static("no"));
        Ok(response)
    }

    /// Waits until the service begins to speak; what it says from then on.
    async fn begin(
        &self,
        mut source: Source,
        form: Form,
        term: Term,
        permit: Permit,
    ) -> Result<Body, Problem> {
        let options::Streams { first, heartbeat, patience, .. } = self.options;
        let first = match timeout(first, source.next()).await {
            Ok(Event::Error(problem)) => return Err(*problem),
            first => first.ok(),
        };
        let (writer, reader) = pipe();
        let request_id = source.request_id().clone();
        let pump = Pump { source, term, heartbeat, patience, _permit: permit };
        // ends when its answer is dropped
        tokio::spawn(pump.run(first, writer).instrument(Span::current()));
        let pieces = unfold((reader, request_id), move |(mut reader, request_id)| async move {
            let event = reader.next().await?;
            let piece = event.map(|event| form.frame(&event, &request_id));
            Some((piece, (reader, request_id)))
        });
        Ok(Body::from_stream(pieces))
    }
}
