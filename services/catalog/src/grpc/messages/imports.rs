//! Rows of imports, and what became of them.

use souk_kit::wire;
use souk_proto::Validate as _;
use souk_proto::souk::catalog::v2 as proto;

use super::products::{attributes, price};
use crate::Error;
use crate::import::{Import, NewImport, Rejection, Report, Row, State};
use crate::importing::Checked;
use crate::product_type::TypeName;

/// Checks a row of an import: those that break a rule are reported, not refused.
pub fn checked(message: proto::ImportProductsRequest) -> Checked {
    let line = message.line;
    let reject = |field, issue| Rejection { line, field, issue };
    if let Err(violations) = message.validate()
        && let Some(first) = violations.into_iter().next()
    {
        return Err(reject(first.field, first.issue));
    }
    let price = price(message.price.as_ref(), &message.currency).map_err(|error| match error {
        Error::Invalid { field, issue } => reject(field, issue),
        other => reject("price".to_owned(), other.to_string()),
    })?;
    let attributes = message.attributes.map(attributes).transpose();
    let attributes =
        attributes.map_err(|error| reject("attributes".to_owned(), error.to_string()))?;
    Ok(Row {
        line,
        product_type: message.r#type.map(TypeName::parse),
        attributes,
        sku: message.sku,
        name: message.name,
        description: message.description,
        price,
        stock: message.stock,
        categories: message.categories,
    })
}

impl From<Report> for proto::ImportProductsResponse {
    fn from(report: Report) -> Self {
        let Report { import, rejections } = report;
        Self {
            created: import.created,
            updated: import.updated,
            rejected: import.rejected,
            errors: rejections.into_iter().map(Into::into).collect(),
            import_id: import.id.to_string(),
        }
    }
}

impl From<Rejection> for proto::RejectedRow {
    fn from(Rejection { line, field, issue }: Rejection) -> Self {
        Self { line, field, issue }
    }
}

pub fn new_import(message: proto::CreateImportRequest) -> NewImport {
    let proto::CreateImportRequest { dry_run, r#type, source } = message;
    NewImport { dry_run, product_type: TypeName::parse(r#type), source, ordered: true }
}

impl From<Import> for proto::Import {
    fn from(import: Import) -> Self {
        Self {
            id: import.id.to_string(),
            state: proto::ImportState::from(import.state).into(),
            dry_run: import.dry_run,
            r#type: import.product_type.map(|name| name.to_string()).unwrap_or_default(),
            source: import.source,
            created: import.created,
            updated: import.updated,
            rejected: import.rejected,
            last_line: import.last_line,
            created_at: Some(wire::timestamp(import.created_at)),
            updated_at: Some(wire::timestamp(import.updated_at)),
        }
    }
}

impl From<State> for proto::ImportState {
    fn from(state: State) -> Self {
        match state {
            State::Open => Self::Open,
            State::Completed => Self::Completed,
            State::Cancelled => Self::Cancelled,
        }
    }
}
