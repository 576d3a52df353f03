//! Imports: many products at once, created or updated by SKU.

use souk_kit::id::ImportId;
use souk_kit::page;
use time::OffsetDateTime;
use uuid::Uuid;

use crate::attributes::Attributes;
use crate::product::Price;
use crate::product_type::TypeName;

/// A row that keeps the rules.
#[derive(Debug, Clone)]
pub struct Row {
    /// Where it stands in its source.
    pub line: i32,
    pub sku: String,
    pub name: String,
    pub description: Option<String>,
    pub price: Price,
    pub stock: Option<i32>,
    pub categories: Vec<String>,
    /// The type, or none; absent, a product keeps the one that it has.
    pub product_type: Option<Option<TypeName>>,
    /// Absent, a product keeps those that it has.
    pub attributes: Option<Attributes>,
}

impl Row {
    /// About how many bytes it takes.
    pub fn bytes(&self) -> usize {
        let texts =
            self.sku.len() + self.name.len() + self.description.as_ref().map_or(0, String::len);
        let categories: usize = self.categories.iter().map(|slug| slug.len() + 24).sum();
        texts + categories + self.attributes.as_ref().map_or(0, Attributes::bytes) + 300
    }

    /// Why it is left out.
    pub fn rejected(&self, field: impl Into<String>, issue: impl Into<String>) -> Rejection {
        Rejection { line: self.line, field: field.into(), issue: issue.into() }
    }
}

/// A row that is left out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rejection {
    pub line: i32,
    pub field: String,
    pub issue: String,
}

/// What became of the rows until now.
#[derive(Debug)]
pub struct Report {
    pub import: Import,
    /// The first of the rejected rows.
    pub rejections: Vec<Rejection>,
}

/// The list that cursors of imports belong to, and under which imports are counted.
pub const LIST: &str = "imports";

/// An import.
#[derive(Debug, Clone)]
pub struct Import {
    pub id: ImportId,
    pub state: State,
    pub dry_run: bool,
    pub product_type: Option<TypeName>,
    pub source: String,
    pub created: i32,
    pub updated: i32,
    pub rejected: i32,
    pub last_line: i32,
    pub created_at: OffsetDateTime,
    pub updated_at: OffsetDateTime,
}

impl page::Row for Import {
    fn key(&self) -> Uuid {
        self.id.uuid()
    }

    fn bytes(&self) -> usize {
        self.source.len() + 500
    }
}

/// An import to create.
#[derive(Debug, Clone)]
pub struct NewImport {
    pub dry_run: bool,
    pub product_type: Option<TypeName>,
    pub source: String,
    /// Whether its lines grow, so that another stream may go on with it.
    pub ordered: bool,
}

impl NewImport {
    /// That of a stream which goes on with none.
    pub fn of_one_stream() -> Self {
        Self { dry_run: false, product_type: None, source: String::new(), ordered: false }
    }
}

/// Where an import stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    Open,
    Completed,
    Cancelled,
}

impl State {
    /// The word in the database.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::Completed => "completed",
            Self::Cancelled => "cancelled",
        }
    }

    /// The state of a word of the database.
    pub fn from_word(word: &str) -> Option<Self> {
        [Self::Open, Self::Completed, Self::Cancelled].into_iter().find(|one| one.as_str() == word)
    }
}

/// A stream that stores rows of an import, until another one takes it over.
#[derive(Debug, Clone)]
pub struct Session {
    pub id: ImportId,
    pub epoch: i32,
    pub dry_run: bool,
    pub product_type: Option<TypeName>,
    pub ordered: bool,
    /// How far the import was when the stream came.
    pub batches: i32,
    pub last_line: i32,
}

impl Session {
    /// What a row of the stream is to the import: nothing, where a stream before has brought it.
    pub fn next(
        &self,
        row: Result<Row, Rejection>,
        last_line: &mut i32,
    ) -> Option<Result<Row, Rejection>> {
        let line = match &row {
            Ok(row) => row.line,
            Err(rejection) => rejection.line,
        };
        if self.ordered && (1..=self.last_line).contains(&line) {
            return None;
        }
        if self.ordered && line <= *last_line {
            let issue = "must be larger than that of the row before".to_owned();
            return Some(Err(Rejection { line, field: "line".to_owned(), issue }));
        }
        *last_line = line.max(*last_line);
        let of_import = || self.product_type.clone().map(Some);
        Some(
            row.map(|row| Row { product_type: row.product_type.clone().or_else(of_import), ..row }),
        )
    }
}
