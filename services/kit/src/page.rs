//! Pages of lists: by cursor, or by number.

use souk_proto::souk::types::v1::Reason;
use uuid::Uuid;

use crate::cursor::{Cursor, Cursors, Total};
use crate::failure::Failure;

const DEFAULT_SIZE: i32 = 20;
/// A page by cursor has no more bytes than this, if it has more than one row.
const CURSOR_BYTES: usize = 1024 * 1024;
/// No page has more bytes than this: clients of gRPC take 4 MiB, unless told otherwise.
const MAX_BYTES: usize = 3 * 1024 * 1024;

/// A page by number begins after no more rows than this: they are read to be skipped.
const MAX_OFFSET: i64 = 10_000;

/// Which rows of a list a request asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Page {
    size: i32,
    start: Start,
}

/// Where a page starts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Start {
    /// At the first row.
    First,
    /// After the row with this key.
    After(Cursor),
    /// At a page number, from 1.
    Number(i32),
}

/// What a store needs to know to read a page.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Window {
    /// Rows at or before this key are left out.
    pub after: Option<Uuid>,
    /// How many rows to skip.
    pub offset: i64,
    /// How many rows to read: one more than the page has, to see whether there is a next page.
    pub limit: i64,
}

/// Where a page stands in its list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Position {
    /// How many rows a full page has.
    pub size: i32,
    /// The cursor of the next page; `None` on the last.
    pub next_cursor: Option<String>,
    /// How many rows the whole list has.
    pub total: Total,
    /// The number of the page, in page mode.
    pub number: Option<i32>,
}

impl Page {
    /// Reads the paging fields of a list request. The contract has checked the ranges.
    ///
    /// # Errors
    ///
    /// A cursor that `list` did not make, a cursor and a page number at once, or a page too far from the
    /// beginning.
    pub fn parse(
        cursors: &Cursors,
        list: &str,
        size: Option<i32>,
        cursor: &str,
        number: Option<i32>,
    ) -> Result<Self, Failure> {
        let start = match (cursor, number) {
            ("", None) => Start::First,
            ("", Some(number)) => Start::Number(number),
            (_, Some(_)) => {
                return Err(Failure::invalid("page", "must not be combined with a cursor"));
            }
            (cursor, None) => {
                let cursor = cursors.open(list, cursor).ok_or_else(|| {
                    Failure::new(Reason::CursorInvalid, "the cursor does not belong to this list")
                        .violation("cursor", "must be the next_cursor of a page of this list")
                })?;
                Start::After(cursor)
            }
        };
        let page = Self { size: size.unwrap_or(DEFAULT_SIZE), start };
        if page.window().offset > MAX_OFFSET {
            let last = MAX_OFFSET / i64::from(page.size) + 1;
            let issue = format!("must be at most {last} here: cursors lead further");
            return Err(Failure::invalid("page", issue));
        }
        Ok(page)
    }

    /// Where the page before ended, if that is where this one goes on.
    pub fn cursor(&self) -> Option<&Cursor> {
        match &self.start {
            Start::After(cursor) => Some(cursor),
            Start::First | Start::Number(_) => None,
        }
    }

    /// Whether it is asked for by its number.
    pub fn is_numbered(&self) -> bool {
        matches!(self.start, Start::Number(_))
    }

    /// The rows to read.
    pub fn window(&self) -> Window {
        let (after, offset) = match &self.start {
            Start::First => (None, 0),
            Start::After(cursor) => (Some(cursor.after), 0),
            Start::Number(number) => (None, i64::from(number - 1) * i64::from(self.size)),
        };
        Window { after, offset, limit: i64::from(self.size) + 1 }
    }

    /// How many rows the list has, where the request itself says so; else it must be counted.
    pub fn known_total(&self) -> Option<Total> {
        self.cursor().map(|cursor| cursor.total)
    }

    /// Cuts the rows that [`Page::window`] read to the page, and says where it stands. A page by
    /// cursor ends early when it would be too large; the next goes on from there.
    ///
    /// # Errors
    ///
    /// A page by number that would be too large: cut, it would skip rows.
    pub fn finish<T: Row>(
        &self,
        cursors: &Cursors,
        list: &str,
        mut rows: Vec<Entry<T>>,
        total: impl Into<Total>,
    ) -> Result<(Vec<T>, Position), Failure> {
        let (size, total) = (usize::try_from(self.size).unwrap_or_default(), total.into());
        let number = match &self.start {
            Start::Number(number) => Some(*number),
            Start::First | Start::After(_) => None,
        };
        let fit = rows_that_fit(&rows, if number.is_some() { MAX_BYTES } else { CURSOR_BYTES });
        if number.is_some() && fit < size.min(rows.len()) {
            return Err(Failure::invalid(
                "size",
                format!("must be at most {fit} here: larger pages would have too many bytes"),
            ));
        }
        let has_more = rows.len() > size.min(fit);
        rows.truncate(size.min(fit));
        let last = rows.last().filter(|_| has_more);
        let cursor = |row: &Entry<T>| Cursor { after: row.key(), sort_key: row.sort_key(), total };
        let next_cursor = last.map(|row| cursors.seal(list, &cursor(row)));
        let rows = rows.into_iter().filter_map(Entry::row).collect();
        Ok((rows, Position { size: self.size, next_cursor, total, number }))
    }
}

