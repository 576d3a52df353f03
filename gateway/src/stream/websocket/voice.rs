//! What a client is told over a WebSocket.

use std::sync::Arc;

use futures::SinkExt as _;
use futures::stream::SplitSink;
use http::StatusCode;
use tokio_tungstenite::tungstenite::protocol::CloseFrame;
use tokio_tungstenite::tungstenite::protocol::frame::Frame;
use tokio_tungstenite::tungstenite::protocol::frame::coding::{CloseCode, Data, OpCode};
use tokio_tungstenite::tungstenite::{Bytes, Error, Message};

use super::socket::Socket;
use crate::stream::event::{Ending, Event};

/// How much of a message goes into a frame, in bytes: so much of it is copied on its way to the connection.
const FRAGMENT: usize = 64 * 1024;

/// The sending side of a WebSocket.
pub(super) struct Voice {
    sink: SplitSink<Socket, Message>,
    request_id: Arc<str>,
    /// Whether a message has begun whose end has not been sent.
    is_within: bool,
}

impl Voice {
    pub(super) fn new(sink: SplitSink<Socket, Message>, request_id: Arc<str>) -> Self {
        Self { sink, request_id, is_within: false }
    }

    /// Says an event. When this is dropped before it is done, nothing but [`Voice::end`] may follow.
    pub(super) async fn say(&mut self, event: Event) -> Result<(), Error> {
        let mut rest: Bytes = event.object(&self.request_id).into();
        let mut kind = Data::Text;
        loop {
            let piece = rest.split_to(rest.len().min(FRAGMENT));
            self.is_within = !rest.is_empty();
            let frame = Frame::message(piece, OpCode::Data(kind), rest.is_empty());
            self.sink.send(Message::Frame(frame)).await?;
            if rest.is_empty() {
                return Ok(());
            }
            kind = Data::Continue;
        }
    }

    /// Asks whether the client is there.
    pub(super) async fn ask(&mut self) -> Result<(), Error> {
        self.sink.send(Message::Ping(Bytes::new())).await
    }

    /// Says the last event, if there is one to say, and closes. Within a message only the close frame can
    /// say why.
    pub(super) async fn end(&mut self, last: Option<Event>) -> Result<(), Error> {
        if let Some(last) = last {
            let close = close(&last);
            if !self.is_within {
                self.say(last).await?;
            }
            self.sink.send(Message::Close(Some(close))).await?;
        }
        self.sink.close().await
    }
}

/// Why it is closed (RFC 6455, section 7.4).
fn close(last: &Event) -> CloseFrame {
    let (code, reason) = match last {
        Event::Error(problem) => {
            let code = match problem.status() {
                StatusCode::PAYLOAD_TOO_LARGE => CloseCode::Size,
                StatusCode::UNSUPPORTED_MEDIA_TYPE => CloseCode::Unsupported,
                StatusCode::SERVICE_UNAVAILABLE => CloseCode::Again,
                status if status.is_server_error() => CloseCode::Error,
                _ => CloseCode::Policy,
            };
            (code, problem.code())
        }
        Event::End(ending @ (Ending::MaxDuration | Ending::Shutdown)) => {
            (CloseCode::Away, ending.name())
        }
        Event::End(Ending::Complete) | Event::Message { .. } | Event::Heartbeat => {
            (CloseCode::Normal, Ending::Complete.name())
        }
    };
    CloseFrame { code, reason: reason.into() }
}
