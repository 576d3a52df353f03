//! Cursors: opaque to clients, tamper-evident, and bound to the list that made them.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use uuid::Uuid;

use crate::secret::{Key, MasterSecret};

const KEY_LEN: usize = 16;
const TOTAL_LEN: usize = 4;
/// 128 bits of the MAC: more than anybody can guess, and a cursor stays short.
const TAG_LEN: usize = 16;

/// Seals and opens the cursors of a service.
#[derive(Debug, Clone)]
pub struct Cursors {
    key: Key,
}

/// Where a list goes on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cursor {
    /// The key of the last row that was returned.
    pub after: Uuid,
    /// What the list is sorted by before that, of this row: as whoever made the list writes it. Empty where it
    /// is sorted by the key alone.
    pub sort_key: Vec<u8>,
    /// How many rows the list had when its first page was made.
    pub total: Total,
}

/// How many rows a list has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Total {
    /// That many.
    Exactly(i32),
    /// That many were counted, and there are more.
    MoreThan(i32),
}

impl Total {
    /// Of rows that were counted as far as one more than `most`.
    pub fn counted(rows: i32, most: i32) -> Self {
        if rows > most { Self::MoreThan(most) } else { Self::Exactly(rows) }
    }

    /// The number.
    pub fn rows(self) -> i32 {
        match self {
            Self::Exactly(rows) | Self::MoreThan(rows) => rows,
        }
    }

    /// One of which there are more is written as less than nothing.
    fn to_bytes(self) -> [u8; TOTAL_LEN] {
        match self {
            Self::Exactly(rows) => rows.to_be_bytes(),
            Self::MoreThan(rows) => (!rows).to_be_bytes(),
        }
    }

    fn from_bytes(bytes: [u8; TOTAL_LEN]) -> Self {
        match i32::from_be_bytes(bytes) {
            rows if rows < 0 => Self::MoreThan(!rows),
            rows => Self::Exactly(rows),
        }
    }
}

impl From<i32> for Total {
    fn from(rows: i32) -> Self {
        Self::Exactly(rows)
    }
}

impl Cursors {
    /// The cursors under a process's secret.
    pub fn new(secret: &MasterSecret) -> Self {
        Self { key: secret.derive("cursor") }
    }

    /// The text for a client. `list` names the list with its filters and sort.
    pub fn seal(&self, list: &str, cursor: &Cursor) -> String {
        let mut bytes = Vec::with_capacity(KEY_LEN + TOTAL_LEN + cursor.sort_key.len() + TAG_LEN);
        bytes.extend_from_slice(cursor.after.as_bytes());
        bytes.extend_from_slice(&cursor.total.to_bytes());
        bytes.extend_from_slice(&cursor.sort_key);
        let tag = self.key.mac(&[list.as_bytes(), &bytes]);
        bytes.extend_from_slice(&tag[..TAG_LEN]);
        URL_SAFE_NO_PAD.encode(bytes)
    }

    /// The cursor of a text; `None` when this list did not make it.
    pub fn open(&self, list: &str, text: &str) -> Option<Cursor> {
        let bytes = URL_SAFE_NO_PAD.decode(text).ok()?;
        let (body, tag) = bytes.split_at_checked(bytes.len().checked_sub(TAG_LEN)?)?;
        let expected = self.key.mac(&[list.as_bytes(), body]);
        if !constant_time_eq(tag, &expected[..TAG_LEN]) {
            return None;
        }
        let (after, rest) = body.split_at_checked(KEY_LEN)?;
        let (total, sort_key) = rest.split_at_checked(TOTAL_LEN)?;
        Some(Cursor {
            after: Uuid::from_slice(after).ok()?,
            sort_key: sort_key.to_vec(),
            total: Total::from_bytes(total.try_into().ok()?),
        })
    }
}

fn constant_time_eq(a: &[u8], b: &[u8]) -> bool {
    use subtle::ConstantTimeEq as _;
    a.ct_eq(b).into()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn cursors() -> Cursors {
        Cursors::new(&MasterSecret::new("a secret of more than 32 characters".into()).unwrap())
    }

    fn some_cursor() -> Cursor {
        Cursor { after: Uuid::now_v7(), sort_key: b"a name".to_vec(), total: 10_000.into() }
    }

    #[test]
    fn a_cursor_opens_only_for_the_list_that_made_it() {
        let cursor = some_cursor();
        let text = cursors().seal("products", &cursor);
        assert_eq!(cursors().open("products", &text), Some(cursor));
        assert_eq!(cursors().open("orders", &text), None);
    }

    #[test]
    fn an_altered_cursor_is_refused() {
        let text = cursors().seal("products", &some_cursor());
        for position in 0..text.len() {
            let mut altered = text.clone().into_bytes();
            altered[position] = if altered[position] == b'A' { b'B' } else { b'A' };
            let altered = String::from_utf8(altered).unwrap();
            assert_eq!(cursors().open("products", &altered), None);
        }
    }

    #[test]
    fn a_total_of_which_there_are_more_stays_one() {
        for total in [Total::Exactly(0), Total::MoreThan(0), Total::MoreThan(10_000)] {
            assert_eq!(Total::from_bytes(total.to_bytes()), total);
        }
        assert_eq!(Total::counted(10, 10), Total::Exactly(10));
        assert_eq!(Total::counted(11, 10), Total::MoreThan(10));
    }

    proptest! {
        #[test]
        fn no_text_makes_open_panic(text in ".*") {
            prop_assert_eq!(cursors().open("products", &text), None);
        }
    }
}
