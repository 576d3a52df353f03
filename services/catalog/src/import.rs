//! Imports: many products at once, created or updated by SKU.

use crate::attributes::Attributes;
use crate::product::Price;
use crate::product_type::TypeName;

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
    /// The type, or none; absent, a product keeps the one that it has.
    pub product_type: Option<Option<TypeName>>,
    /// Absent, a product keeps those that it has.
    pub attributes: Option<Attributes>,
}

impl Row {
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
