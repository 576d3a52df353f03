//! Streams over HTTP.
//!
//! An RPC whose answer is a stream is served in the form that the client accepts: JSON in lines
//! (`application/x-ndjson`, which is for all who do not ask for another), or server-sent events
//! (`text/event-stream`). `application/json` is none of them: a document is not made to be read
//! before its end. What holds for both:
//!
//! - The status is that of the first message: a call that fails before it has answered at all fails as
//!   any other does. A service that has taken the call and says nothing for a while is no failure:
//!   its stream begins without a message.
//! - Each message is an event. As server-sent events it is JSON; in lines it is `{"result": …}`. Where
//!   the policy of the RPC names a field that is the id of the event, server-sent events have it, and
//!   the service is told with which `Last-Event-ID` a client comes back, to go on from there. Without
//!   such a field there is neither: nothing could be resumed.
//! - The last event says that it is the last: `{"end": {"reason": …}}` (`complete`; `max_duration` and
//!   `shutdown` mean that the client may connect again), or `{"error": …}` with the usual error, as
//!   the last line or as an event named `end` or `error`. A stream that ends without it was cut.
//! - While there is nothing to tell, a comment or an empty line says so every now and then.
//! - Few messages are on their way at once: a slow client holds up the service, and one that is too slow
//!   is told so by the last event, and cut off. So is one for which too many bytes are kept: all streams
//!   together have so many, and a client has a quarter of them (`admission/places.rs`).
//! - A stream ends with the token that it was asked for with.
//!
//! Where the messages are bytes of any media type (`google.api.HttpBody`), they are the answer as they
//! stand, one after the other. Nothing can be told between them: an answer that is not whole is cut. Over
//! HTTP/1.0 nobody could tell that from its end, so there are none. Where the policy says how parts of them
//! are asked for (`download`), the service is asked for no more than the client wants (`Range`, `HEAD`), its
//! first message says how long all of it is, and the answer is cut as well when it has another length.
//!
//! An RPC that takes a stream takes a body of JSON in lines, each of them a message, or the field of it
//! that the rule names. What path and query say is a part of the first message. Each line becomes a
//! message as it comes; where a line is wrong, the error says which, and for the service the stream
//! breaks off. Without a line, path and query are a message, if they say anything. Bytes of any media
//! type become messages of up to 64 KiB, of which the first says what they are. They may be the file of
//! a form (`multipart/form-data`), whose fields come before it and are parameters like those of a query.
//! However it comes, a stream has a largest size: that of its body, or of all frames of a WebSocket.

mod client_stream;
mod download;
mod event;
mod form;
mod frames;
mod lines;
mod messages;
mod opening;
mod pump;
mod server_stream;
mod source;
mod term;
mod text;
mod upload;
mod websocket;

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderValue, Response};
use http_body::Body;
use souk_kit::request::LAST_EVENT_ID;
use souk_proto::souk::types::v1::Reason;
use tokio_util::sync::CancellationToken;
use tonic::metadata::MetadataMap;

pub(crate) use websocket::is_asked as is_websocket;

use crate::admission::{Client, Gate, forward};
use crate::call::Asked;
use crate::errors::problem::Problem;
use crate::options::{self, Options};
use crate::response::answer::Answer;
use crate::routing::Route;
use crate::transcode::Plans;

/// What all streams share.
pub(crate) struct Streams {
    plans: Arc<Plans>,
    options: options::Streams,
    /// The origins of pages that may connect, besides those of the same host.
    origins: Vec<HeaderValue>,
    /// Told when the process ends.
    ending: CancellationToken,
}

impl Streams {
    pub(crate) fn new(plans: Arc<Plans>, options: &Options, ending: CancellationToken) -> Self {
        let (streams, origins) = (options.streams.clone(), options.origins.clone());
        Self { plans, options: streams, origins, ending }
    }

    /// How long a client may take to send a stream.
    pub(crate) fn request_limit(&self) -> Duration {
        self.options.request_limit
    }

    /// Answers a request with an RPC that takes a stream, or answers with one.
    pub(crate) async fn call<B: Body<Data = Bytes> + Send + Unpin>(
        &self,
        gate: &Gate,
        route: &Arc<Route>,
        asked: Asked<'_>,
        body: &mut B,
    ) -> Result<Response<Answer>, Problem> {
        match (route.target.rpc.is_client_stream, route.target.rpc.is_server_stream) {
            (true, true) if route.has_websocket => {
                let message = "messages go in both directions here: connect with a WebSocket";
                Err(Problem::new(Reason::NotAcceptable, message))
            }
            (true, true) => {
                let message = "bytes go in both directions here: this is for gRPC only";
                Err(Problem::new(Reason::Unimplemented, message))
            }
            (true, false) => self.client_stream(gate, route, asked, body).await,
            (false, _) => self.server_stream(gate, route, asked, body).await,
        }
    }
}

/// Tells a service where its client goes on, where the events have ids.
fn resume(route: &Route, client: Client<'_>, metadata: &mut MetadataMap) {
    if route.event_id.is_some() {
        forward(&LAST_EVENT_ID, client.headers, metadata);
    }
}
