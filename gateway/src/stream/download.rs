//! Bytes of any media type, as they come. Nothing can be told between them: an answer that is not whole is
//! cut.

use std::time::Duration;

use axum::body::Body;
use bytes::Bytes;
use futures::stream;
use tokio::time::{Instant, timeout, timeout_at};

use super::source::Source;
use crate::admission::places::Place;
use crate::upstream::pipe::{Writer, pipe};

/// How many bytes a client has to take at once.
const PIECE: usize = 64 * 1024;

/// A download that has begun.
pub(super) struct Download {
    pub source: Source,
    /// Its first bytes.
    pub first: Bytes,
    /// No download lasts longer.
    pub until: Instant,
    /// How long a client may take for one piece.
    pub patience: Duration,
    /// Given back when all has been taken, or nobody takes more.
    pub place: Place,
}

impl Download {
    /// The body of the answer.
    pub(super) fn into_body(self) -> Body {
        let Self { mut source, first, until, patience, place } = self;
        let (writer, reader) = pipe();
        // ends when its answer is dropped
        tokio::spawn(async move {
            let carried = carry(&mut source, first, patience, &writer);
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

/// Carries all bytes; whether the client has taken them.
async fn carry(
    source: &mut Source,
    first: Bytes,
    patience: Duration,
    writer: &Writer<Bytes>,
) -> bool {
    let mut bytes = first;
    loop {
        while !bytes.is_empty() {
            let piece = bytes.split_to(bytes.len().min(PIECE));
            match timeout(patience, writer.send(piece)).await {
                Ok(Ok(())) => {}
                Ok(Err(_)) | Err(_) => return false,
            }
        }
        match source.bytes().await {
            Ok(Some(body)) => bytes = body.data,
            Ok(None) => return true,
            Err(_) => return false,
        }
    }
}
