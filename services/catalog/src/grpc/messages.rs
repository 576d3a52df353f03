//! Messages to domain types and back.

use std::fmt::Display;
use std::str::FromStr;

use prost_types::FieldMask;
use souk_kit::id::{CategoryId, ProductId};
use souk_kit::{Currency, wire};
use souk_proto::Validate as _;
use souk_proto::google::r#type::Decimal;
use souk_proto::souk::catalog::v1 as proto;

use crate::Error;
use crate::category::{Category, CategoryChange, NewCategory};
use crate::import::{Rejection, Report, Row};
use crate::importing::Checked;
use crate::product::{NewProduct, Price, Product, ProductChange};
use crate::reservation::{Line, Reservation, Shortage, Status};
use crate::stock::Stock;

/// Reads an id; the contract has checked its form.
pub fn parse_id<T: FromStr<Err: Display>>(field: &str, id: &str) -> Result<T, Error> {
    id.parse().map_err(|error| Error::invalid(field, error))
}

/// Reads the id that a path names. Text that can be no id names nothing.
pub fn path_id<T: FromStr>(kind: &'static str, id: &str) -> Result<T, Error> {
    id.parse().map_err(|_| Error::NoSuch { kind, id: id.to_owned() })
}

fn price(decimal: Option<&Decimal>) -> Result<Price, Error> {
    let decimal = decimal.ok_or_else(|| Error::invalid("price", "is required"))?;
    // the one currency of this version of the contract
    Price::parse(&decimal.value, Currency::USD).map_err(|issue| Error::invalid("price", issue))
}

fn category_ids(ids: &[String]) -> Result<Vec<CategoryId>, Error> {
    ids.iter().map(|id| parse_id("category_ids", id)).collect()
}

pub fn new_product(message: proto::CreateProductRequest) -> Result<NewProduct, Error> {
    Ok(NewProduct {
        price: price(message.price.as_ref())?,
        category_ids: category_ids(&message.category_ids)?,
        sku: message.sku,
        name: message.name,
        description: message.description,
        available: message.available,
    })
}

pub fn product_change(message: proto::UpdateProductRequest) -> Result<ProductChange, Error> {
    let mask = Mask::of(message.update_mask);
    let categories = category_ids(&message.category_ids)?;
    let price = message.price.as_ref().map(|decimal| price(Some(decimal))).transpose()?;
    Ok(ProductChange {
        sku: mask.required("sku", message.sku)?,
        name: mask.required("name", message.name)?,
        description: mask.clearable("description", message.description),
        price: mask.required("price", price)?,
        category_ids: mask
            .clearable("category_ids", Some(categories).filter(|ids| !ids.is_empty())),
    })
}

pub fn product_replacement(message: proto::ReplaceProductRequest) -> Result<ProductChange, Error> {
    Ok(ProductChange {
        price: Some(price(message.price.as_ref())?),
        category_ids: Some(category_ids(&message.category_ids)?),
        sku: Some(message.sku),
        name: Some(message.name),
        description: Some(message.description),
    })
}

pub fn new_category(message: proto::CreateCategoryRequest) -> NewCategory {
    NewCategory { slug: message.slug, name: message.name, description: message.description }
}

pub fn category_change(message: proto::UpdateCategoryRequest) -> Result<CategoryChange, Error> {
    let mask = Mask::of(message.update_mask);
    Ok(CategoryChange {
        slug: mask.required("slug", message.slug)?,
        name: mask.required("name", message.name)?,
        description: mask.clearable("description", message.description),
    })
}

pub fn category_replacement(message: proto::ReplaceCategoryRequest) -> CategoryChange {
    CategoryChange {
        slug: Some(message.slug),
        name: Some(message.name),
        description: Some(message.description),
    }
}

pub fn lines(lines: &[proto::StockLine]) -> Result<Vec<Line>, Error> {
    lines
        .iter()
        .map(|line| {
            let product: ProductId = parse_id("lines.product_id", &line.product_id)?;
            Ok(Line { product, quantity: line.quantity })
        })
        .collect()
}

