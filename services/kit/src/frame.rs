//! What gRPC puts around a message on the wire: a flag, its length, and the message (gRPC over HTTP/2,
//! length-prefixed messages).

use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::{Buf as _, Bytes};
use http_body::{Frame, SizeHint};
use souk_proto::souk::types::v1::Reason;
use tokio::time::{Instant, Sleep, sleep};
use tonic::body::Body;
use tonic::{Code, Status};

use crate::body::{self, Limits};
use crate::failure::Failure;

/// The length of what is in front of a message: the flag and the length, in bytes.
pub const HEADER: usize = 5;

/// Checks that a body is one message of `most` bytes at most, and all of it.
///
/// # Errors
///
/// It is not, or the message is compressed.
pub fn check_single(body: &Bytes, most: usize) -> Result<(), Failure> {
    let Some((header, message)) = body.split_first_chunk::<HEADER>() else {
        return Err(malformed("the request has no message"));
    };
    let length = message_length(header, most)?;
    match message.len() {
        len if len < length => Err(broken_off()),
        len if len > length => Err(malformed("the request has more than one message")),
        _ => Ok(()),
    }
}

/// A client stream whose messages are looked at as they pass: what tonic would call an internal error
/// is the caller's fault. So is a pause that is too long; while nobody asks for the next message, the
/// client does not pause.
pub(crate) struct CheckedStream {
    body: Body,
    /// The largest message, in bytes.
    most: usize,
    place: Place,
    /// How long the client may let us wait.
    idle: Duration,
    /// Ends then, where `is_waiting`.
    patience: Pin<Box<Sleep>>,
    /// Whether the next piece has been asked for and has not come.
    is_waiting: bool,
}

/// Where in the stream the next byte belongs.
enum Place {
    /// In a header, after so many bytes of it.
    Header([u8; HEADER], usize),
    /// In a message of which so much is to come; more than nothing.
    Message(usize),
}

const BEGINNING: Place = Place::Header([0; HEADER], 0);

impl CheckedStream {
    /// Each message has the limit of size, each pause the limit of time.
    pub(crate) fn new(body: Body, limits: Limits) -> Self {
        let Limits { size, idle } = limits;
        let patience = Box::pin(sleep(idle));
        Self { body, most: size, place: BEGINNING, idle, patience, is_waiting: false }
    }

    fn follow(&mut self, mut data: &[u8]) -> Result<(), Failure> {
        while !data.is_empty() {
            match &mut self.place {
                Place::Header(header, have) => {
                    let taken = data.len().min(HEADER - *have);
                    header[*have..*have + taken].copy_from_slice(&data[..taken]);
                    *have += taken;
                    data.advance(taken);
                    if *have == HEADER {
                        let length = message_length(header, self.most)?;
                        self.place = if length > 0 { Place::Message(length) } else { BEGINNING };
                    }
                }
                Place::Message(left) => {
                    let taken = data.len().min(*left);
                    *left -= taken;
                    data.advance(taken);
                    if *left == 0 {
                        self.place = BEGINNING;
                    }
                }
            }
        }
        Ok(())
    }

    fn end(&self) -> Result<(), Failure> {
        match self.place {
            Place::Header(_, 0) => Ok(()),
            Place::Header(..) | Place::Message(_) => Err(broken_off()),
        }
    }

    /// Waits for the client, until patience ends.
    fn poll_patience(&mut self, cx: &mut Context<'_>) -> Poll<Failure> {
        if !self.is_waiting {
            self.is_waiting = true;
            self.patience.as_mut().reset(Instant::now() + self.idle);
        }
        ready!(self.patience.as_mut().poll(cx));
        self.is_waiting = false;
        Poll::Ready(body::Error::Stalled.into())
    }
}

impl http_body::Body for CheckedStream {
    type Data = Bytes;
    type Error = Status;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Status>>> {
        let Poll::Ready(frame) = Pin::new(&mut self.body).poll_frame(cx) else {
            return self.poll_patience(cx).map(|failure| Some(Err(failure.into())));
        };
        self.is_waiting = false;
        let frame = match frame {
            // tonic would take it for the end of the stream, and the service for all of it
            Some(Err(status)) if status.code() == Code::Cancelled => {
                return Poll::Ready(Some(Err(broken_off().into())));
            }
            Some(Err(status)) => return Poll::Ready(Some(Err(status))),
            Some(Ok(frame)) => Some(frame),
            None => None,
        };
        let checked = match frame.as_ref().and_then(Frame::data_ref) {
            Some(data) => self.follow(data),
            None => self.end(),
        };
        Poll::Ready(match checked {
            Ok(()) => frame.map(Ok),
            Err(failure) => {
                // said once: after an error nothing comes
                self.place = BEGINNING;
                Some(Err(failure.into()))
            }
        })
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

fn message_length(header: &[u8; HEADER], most: usize) -> Result<usize, Failure> {
    match header[0] {
        0 => {}
        1 => return Err(malformed("a message is compressed, and nothing says how")),
        _ => return Err(malformed("a message has a flag that gRPC does not know")),
    }
    let length = u32::from_be_bytes([header[1], header[2], header[3], header[4]]);
    match usize::try_from(length) {
        Ok(length) if length <= most => Ok(length),
        _ => {
            let message = format!("the message is larger than {most} bytes");
            Err(Failure::new(Reason::PayloadTooLarge, message))
        }
    }
}

fn broken_off() -> Failure {
    malformed("the message of the request breaks off")
}

fn malformed(message: &str) -> Failure {
    Failure::new(Reason::MalformedRequest, message)
}
