//! What a client sends, as the messages of a stream.

use std::mem::take;
use std::sync::Arc;

use bytes::Bytes;

use crate::call::Asked;
use crate::request::input::{self, Given};
use crate::request::media::Media;
use crate::request::multipart::Pair;
use crate::routing::Route;
use crate::transcode::{InputError, Plans};
use crate::upstream::pipe::Writer;

/// The messages for a service, on their way to it.
pub(super) struct Messages {
    plans: Arc<Plans>,
    route: Arc<Route>,
    /// What path and query say, until it has gone with the first message.
    path: Vec<String>,
    query: String,
    /// The fields of a form and the name of its file, as well.
    fields: Vec<Pair>,
    file_name: Option<String>,
    writer: Writer<Bytes>,
}

/// Whether the service takes more messages.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use]
pub(super) enum Wants {
    More,
    /// It has answered, or is not there any more.
    NoMore,
}

impl Messages {
    pub(super) fn new(
        plans: Arc<Plans>,
        route: Arc<Route>,
        asked: &Asked<'_>,
        writer: Writer<Bytes>,
    ) -> Self {
        let path = asked.variables.iter().map(|value| value.clone().into_owned()).collect();
        let query = asked.uri.query().unwrap_or_default().to_owned();
        Self { plans, route, path, query, fields: Vec::new(), file_name: None, writer }
    }

    /// Adds the fields of a form to the first message, and the name of its file.
    pub(super) fn add(&mut self, fields: Vec<Pair>, file_name: Option<&str>) {
        self.fields = fields;
        self.file_name = file_name.map(str::to_owned);
    }

    /// Sends a message, as soon as the one before it has been taken.
    ///
    /// # Errors
    ///
    /// The body is none that the contract takes.
    pub(super) async fn send(
        &mut self,
        media: Media<'_>,
        body: &[u8],
    ) -> Result<Wants, InputError> {
        let Self { plans, route, writer, .. } = self;
        let (path, query) = (take(&mut self.path), take(&mut self.query));
        let (fields, file_name) = (take(&mut self.fields), self.file_name.take());
        let path: Vec<&str> = path.iter().map(String::as_str).collect();
        let (fields, file_name) = (&fields[..], file_name.as_deref());
        let given = Given { path: &path, query: &query, media, body, fields, file_name };
        let message = input::read(plans, route, &given)?;
        let sent = writer.send(message.wire.into()).await;
        Ok(if sent.is_ok() { Wants::More } else { Wants::NoMore })
    }

    /// There are no more. Where there was none, what path and query say is one. Without this, the stream
    /// breaks off for the service.
    ///
    /// # Errors
    ///
    /// Path or query are none that the contract takes.
    pub(super) async fn finish(mut self) -> Result<(), InputError> {
        let is_all_told = self.path.is_empty() && self.query.is_empty();
        if is_all_told || self.send(Media::Json, &[]).await? == Wants::More {
            self.writer.finish(None);
        }
        Ok(())
    }
}
