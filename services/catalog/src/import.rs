//! Imports: many products at once, created or updated by SKU.

use crate::product::Price;

/// How many rejected rows the report names.
const MAX_REPORTED: usize = 1_000;

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
}

/// A row that is left out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rejection {
    pub line: i32,
    pub field: String,
    pub issue: String,
}

/// What became of the rows so far.
#[derive(Debug, Default)]
pub struct Report {
    pub created: i32,
    pub updated: i32,
    pub rejected: i32,
    /// The first of the rejected rows.
    pub rejections: Vec<Rejection>,
}

impl Report {
    pub fn reject(&mut self, rejection: Rejection) {
        self.rejected += 1;
        if self.rejections.len() < MAX_REPORTED {
            self.rejections.push(rejection);
        }
    }
}
