//! Text on its way to a client. Where it has room, it takes it until the last of it is gone.

use bytes::Bytes;
use souk_kit::body::Room;

use crate::admission::places::held;

#[derive(Debug, Default)]
pub(crate) struct Text {
    bytes: Vec<u8>,
    room: Option<Room>,
}

impl Text {
    /// Text that takes this room.
    pub(crate) fn in_room(bytes: Vec<u8>, room: Room) -> Self {
        Self { bytes, room: Some(room) }
    }

    /// The text between two others, in the buffer that it has: it may be large.
    #[must_use]
    pub(crate) fn within(mut self, before: &str, after: &str) -> Self {
        self.bytes.reserve_exact(before.len() + after.len());
        self.bytes.splice(..0, before.bytes());
        self.bytes.extend_from_slice(after.as_bytes());
        self
    }
}

impl From<Vec<u8>> for Text {
    fn from(bytes: Vec<u8>) -> Self {
        Self { bytes, room: None }
    }
}

impl From<Text> for Bytes {
    fn from(text: Text) -> Self {
        match text.room {
            Some(room) => held(text.bytes, room),
            None => text.bytes.into(),
        }
    }
}
