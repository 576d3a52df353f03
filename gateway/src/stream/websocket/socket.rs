//! A connection as a WebSocket.

use hyper::upgrade::Upgraded;
use hyper_util::rt::TokioIo;
use tokio::io::{Join, ReadHalf, WriteHalf, join, split};
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::protocol::{Role, WebSocketConfig};

use super::intake::{Intake, Unfinished};

/// How much of what a client sends is read at once, in bytes.
const READ_BUFFER: usize = 4 * 1024;

type Io = TokioIo<Upgraded>;
pub(super) type Socket = WebSocketStream<Join<Intake<ReadHalf<Io>>, WriteHalf<Io>>>;

/// Opens one whose client may send messages of so many bytes.
pub(super) async fn open(upgraded: Upgraded, largest: usize, unfinished: Unfinished) -> Socket {
    let config = WebSocketConfig::default()
        .read_buffer_size(READ_BUFFER)
        // what is written is flushed anyway
        .write_buffer_size(0)
        .max_message_size(Some(largest))
        .max_frame_size(Some(largest));
    let (reader, writer) = split(TokioIo::new(upgraded));
    let io = join(Intake { reader, unfinished }, writer);
    WebSocketStream::from_raw_socket(io, Role::Server, Some(config)).await
}
