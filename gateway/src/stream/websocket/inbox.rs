//! Where the messages of a client go that come in the frames of a WebSocket.

use souk_proto::souk::types::v1::Reason;

use crate::errors::problem::Problem;
use crate::request::media::Media;
use crate::stream::messages::{Messages, Wants};

/// What is done with messages.
pub(super) enum Inbox {
    /// Each of them goes to the service. A frame without text says that there are no more.
    Stream(Messages),
    /// One of them does.
    Single(Messages),
    /// There may be none, or no more.
    Shut,
    /// The service wants no more of them.
    Ignored,
}

impl Inbox {
    /// Takes the text of a frame.
    pub(super) async fn put(&mut self, text: &str) -> Result<(), Problem> {
        let is_end = text.is_empty();
        match std::mem::replace(self, Self::Shut) {
            Self::Stream(messages) if is_end => messages.finish().await?,
            Self::Stream(mut messages) => {
                *self = match messages.send(Media::Frame, text.as_bytes()).await? {
                    Wants::More => Self::Stream(messages),
                    Wants::NoMore => Self::Ignored,
                };
            }
            Self::Single(mut messages) if !is_end => {
                if messages.send(Media::Frame, text.as_bytes()).await? == Wants::More {
                    messages.finish().await?;
                }
            }
            Self::Single(_) | Self::Shut => {
                let message =
                    if is_end { "a message is missing" } else { "no message is expected" };
                return Err(Problem::new(Reason::MalformedRequest, message));
            }
            Self::Ignored => *self = Self::Ignored,
        }
        Ok(())
    }
}
