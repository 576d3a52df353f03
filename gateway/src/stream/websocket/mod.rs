//! Streams over WebSocket (RFC 6455): the only form in which messages go in both directions at once.
//!
//! It is asked for by `GET` with `Upgrade: websocket` on the path of any RPC that takes a stream, or
//! answers with one, whatever the method of its rule. Each text frame of the client is a message, as JSON
//! (or the field of it that the rule names); one without text says that there are no more. What path and
//! query say is a part of the first. The frames of the answer are the objects that JSON in lines has:
//! `{"result": …}`, and at last `{"end": …}` or `{"error": …}`; then the WebSocket is closed. Where the
//! client has nothing to send, the call is made first, so that an error is an ordinary response.
//!
//! A page of another host may connect only if its origin is allowed. Its scripts name their token as a
//! subprotocol: `new WebSocket(url, ["bearer", token])`.

mod handshake;
mod inbox;
mod intake;
mod session;
mod socket;
mod voice;

use std::sync::Arc;

use futures::FutureExt as _;
use http::Response;
use hyper::upgrade::OnUpgrade;
use tokio::time::Instant;
use tracing::{Instrument as _, Span};

pub(crate) use handshake::is_asked;

use super::messages::Messages;
use super::pump::Pump;
use super::source::{Answers, Source};
use super::term::Term;
use super::{Streams, resume};
use crate::admission::places::Place;
use crate::admission::{Client, Gate};
use crate::api::BodyRule;
use crate::call::{self, Asked, Content};
use crate::errors::problem::Problem;
use crate::options;
use crate::request::allowance::Allowance;
use crate::response::answer::Answer;
use crate::routing::Route;
use crate::upstream::pipe::pipe;
use handshake::Handshake;
use inbox::Inbox;
use session::{Limits, Session};

impl Streams {
    /// Answers a request that wants a WebSocket.
    pub(crate) async fn websocket(
        &self,
        gate: &Gate,
        route: &Arc<Route>,
        asked: Asked<'_>,
        upgrade: OnUpgrade,
    ) -> Result<Response<Answer>, Problem> {
        let handshake = Handshake::read(asked.client.headers, &self.origins)?;
        let headers = handshake.headers(asked.client.headers);
        let client = Client { headers: &headers, ..asked.client };
        let admitted = gate.admit(&route.target, client).await?;
        let place = gate.place(client)?;

        let until = Instant::now() + self.options.limit;
        let context = client.context.until(until.into_std());
        let client = Client { context: &context, ..client };
        let (mut source, inbox) = self.open(route, &Asked { client, ..asked }, &place).await?;
        let first = match inbox {
            Inbox::Shut => self.first(&mut source).await?,
            // it may have to hear something before it speaks
            Inbox::Stream(_) | Inbox::Single(_) | Inbox::Ignored => None,
        };
        let options::Streams { heartbeat, patience, .. } = self.options;
        let (writer, events) = pipe();
        let largest = gate.largest(route.target.rpc.max_request_bytes);
        let allowance = Allowance::of(route.target.rpc.max_stream_bytes);
        let request_id = context.request_id.clone();
        let term = Term::new(until, admitted.principal.as_deref(), self.ending.clone());
        let limits = Limits { message: largest, heartbeat, patience, term: term.clone() };
        let session = Session { events, inbox, limits, allowance, request_id, place };
        let pump = Pump { source, term, heartbeat, patience };
        if let Some(peer) = client.peer {
            let work = async {
                tokio::join!(pump.run(first, writer), session.run(upgrade));
            };
            peer.take_over(work.instrument(Span::current()));
        }
        Ok(handshake.response())
    }

    /// Calls the service, or gets ready to: what it says, and where what the client says goes to.
    async fn open(
        &self,
        route: &Arc<Route>,
        asked: &Asked<'_>,
        place: &Place,
    ) -> Result<(Source, Inbox), Problem> {
        let (target, client) = (&route.target, asked.client);
        let plans = self.plans.clone();
        let (wire, selection) = call::message(&plans, route, asked, &Content::EMPTY)?;
        let source = |answers| {
            let (plans, route) = (plans.clone(), route.clone());
            let quota = place.quota.clone();
            Source::new(answers, plans, route, selection, client.context.clone(), quota)
        };
        if !target.rpc.is_client_stream && route.body == BodyRule::Ignored {
            let mut outgoing = client.outgoing(target, wire);
            resume(route, client, outgoing.metadata_mut());
            let answer = target.call_for_stream(outgoing).await;
            client.forwarding.take(&answer);
            let answer = answer.map_err(|status| target.problem(&status, client.context))?;
            return Ok((source(Answers::Begun(Box::new(answer.into_inner()))), Inbox::Shut));
        }
        let (writer, taken) = pipe();
        let messages = Messages::new(self.plans.clone(), route.clone(), asked, writer);
        let inbox = match target.rpc.is_client_stream {
            true => Inbox::Stream(messages),
            false => Inbox::Single(messages),
        };
        let mut outgoing = client.outgoing(target, taken.into_stream());
        resume(route, client, outgoing.metadata_mut());
        let target = target.clone();
        let call = async move { target.call_with_streams(outgoing).await }.boxed();
        Ok((source(Answers::Awaited(call)), inbox))
    }
}
