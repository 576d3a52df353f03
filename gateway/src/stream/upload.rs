//! Bytes of any media type as messages, as they come.

use bytes::Bytes;

use super::messages::{Messages, Wants};
use crate::errors::problem::Problem;
use crate::request::media::Media;

/// How many bytes go into a message.
const PIECE: usize = 64 * 1024;

/// Bytes on their way to a service.
pub(super) struct Upload<'a> {
    messages: Messages,
    /// What they are, until the first message has said so.
    media_type: &'a str,
    /// Whether there was a message.
    has_begun: bool,
}

impl<'a> Upload<'a> {
    pub(super) fn new(messages: Messages, media_type: &'a str) -> Self {
        Self { messages, media_type, has_begun: false }
    }

    /// Sends the next bytes.
    pub(super) async fn put(&mut self, mut bytes: Bytes) -> Result<Wants, Problem> {
        while !bytes.is_empty() {
            let piece = bytes.split_to(bytes.len().min(PIECE));
            if self.send(&piece).await? == Wants::NoMore {
                return Ok(Wants::NoMore);
            }
        }
        Ok(Wants::More)
    }

    /// There are no more. A service gets one message at least: it has what path and query say.
    pub(super) async fn finish(mut self) -> Result<(), Problem> {
        if !self.has_begun && self.send(&[]).await? == Wants::NoMore {
            return Ok(());
        }
        Ok(self.messages.finish().await?)
    }

    async fn send(&mut self, piece: &[u8]) -> Result<Wants, Problem> {
        self.has_begun = true;
        let media = Media::Bytes(std::mem::take(&mut self.media_type));
        Ok(self.messages.send(media, piece).await?)
    }
}
