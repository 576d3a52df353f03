//! Bytes of any media type, as they come. Nothing can be told between them: an answer that is not whole is
//! cut. So is one that its client takes too slowly, by the listener (`souk_kit::listener::Pace`).

use axum::body::Body;
use bytes::Bytes;
use futures::stream;
use http::header::{
    ACCEPT_RANGES, CONTENT_DISPOSITION, CONTENT_LENGTH, CONTENT_RANGE, CONTENT_TYPE, ETAG,
};
use http::{HeaderMap, HeaderValue, Method, Response, StatusCode, Version};
use souk_proto::souk::types::v1::Reason;
use tokio::time::{Instant, timeout_at};

use super::Streams;
use super::opening::Opening;
use super::source::Source;
use crate::admission::places::Place;
use crate::errors::problem::Problem;
use crate::reply;
use crate::response::answer::Answer;
use crate::response::caller::Caller;
use crate::response::entity_tag;
use crate::response::range::{self, Part, Range, is_current};
use crate::routing::Route;
use crate::transcode::HttpBody;
use crate::upstream::pipe::{Writer, pipe};

/// How many bytes a client has to take at once.
const PIECE: usize = 64 * 1024;
/// What `HEAD` is enough of.
const FIRST_BYTE: Range = Range::From(0, Some(0));

/// Refuses a version of HTTP in which nobody could tell whether an answer is whole.
pub(super) fn check_version(route: &Route, version: Version) -> Result<(), Problem> {
    if version >= Version::HTTP_11 || route.download.is_some() {
        return Ok(());
    }
    let message = "the answer comes in pieces: ask for it over HTTP/1.1 or newer, where a client can \
                   tell whether it is whole";
    Err(Problem::new(Reason::MalformedRequest, message))
}

/// What a service has said first.
struct First {
    source: Source,
    /// The message.
    message: Bytes,
    /// The bytes in it.
    body: HttpBody,
}

impl First {
    /// Asks for a range of the bytes, or for all.
    async fn of(
        opening: &Opening<'_>,
        request: Bytes,
        range: Option<Range>,
    ) -> Result<Self, Problem> {
        let Opening { plans, route, .. } = opening;
        let request = match &route.download {
            Some(download) => download.ask(plans, route.input, request, range)?,
            None => request,
        };
        let mut source = opening.open(request, None).await?;
        let message = source.wire().await?.unwrap_or_default();
        let body = source.body(&message)?;
        Ok(Self { source, message, body })
    }

    /// The headers that say what it is, of which all is the same, whatever part is sent.
    fn headers(&self, route: &Route) -> HeaderMap {
        let mut headers: HeaderMap = route.headers.iter().cloned().collect();
        headers.insert(CONTENT_TYPE, reply::media_type(&self.body));
        if let Some(download) = &route.download {
            headers.insert(ACCEPT_RANGES, HeaderValue::from_static("bytes"));
            let version = route.version.as_ref().and_then(|version| version.text(&self.message));
            let tag = version.and_then(entity_tag::of_bytes);
            headers.extend(tag.map(|tag| (ETAG, tag)));
            let disposition = download.disposition(&self.message);
            headers.extend(disposition.map(|value| (CONTENT_DISPOSITION, value)));
        }
        headers
    }
}

impl Streams {
    /// Waits for the first bytes, which say what they are; all of them, or the part that is asked for.
    pub(super) async fn download(
        &self,
        opening: &Opening<'_>,
        method: &Method,
        request: Bytes,
        until: Instant,
        place: Place,
    ) -> Result<Response<Answer>, Problem> {
        let Opening { route, client, .. } = opening;
        let mut range = Range::of(method, client.headers).filter(|_| route.download.is_some());
        let wanted = if method == Method::HEAD { Some(FIRST_BYTE) } else { range };
        let mut first = First::of(opening, request.clone(), wanted).await?;
        let mut headers = first.headers(route);
        if range.is_some() && !is_current(client.headers, &headers) {
            // the client has parts of another version
            range = None;
            first = First::of(opening, request, None).await?;
            headers = first.headers(route);
        }
        // who knows it already gets no part of it
        range = range.filter(|_| !entity_tag::is_known(client.headers, &headers));
        let size = route.download.as_ref().map(|download| download.size(&first.message));
        let part = range.zip(size).map(|(range, size)| (range.within(size), size));
        let (status, length) = match &part {
            Some((Part::Nothing, size)) => {
                let caller =
                    Caller { headers: client.headers, request_id: &client.context.request_id };
                return Ok(range::beyond(*size, &caller));
            }
            Some((part @ Part::Of(bytes), size)) => {
                headers.extend(part.told(*size).map(|told| (CONTENT_RANGE, told)));
                (StatusCode::PARTIAL_CONTENT, Some(bytes.end() - bytes.start() + 1))
            }
            None => (StatusCode::OK, size),
        };
        headers.extend(length.map(|length| (CONTENT_LENGTH, length.into())));
        let First { source, body, .. } = first;
        let download = Download { source, first: body.data, length, until, place };
        let mut response = Response::new(Answer::from(download.into_body()));
        *response.status_mut() = status;
        *response.headers_mut() = headers;
        Ok(response)
    }
}

/// A download that has begun.
struct Download {
    source: Source,
    /// Its first bytes.
    first: Bytes,
    /// How many there are, where that has been told.
    length: Option<u64>,
    /// No download lasts longer.
    until: Instant,
    /// Given back when all has been taken, or nobody takes more.
    place: Place,
}

impl Download {
    /// The body of the answer.
    fn into_body(self) -> Body {
        let Self { mut source, first, length, until, place } = self;
        let (writer, reader) = pipe();
        // ends when its answer is dropped
        tokio::spawn(async move {
            let carried = carry(&mut source, first, length, &writer);
            let is_whole = tokio::select! {
                carried = timeout_at(until, carried) => carried.unwrap_or(false),
                () = writer.closed() => return,
            };
            if is_whole {
                writer.finish(None);
            } else {
                tracing::warn!(request_id = &**source.request_id(), "a download is cut");
            }
        });
        let pieces = stream::unfold((reader, place), |(mut reader, place)| async {
            Some((reader.next().await?, (reader, place)))
        });
        Body::from_stream(pieces)
    }
}

/// Carries all bytes; whether the client has taken them, and they are as many as was told.
async fn carry(
    source: &mut Source,
    first: Bytes,
    length: Option<u64>,
    writer: &Writer<Bytes>,
) -> bool {
    let (mut bytes, mut count) = (first, 0);
    loop {
        count += bytes.len() as u64;
        if length.is_some_and(|length| count > length) {
            return false;
        }
        while !bytes.is_empty() {
            let piece = bytes.split_to(bytes.len().min(PIECE));
            if writer.send(piece).await.is_err() {
                return false;
            }
        }
        match source.bytes().await {
            Ok(Some(body)) => bytes = body.data,
            Ok(None) => return length.is_none_or(|length| count == length),
            Err(_) => return false,
        }
    }
}