/// How many rows fit into so many bytes; one always does.
fn rows_that_fit<T: Row>(rows: &[Entry<T>], most: usize) -> usize {
    let mut bytes = 0;
    let fit = rows.iter().take_while(|row| {
        bytes += row.bytes();
        bytes <= most
    });
    fit.count().max(1)
}

/// A row of a list.
pub trait Row {
    /// The key that the list is sorted by.
    fn key(&self) -> Uuid;

    /// What the list is sorted by before that, if by anything: see [`Cursor`].
    fn sort_key(&self) -> Vec<u8> {
        Vec::new()
    }

    /// About how many bytes the row takes in an answer, where that is largest: in JSON.
    fn bytes(&self) -> usize;
}

/// A row as a store has found it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Entry<T> {
    /// One that can be shown.
    Row(T),
    /// One that this version cannot read. It is left out, and the list goes on behind it.
    Unreadable {
        /// Its key.
        key: Uuid,
        /// What the list is sorted by before that, if by anything.
        sort_key: Vec<u8>,
    },
}

impl<T> Entry<T> {
    /// One of a list that is sorted by its key alone that cannot be read.
    pub fn unreadable(key: Uuid) -> Self {
        Self::Unreadable { key, sort_key: Vec::new() }
    }

    /// The row, if it can be shown.
    pub fn row(self) -> Option<T> {
        match self {
            Self::Row(row) => Some(row),
            Self::Unreadable { .. } => None,
        }
    }
}

impl<T: Row> Entry<T> {
    fn key(&self) -> Uuid {
        match self {
            Self::Row(row) => row.key(),
            Self::Unreadable { key, .. } => *key,
        }
    }

    fn sort_key(&self) -> Vec<u8> {
        match self {
            Self::Row(row) => row.sort_key(),
            Self::Unreadable { sort_key, .. } => sort_key.clone(),
        }
    }

    fn bytes(&self) -> usize {
        match self {
            Self::Row(row) => row.bytes(),
            Self::Unreadable { .. } => 0,
        }
    }
}

impl Position {
    /// How many pages there are, in page mode.
    pub fn pages(&self) -> Option<i32> {
        let total = self.total.rows();
        let pages = total.div_euclid(self.size) + i32::from(total % self.size > 0);
        self.number.map(|_| pages)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::secret::MasterSecret;

    struct Large(Uuid);

    impl Row for Large {
        fn key(&self) -> Uuid {
            self.0
        }

        fn bytes(&self) -> usize {
            400_000
        }
    }

    fn cursors() -> Cursors {
        Cursors::new(&MasterSecret::new("a secret of more than 32 characters".into()).unwrap())
    }

    fn rows() -> Vec<Entry<Large>> {
        (0..11).map(|_| Entry::Row(Large(Uuid::now_v7()))).collect()
    }

    #[test]
    fn a_page_of_large_rows_ends_early_and_the_next_goes_on_from_there() {
        let page = Page::parse(&cursors(), "list", Some(10), "", None).unwrap();
        let all = rows();
        let second = all[1].key();
        let (rows, position) = page.finish(&cursors(), "list", all, 11).unwrap();
        assert_eq!(rows.len(), 2);
        let cursor = cursors().open("list", &position.next_cursor.unwrap()).unwrap();
        assert_eq!(cursor.after, second);
    }

    #[test]
    fn a_page_far_from_the_beginning_is_refused_and_the_last_is_named() {
        let page = |size, number| Page::parse(&cursors(), "list", Some(size), "", Some(number));
        assert!(page(100, 101).is_ok());
        let refused = tonic::Status::from(page(100, 102).unwrap_err());
        let details = tonic_types::StatusExt::get_details_bad_request(&refused).unwrap();
        assert!(details.field_violations[0].description.contains("at most 101"), "{details:?}");
        assert!(page(100, 1_000_000).is_err());
    }

    #[test]
    fn a_page_that_ends_with_a_row_that_cannot_be_read_is_not_the_last() {
        let page = Page::parse(&cursors(), "list", Some(2), "", None).unwrap();
        let mut all = rows();
        let unreadable = all[1].key();
        all[1] = Entry::unreadable(unreadable);
        all.truncate(3);
        let (rows, position) = page.finish(&cursors(), "list", all, 3).unwrap();
        assert_eq!(rows.len(), 1);
        let cursor = cursors().open("list", &position.next_cursor.unwrap()).unwrap();
        assert_eq!(cursor.after, unreadable);
    }

    #[test]
    fn a_page_by_number_of_too_many_bytes_is_refused_and_says_how_many_rows_fit() {
        let page = Page::parse(&cursors(), "list", Some(10), "", Some(1)).unwrap();
        assert!(page.finish(&cursors(), "list", rows(), 11).is_err());
        let page = Page::parse(&cursors(), "list", Some(7), "", Some(1)).unwrap();
        let (rows, position) = page.finish(&cursors(), "list", rows(), 11).unwrap();
        assert_eq!((rows.len(), position.pages()), (7, Some(2)));
    }
}