/// Checks a row of an import: those that break a rule are reported, not refused.
pub fn checked(message: proto::ImportProductsRequest) -> Checked {
    let line = message.line;
    let reject = |field, issue| Rejection { line, field, issue };
    if let Err(violations) = message.validate()
        && let Some(first) = violations.into_iter().next()
    {
        return Err(reject(first.field, first.issue));
    }
    let price = price(message.price.as_ref()).map_err(|error| match error {
        Error::Invalid { field, issue } => reject(field, issue),
        other => reject("price".to_owned(), other.to_string()),
    })?;
    Ok(Row {
        line,
        sku: message.sku,
        name: message.name,
        description: message.description,
        price,
        stock: message.stock,
        categories: message.categories,
    })
}

/// Which fields an update names (AIP-134): without a mask, those that have a value.
struct Mask(Option<FieldMask>);

impl Mask {
    fn of(mask: Option<FieldMask>) -> Self {
        Self(mask.filter(|mask| !mask.paths.is_empty()))
    }

    /// A path below a field (`price.value`) names the field: it changes as a whole.
    fn names(&self, field: &str) -> bool {
        let is_field = |path: &String| path.split('.').next() == Some(field);
        self.0.as_ref().is_none_or(|mask| mask.paths.iter().any(is_field))
    }

    /// The new value of a field that must have one.
    fn required<T>(&self, field: &str, value: Option<T>) -> Result<Option<T>, Error> {
        if !self.names(field) {
            return Ok(None);
        }
        match value {
            None if self.0.is_some() => Err(Error::invalid(field, "cannot be cleared")),
            value => Ok(value),
        }
    }

    /// The new value of a field that is empty when cleared.
    fn clearable<T: Default>(&self, field: &str, value: Option<T>) -> Option<T> {
        match value {
            _ if !self.names(field) => None,
            None if self.0.is_some() => Some(T::default()),
            value => value,
        }
    }
}

fn etag(version: i64) -> String {
    format!("\"{version}\"")
}

impl From<Product> for proto::Product {
    fn from(product: Product) -> Self {
        Self {
            id: product.id.to_string(),
            sku: product.sku,
            name: product.name,
            description: product.description,
            price: Some(product.price.money().into()),
            available: product.available,
            in_stock: product.available > 0,
            category_ids: product.category_ids.iter().map(ToString::to_string).collect(),
            created_at: Some(wire::timestamp(product.created_at)),
            updated_at: Some(wire::timestamp(product.updated_at)),
            etag: etag(product.version),
        }
    }
}

impl From<Category> for proto::Category {
    fn from(category: Category) -> Self {
        Self {
            id: category.id.to_string(),
            slug: category.slug,
            name: category.name,
            description: category.description,
            created_at: Some(wire::timestamp(category.created_at)),
            updated_at: Some(wire::timestamp(category.updated_at)),
            etag: etag(category.version),
        }
    }
}

impl From<Stock> for proto::Stock {
    fn from(stock: Stock) -> Self {
        Self {
            product_id: stock.product.to_string(),
            available: stock.available,
            reserved: stock.reserved,
            on_hand: stock.available.saturating_add(stock.reserved),
        }
    }
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

impl From<Reservation> for proto::Reservation {
    fn from(reservation: Reservation) -> Self {
        let held = reservation.status == Status::Held;
        Self {
            order_id: reservation.order.to_string(),
            status: proto::ReservationStatus::from(reservation.status).into(),
            shortages: reservation.shortages.into_iter().map(Into::into).collect(),
            expires_at: held.then(|| wire::timestamp(reservation.expires_at)),
        }
    }
}

impl From<Shortage> for proto::Shortage {
    fn from(shortage: Shortage) -> Self {
        Self {
            product_id: ProductId::from_uuid(shortage.product).to_string(),
            requested: shortage.requested,
            available: shortage.available,
        }
    }
}

impl From<Status> for proto::ReservationStatus {
    fn from(status: Status) -> Self {
        match status {
            Status::Held => Self::Held,
            Status::Rejected => Self::Rejected,
            Status::Released => Self::Released,
            Status::Expired => Self::Expired,
            Status::Committed => Self::Committed,
        }
    }
}
