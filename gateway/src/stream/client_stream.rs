//! A stream of messages in, one out.

use std::pin::pin;
use std::sync::Arc;

use bytes::Bytes;
use futures::{Stream, StreamExt as _};
use http::{HeaderMap, Response};
use http_body::Body;
use souk_kit::body;

use super::Streams;
use super::lines::Lines;
use super::messages::{Messages, Wants};
use super::upload::Upload;
use crate::admission::Gate;
use crate::api::BodyRule;
use crate::call::{self, Asked};
use crate::errors::problem::Problem;
use crate::request::allowance::Allowance;
use crate::request::media::{self, Media};
use crate::request::multipart::{self, Parts};
use crate::request::pieces::Pieces;
use crate::response::answer::Answer;
use crate::routing::Route;
use crate::transcode::InputError;
use crate::upstream::pipe::pipe;

impl Streams {
    /// Who asks comes first, then a permit, then what is sent: its end may be far away.
    pub(super) async fn client_stream<B: Body<Data = Bytes> + Send + Unpin>(
        &self,
        gate: &Gate,
        route: &Arc<Route>,
        asked: Asked<'_>,
        body: &mut B,
    ) -> Result<Response<Answer>, Problem> {
        let (target, client) = (&route.target, asked.client);
        let accepted = route.accepted(client.headers)?;
        gate.admit(target, client).await?;
        let form = Form::of(route, client.headers)?;
        let limits = Limits {
            message: gate.largest(target.rpc.max_request_bytes),
            stream: target.rpc.max_stream_bytes,
        };
        if !matches!(form, Form::Parameters) {
            // of many it is known before they come
            Allowance::of(limits.stream).take(body.size_hint().lower())?;
        }
        let _place = gate.place(client)?;
        let (writer, taken) = pipe();
        let messages = Messages::new(self.plans.clone(), route.clone(), &asked, writer);
        let mut answer =
            pin!(target.call_with_stream(client.outgoing(target, taken.into_stream())));
        let answer = tokio::select! {
            biased;
            // a service need not wait for the end
            answer = &mut answer => answer,
            sent = send(form, gate.pieces(client, body), messages, limits) => {
                sent?;
                answer.await
            }
        };
        client.forwarding.take(&answer);
        let answer = answer.map_err(|status| target.problem(&status, client.context))?;
        call::reply(&self.plans, route, &asked, accepted, None, &answer)
    }
}

/// The form in which a client sends a stream.
enum Form<'h> {
    /// Path and query say all.
    Parameters,
    /// JSON in lines.
    Lines,
    /// Bytes of this type.
    Bytes(&'h str),
    /// A form with a file, whose parts are separated by this boundary.
    File(String),
}

/// How much of a stream is taken, in bytes.
#[derive(Clone, Copy)]
struct Limits {
    message: usize,
    stream: u64,
}

impl<'h> Form<'h> {
    fn of(route: &Route, headers: &'h HeaderMap) -> Result<Self, Problem> {
        if route.body == BodyRule::Ignored {
            return Ok(Self::Parameters);
        }
        if !route.takes_bytes {
            media::check_lines(headers)?;
            return Ok(Self::Lines);
        }
        match (media::boundary(headers)?, media::bytes(headers)?) {
            (Some(boundary), _) => Ok(Self::File(boundary)),
            (None, media_type) => Ok(Self::Bytes(media_type)),
        }
    }
}

/// Sends what the client sends, to its end, or until the service wants no more.
async fn send<B: Body<Data = Bytes> + Send + Unpin>(
    form: Form<'_>,
    pieces: Pieces<'_, B>,
    messages: Messages,
    limits: Limits,
) -> Result<(), Problem> {
    let allowance = Allowance::of(limits.stream);
    match form {
        Form::Parameters => send_parameters(messages).await,
        Form::Lines => send_lines(Lines::new(pieces, limits.message, allowance), messages).await,
        Form::Bytes(media_type) => {
            send_bytes(pieces, Upload::new(messages, media_type), allowance).await
        }
        Form::File(boundary) => {
            let room = pieces.room(limits.message);
            let pieces = allowed(pieces.into_stream(), allowance);
            send_file(Parts::new(pieces, boundary, limits.message, Some(room)), messages).await
        }
    }
}

/// Sends what path and query say.
async fn send_parameters(mut messages: Messages) -> Result<(), Problem> {
    match messages.send(Media::Json, &[]).await? {
        Wants::More => Ok(messages.finish().await?),
        Wants::NoMore => Ok(()),
    }
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
    Ok(messages.finish().await?)
}

async fn send_bytes<B: Body<Data = Bytes> + Unpin>(
    mut pieces: Pieces<'_, B>,
    mut upload: Upload<'_>,
    mut allowance: Allowance,
) -> Result<(), Problem> {
    while let Some(piece) = pieces.next(0).await? {
        allowance.take(piece.len() as u64)?;
        if upload.put(piece).await? == Wants::NoMore {
            return Ok(());
        }
    }
    upload.finish().await
}

/// Sends the file of a form, with the fields before it.
async fn send_file(mut parts: Parts<'_>, mut messages: Messages) -> Result<(), Problem> {
    let (fields, mut file) = parts.file().await?;
    messages.add(fields, file.name());
    let media_type = file.media_type();
    let mut upload = Upload::new(messages, &media_type);
    while let Some(bytes) = file.next().await? {
        if upload.put(bytes).await? == Wants::NoMore {
            return Ok(());
        }
    }
    drop(file);
    parts.end().await?;
    upload.finish().await
}

/// The pieces of a form, as far as they are allowed: with its fields, and what is between its parts.
fn allowed(
    pieces: impl Stream<Item = Result<Bytes, body::Error>>,
    mut allowance: Allowance,
) -> impl Stream<Item = Result<Bytes, multipart::Error>> {
    pieces.map(move |piece| {
        let piece = piece?;
        allowance.take(piece.len() as u64)?;
        Ok(piece)
    })
}

/// An error in a line.
fn in_line(number: u64, error: InputError) -> Problem {
    let mut problem = Problem::from(error);
    problem.message = format!("line {number}: {}", problem.message).into();
    problem.metadata.insert("line".to_owned(), number.to_string());
    problem
}
