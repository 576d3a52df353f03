//! Rows of imports, and what became of them.

use souk_proto::Validate as _;
use souk_proto::souk::catalog::v2 as proto;

use super::products::{attributes, price};
use crate::Error;
use crate::import::{Rejection, Report, Row};
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
        let Report { created, updated, rejected, rejections } = report;
        let errors = rejections
            .into_iter()
            .map(|Rejection { line, field, issue }| proto::RejectedRow { line, field, issue });
        Self { created, updated, rejected, errors: errors.collect() }
    }
}
