//! Pages of lists: by cursor, or by number.

use souk_proto::souk::types::v1::{Pagination, Reason};
use uuid::Uuid;

use crate::cursor::{Cursor, Cursors};
use crate::failure::Failure;

const DEFAULT_SIZE: i32 = 20;

/// Which rows of a list a request asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Page {
    size: i32,
    start: Start,
}

/// Where a page starts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
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

impl Page {
    /// Reads the paging fields of a list request. The contract has checked the ranges.
    ///
    /// # Errors
    ///
    /// A cursor that `list` did not make, or a cursor and a page number at once.
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
        Ok(Self { size: size.unwrap_or(DEFAULT_SIZE), start })
    }

    /// The rows to read.
    pub fn window(&self) -> Window {
        let (after, offset) = match self.start {
            Start::First => (None, 0),
            Start::After(cursor) => (Some(cursor.after), 0),
            Start::Number(number) => (None, i64::from(number - 1) * i64::from(self.size)),
        };
        Window { after, offset, limit: i64::from(self.size) + 1 }
    }

    /// How many rows the list has, where the request itself says so; else it must be counted.
    pub fn known_total(&self) -> Option<i32> {
        match self.start {
            Start::After(cursor) => Some(cursor.total),
            Start::First | Start::Number(_) => None,
        }
    }

    /// Cuts the rows that [`Page::window`] read to the page, and says where it stands.
    pub fn finish<T>(
        &self,
        cursors: &Cursors,
        list: &str,
        mut rows: Vec<T>,
        total: i32,
        key: impl Fn(&T) -> Uuid,
    ) -> (Vec<T>, Pagination) {
        let size = usize::try_from(self.size).unwrap_or_default();
        let has_more = rows.len() > size;
        rows.truncate(size);
        let last = rows.last().filter(|_| has_more).map(key);
        let number = match self.start {
            Start::Number(number) => Some(number),
            Start::First | Start::After(_) => None,
        };
        let pagination = Pagination {
            size: self.size,
            next_cursor: last.map(|after| cursors.seal(list, Cursor { after, total })),
            has_more,
            total,
            page: number,
            pages: number.map(|_| total.div_euclid(self.size) + i32::from(total % self.size > 0)),
        };
        (rows, pagination)
    }
}
