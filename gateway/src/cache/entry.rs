//! An answer that is kept, and since when.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use bytes::{Buf as _, BufMut as _, Bytes, BytesMut};

#[derive(Debug, Clone)]
pub(super) struct Entry {
    pub wire: Bytes,
    /// Milliseconds since 1970: several processes look at it.
    at: u64,
}

impl Entry {
    /// One that has just come. It is copied: as it came it holds the buffer that it was read into.
    pub(super) fn new(wire: &[u8]) -> Self {
        Self { wire: Bytes::copy_from_slice(wire), at: now() }
    }

    pub(super) fn age(&self) -> Duration {
        Duration::from_millis(now().saturating_sub(self.at))
    }

    /// As the store has it: when, then what.
    pub(super) fn write(&self) -> Bytes {
        let mut text = BytesMut::with_capacity(8 + self.wire.len());
        text.put_u64(self.at);
        text.extend_from_slice(&self.wire);
        text.freeze()
    }

    /// Reads what a store has; `None` when it is none.
    pub(super) fn read(mut text: Bytes) -> Option<Self> {
        let at = text.try_get_u64().ok()?;
        Some(Self { wire: text, at })
    }
}

fn now() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    since.as_millis().try_into().unwrap_or(u64::MAX)
}
