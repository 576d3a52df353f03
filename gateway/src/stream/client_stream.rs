//! A stream of messages in, one out.

use std::pin::pin;
use std::sync::Arc;

use bytes::Bytes;
use http::Response;
use http_body::Body;

use super::Streams;
use super::lines::Lines;
use super::messages::{Messages, Wants};
use super::pipe::{Writer, pipe};
use super::upload::{self, Upload};
use crate::answer::Answer;
use crate::api::BodyRule;
use crate::call::{self, Asked};
use crate::gate::Gate;
use crate::input::Media;
use crate::media;
use crate::pieces::Pieces;
use crate::problem::Problem;
use crate::routing::Route;
use crate::transcode::InputError;

impl Streams {
    /// Who asks comes first, then a permit, then what is sent: its end may be far away.
    pub(super) async fn client_stream<B: Body<Data = Bytes> + Unpin>(
        &self,
        gate: &Gate,
        route: &Arc<Route>,
        asked: Asked<'_>,
        body: &mut B,
    ) -> Result<Response<Answer>, Problem> {
        let (target, client) = (&route.target, asked.client);
        let accepted = route.accepted(client.headers)?;
        gate.admit(target, client).await?;
        media::check_stream(client.headers, route.takes_bytes)?;
        if route.takes_bytes {
            upload::check(body.size_hint().lower(), target.rpc.max_stream_bytes)?;
        }
        let _permit = gate.stream_permit(client)?;
        let (writer, taken) = pipe();
        let mut answer = pin!(target.call_with_stream(client.outgoing(taken.into_stream())));
        let answer = tokio::select! {
            biased;
            // a service need not wait for the end
            answer = &mut answer => answer,
            sent = self.send(gate, route, &asked, body, writer) => {
                sent?;
                answer.await
            }
        };
        let answer = answer.map_err(|status| target.problem(&status, client.context))?;
        call::reply(&self.plans, route, &asked, accepted, None, &answer)
    }

    /// Sends what the client sends, to its end, or until the service wants no more.
    async fn send<B: Body<Data = Bytes> + Unpin>(
        &self,
        gate: &Gate,
        route: &Arc<Route>,
        asked: &Asked<'_>,
        body: &mut B,
        writer: Writer<Bytes>,
    ) -> Result<(), Problem> {
        let messages = Messages::new(self.plans.clone(), route.clone(), asked, writer);
        let pieces = gate.pieces(asked.client, body);
        let rpc = &route.target.rpc;
        if route.body == BodyRule::Ignored {
            send_parameters(messages).await
        } else if route.takes_bytes {
            let upload =
                Upload::new(messages, media::of(asked.client.headers), rpc.max_stream_bytes);
            send_bytes(pieces, upload).await
        } else {
            send_lines(Lines::new(pieces, gate.largest(rpc.max_request_bytes)), messages).await
        }
    }
}

/// Sends what path and query say.
async fn send_parameters(mut messages: Messages) -> Result<(), Problem> {
    if messages.send(Media::Json, &[]).await? == Wants::More {
        messages.finish();
    }
    Ok(())
}

async fn send_lines<B: Body<Data = Bytes> + Unpin>(
    mut lines: Lines<'_, B>,
    mut messages: Messages,
) -> Result<(), Problem> {
    while let Some((number, line)) = lines.next().await? {
        let sent = messages.send(Media::Json, &line).await;
        if sent.map_err(|error| in_line(number, error))? == Wants::NoMore {
            return Ok(());
        }
    }
    messages.finish();
    Ok(())
}

async fn send_bytes<B: Body<Data = Bytes> + Unpin>(
    mut pieces: Pieces<'_, B>,
    mut upload: Upload<'_>,
) -> Result<(), Problem> {
    while let Some(piece) = pieces.next().await? {
        if upload.put(piece).await? == Wants::NoMore {
            return Ok(());
        }
    }
    upload.finish().await
}

/// An error in a line.
fn in_line(number: u64, error: InputError) -> Problem {
    let mut problem = Problem::from(error);
    problem.message = format!("line {number}: {}", problem.message).into();
    problem.metadata.insert("line".to_owned(), number.to_string());
    problem
}
