//! A stream of messages in, one out.

use std::pin::pin;

use bytes::Bytes;
use http::Response;
use http_body::Body;

use super::Streams;
use super::lines::Lines;
use super::pipe::{Writer, pipe};
use crate::answer::Answer;
use crate::api::BodyRule;
use crate::call::{self, Asked};
use crate::gate::Gate;
use crate::input::{self, Given, Media};
use crate::media;
use crate::problem::Problem;
use crate::routing::Route;
use crate::transcode::InputError;

impl Streams {
    /// Who asks comes first, then a permit, then what is sent: its end may be far away.
    pub(super) async fn client_stream<B: Body<Data = Bytes> + Unpin>(
        &self,
        gate: &Gate,
        route: &Route,
        asked: Asked<'_>,
        body: &mut B,
    ) -> Result<Response<Answer>, Problem> {
        let (target, client) = (&route.target, asked.client);
        let accepted = route.accepted(client.headers)?;
        gate.admit(target, client).await?;
        media::check_lines(client.headers)?;
        let _permit = gate.stream_permit(client)?;
        let (messages, taken) = pipe();
        let mut answer = pin!(target.call_with_stream(client.outgoing(taken.into_stream())));
        let answer = tokio::select! {
            biased;
            // a service need not wait for the end
            answer = &mut answer => answer,
            sent = self.send(gate, route, &asked, body, messages) => {
                sent?;
                answer.await
            }
        };
        let answer = answer.map_err(|status| target.problem(&status, client.context))?;
        call::reply(&self.plans, route, &asked, accepted, None, &answer)
    }

    /// Sends what the client sends, to its end, or until the service has enough.
    async fn send<B: Body<Data = Bytes> + Unpin>(
        &self,
        gate: &Gate,
        route: &Route,
        asked: &Asked<'_>,
        body: &mut B,
        messages: Writer<Bytes>,
    ) -> Result<(), Problem> {
        let variables: Vec<&str> = asked.variables.iter().map(|value| &**value).collect();
        // they are a part of the first message
        let (mut path, mut query) = (&variables[..], asked.uri.query().unwrap_or_default());
        let mut message = |body: &[u8]| -> Result<Bytes, InputError> {
            let given = Given { path, query, media: Media::Json, body };
            (path, query) = (&[], "");
            input::read(&self.plans, route, &given).map(|input| input.wire.into())
        };
        if route.body == BodyRule::Ignored {
            // a service that has gone has answered
            let _ = messages.send(message(&[])?).await;
        } else {
            let most = gate.largest(route.target.rpc.max_request_bytes);
            let mut lines = Lines::new(gate.pieces(asked.client, body), most);
            while let Some((number, line)) = lines.next().await? {
                let wire = message(&line).map_err(|error| in_line(number, error))?;
                if messages.send(wire).await.is_err() {
                    return Ok(());
                }
            }
        }
        messages.finish(None);
        Ok(())
    }
}

/// An error in a line.
fn in_line(number: u64, error: InputError) -> Problem {
    let mut problem = Problem::from(error);
    problem.message = format!("line {number}: {}", problem.message).into();
    problem.metadata.insert("line".to_owned(), number.to_string());
    problem
}
