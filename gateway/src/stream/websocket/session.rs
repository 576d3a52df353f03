//! A WebSocket, from its first frame to its last.

use std::sync::Arc;
use std::time::Duration;

use futures::stream::{SplitSink, SplitStream};
use futures::{SinkExt as _, StreamExt as _};
use http::StatusCode;
use hyper::upgrade::{OnUpgrade, Upgraded};
use hyper_util::rt::TokioIo;
use souk_proto::souk::types::v1::Reason;
use tokio::time::{interval, timeout};
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;
use tokio_tungstenite::tungstenite::protocol::{CloseFrame, Role, WebSocketConfig};
use tokio_tungstenite::tungstenite::{Bytes, Error, Message, Utf8Bytes};

use super::inbox::Inbox;
use crate::allowance::Allowance;
use crate::pipe::Reader;
use crate::problem::Problem;
use crate::stream::event::{Ending, Event};

/// How much of what a client sends is read at once, in bytes.
const READ_BUFFER: usize = 4 * 1024;
/// A client that has said nothing for so many heartbeats is not there any more.
const SILENCE: u32 = 3;
/// How long the end of a WebSocket may take, once it has been decided.
const GOODBYE_LIMIT: Duration = Duration::from_secs(5);

type Socket = WebSocketStream<TokioIo<Upgraded>>;

/// What a WebSocket is for.
pub(super) struct Session {
    /// What the client is told.
    pub events: Reader<Event>,
    /// Where what it says goes to.
    pub inbox: Inbox,
    /// The largest message that it may send, in bytes.
    pub largest: usize,
    /// For all of them.
    pub allowance: Allowance,
    pub heartbeat: Duration,
    pub request_id: Arc<str>,
}

impl Session {
    /// Serves it to its end.
    pub(super) async fn run(mut self, upgrade: OnUpgrade) {
        let Ok(upgraded) = upgrade.await else { return };
        let config = WebSocketConfig::default()
            .read_buffer_size(READ_BUFFER)
            // what is written is flushed anyway
            .write_buffer_size(0)
            .max_message_size(Some(self.largest))
            .max_frame_size(Some(self.largest));
        let io = TokioIo::new(upgraded);
        let socket = WebSocketStream::from_raw_socket(io, Role::Server, Some(config)).await;
        let (mut sink, mut stream) = socket.split();
        let last = tokio::select! {
            last = tell(&mut sink, &mut self.events, self.heartbeat, &self.request_id) => last,
            heard = hear(&mut stream, &mut self.inbox, self.allowance, self.heartbeat * SILENCE) => {
                heard.err().map(|problem| Event::Error(Box::new(problem)))
            }
        };
        // the service need not go on meanwhile
        drop((self.events, self.inbox));
        let _ = timeout(GOODBYE_LIMIT, end(&mut sink, &mut stream, last, &self.request_id)).await;
    }
}

/// Tells the client everything but the last event, which is returned; `None` when it cannot be told any
/// more. In between it is asked again and again whether it is there.
async fn tell(
    sink: &mut SplitSink<Socket, Message>,
    events: &mut Reader<Event>,
    heartbeat: Duration,
    request_id: &str,
) -> Option<Event> {
    let mut heartbeats = interval(heartbeat);
    loop {
        let frame = tokio::select! {
            event = events.next() => match event? {
                Ok(event) if event.is_last() => return Some(event),
                Ok(Event::Heartbeat) => continue,
                Ok(event) => text(&event, request_id)?,
                Err(_) => {
                    // the panic hook has told why
                    let problem = Problem::new(Reason::Internal, "internal error");
                    return Some(Event::Error(Box::new(problem)));
                }
            },
            _ = heartbeats.tick() => Message::Ping(Bytes::new()),
        };
        sink.send(frame).await.ok()?;
    }
}

/// Hears what the client says, until it has gone.
async fn hear(
    stream: &mut SplitStream<Socket>,
    inbox: &mut Inbox,
    mut allowance: Allowance,
    silence: Duration,
) -> Result<(), Problem> {
    // the end is also what comes when the client has been silent for too long
    while let Ok(Some(frame)) = timeout(silence, stream.next()).await {
        match frame {
            Ok(Message::Text(text)) => {
                allowance.take(text.len() as u64)?;
                inbox.put(text.as_str()).await?;
            }
            Ok(Message::Binary(_)) => {
                let message = "messages are JSON in text frames";
                return Err(Problem::new(Reason::UnsupportedMediaType, message));
            }
            Ok(_) => {}
            Err(Error::Capacity(_)) => {
                let message = "the message is larger than this call takes";
                return Err(Problem::new(Reason::PayloadTooLarge, message));
            }
            Err(_) => return Ok(()),
        }
    }
    Ok(())
}

/// Tells the last event, if there is one to tell, closes, and waits until the client has done so, too.
async fn end(
    sink: &mut SplitSink<Socket, Message>,
    stream: &mut SplitStream<Socket>,
    last: Option<Event>,
    request_id: &str,
) -> Result<(), Error> {
    if let Some(last) = &last {
        if let Some(frame) = text(last, request_id) {
            sink.send(frame).await?;
        }
        sink.send(Message::Close(Some(close(last)))).await?;
    }
    sink.close().await?;
    while let Some(Ok(_)) = stream.next().await {}
    Ok(())
}

fn text(event: &Event, request_id: &str) -> Option<Message> {
    Utf8Bytes::try_from(event.object(request_id)).ok().map(Message::Text)
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
