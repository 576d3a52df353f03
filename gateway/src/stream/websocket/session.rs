//! A WebSocket, from its first frame to its last.

use std::sync::Arc;
use std::time::Duration;

use futures::StreamExt as _;
use futures::stream::SplitStream;
use hyper::upgrade::OnUpgrade;
use souk_kit::body;
use souk_proto::souk::types::v1::Reason;
use tokio::time::{interval, sleep, timeout};
use tokio_tungstenite::tungstenite::{Error, Message};

use super::inbox::Inbox;
use super::intake::Unfinished;
use super::socket::{self, Socket};
use super::voice::Voice;
use crate::admission::places::{Place, no_room};
use crate::errors::problem::Problem;
use crate::request::allowance::Allowance;
use crate::stream::event::Event;
use crate::stream::pump::too_slow;
use crate::stream::term::Term;
use crate::upstream::pipe::Reader;

/// A client that has said nothing for so many heartbeats is not there any more.
const SILENCE: u32 = 3;
/// How long the end of a WebSocket may take, once it has been decided.
const GOODBYE_LIMIT: Duration = Duration::from_secs(5);

/// What a WebSocket is for.
pub(super) struct Session {
    /// What the client is told.
    pub events: Reader<Event>,
    /// Where what it says goes to.
    pub inbox: Inbox,
    pub limits: Limits,
    /// For all messages of the client.
    pub allowance: Allowance,
    pub request_id: Arc<str>,
    /// Given back when the client has gone.
    pub place: Place,
}

/// The limits of a WebSocket.
pub(super) struct Limits {
    /// The largest message of the client, in bytes.
    pub message: usize,
    /// How often it is asked whether it is there.
    pub heartbeat: Duration,
    /// How long it may take for one message, to send it or to be told it.
    pub patience: Duration,
    pub term: Term,
}

impl Session {
    /// Serves it to its end.
    pub(super) async fn run(self, upgrade: OnUpgrade) {
        let Self { mut events, mut inbox, limits, allowance, request_id, place } = self;
        let Ok(upgraded) = upgrade.await else { return };
        let unfinished = Unfinished::new(place.quota.room());
        let socket = socket::open(upgraded, limits.message, unfinished.clone()).await;
        let (sink, mut stream) = socket.split();
        let mut voice = Voice::new(sink, request_id);
        let mut ear = Ear { stream: &mut stream, unfinished: &unfinished, limits: &limits };
        let last = tokio::select! {
            last = tell(&mut voice, &mut events, &limits) => last,
            heard = ear.hear(&mut inbox, allowance) => {
                heard.err().map(|problem| Event::Error(Box::new(problem)))
            }
            last = over(&limits.term) => Some(last),
        };
        // the service need not go on meanwhile
        drop((events, inbox));
        let goodbye = async {
            voice.end(last).await?;
            while let Some(Ok(_)) = stream.next().await {}
            Ok::<_, Error>(())
        };
        let _ = timeout(GOODBYE_LIMIT, goodbye).await;
    }
}

/// Tells the client everything but the last event, which is returned; `None` when it cannot be told any
/// more. In between it is asked again and again whether it is there.
async fn tell(voice: &mut Voice, events: &mut Reader<Event>, limits: &Limits) -> Option<Event> {
    let mut heartbeats = interval(limits.heartbeat);
    loop {
        let told = tokio::select! {
            event = events.next() => match event? {
                Ok(event) if event.is_last() => return Some(event),
                Ok(Event::Heartbeat) => continue,
                Ok(event) => timeout(limits.patience, voice.say(event)).await,
                Err(_) => {
                    // the panic hook has told why
                    let problem = Problem::new(Reason::Internal, "internal error");
                    return Some(Event::Error(Box::new(problem)));
                }
            },
            _ = heartbeats.tick() => timeout(limits.patience, voice.ask()).await,
        };
        match told {
            Ok(told) => told.ok()?,
            Err(_) => return Some(too_slow()),
        }
    }
}

/// The last event when the term is over, and the client does not take what it is told before it.
async fn over(term: &Term) -> Event {
    let last = term.over().await;
    sleep(GOODBYE_LIMIT).await;
    last
}

/// The receiving side.
struct Ear<'a> {
    stream: &'a mut SplitStream<Socket>,
    unfinished: &'a Unfinished,
    limits: &'a Limits,
}

impl Ear<'_> {
    /// Hears what the client says, until it has gone.
    async fn hear(&mut self, inbox: &mut Inbox, mut allowance: Allowance) -> Result<(), Problem> {
        while let Some(frame) = self.next().await? {
            match frame {
                Message::Text(text) => {
                    allowance.take(text.len() as u64)?;
                    inbox.put(text.as_str()).await?;
                    self.unfinished.clear();
                }
                Message::Binary(_) => {
                    let message = "messages are JSON in text frames";
                    return Err(Problem::new(Reason::UnsupportedMediaType, message));
                }
                Message::Ping(payload) | Message::Pong(payload) => {
                    self.unfinished.leave_out(&payload);
                }
                Message::Close(_) | Message::Frame(_) => {}
            }
            if self.unfinished.age().is_some_and(|age| age > self.limits.patience) {
                let message = "the message did not arrive in time";
                return Err(Problem::new(Reason::MalformedRequest, message));
            }
        }
        Ok(())
    }

    /// What comes next; `None` when the client has gone.
    async fn next(&mut self) -> Result<Option<Message>, Problem> {
        let silence = self.limits.heartbeat * SILENCE;
        match timeout(silence, self.stream.next()).await {
            Ok(Some(Ok(frame))) => Ok(Some(frame)),
            Ok(Some(Err(Error::Capacity(_)))) => {
                let message = "the message is larger than this call takes";
                Err(Problem::new(Reason::PayloadTooLarge, message))
            }
            Ok(Some(Err(Error::Io(error)))) if is_no_room(&error) => Err(no_room()),
            Ok(Some(Err(_)) | None) => Ok(None),
            Err(_) => {
                let message = format!("nothing was heard of the client for {silence:?}");
                Err(Problem::new(Reason::DeadlineExceeded, message))
            }
        }
    }
}

fn is_no_room(error: &std::io::Error) -> bool {
    error.get_ref().is_some_and(|error| error.is::<body::Error>())
}
