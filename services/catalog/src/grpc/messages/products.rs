//! Products.

use prost_types::Struct;
use souk_kit::id::{CategoryId, ImageId};
use souk_kit::mask::Mask;
use souk_kit::{Currency, wire};
use souk_proto::google::r#type::Decimal;
use souk_proto::souk::catalog::v2 as proto;

use super::{etag, parse_id};
use crate::Error;
use crate::attributes::Attributes;
use crate::product::{NewPrice, NewProduct, Price, Product, ProductChange};
use crate::product_type::TypeName;

/// Reads the price of a new product. Without a currency it is in US dollars.
pub fn price(decimal: Option<&Decimal>, code: &str) -> Result<Price, Error> {
    let decimal = decimal.ok_or_else(|| Error::invalid("price", "is required"))?;
    let currency = if code.is_empty() { Currency::USD } else { currency(code)? };
    Price::parse(&decimal.value, currency).map_err(|issue| Error::invalid("price", issue))
}

pub fn currency(code: &str) -> Result<Currency, Error> {
    code.parse().map_err(|issue| Error::invalid("currency", issue))
}

pub fn attributes(message: Struct) -> Result<Attributes, Error> {
    Attributes::try_from(message).map_err(|issue| Error::invalid("attributes", issue))
}

fn image_ids(ids: &[String]) -> Result<Vec<ImageId>, Error> {
    ids.iter().map(|id| parse_id("image_ids", id)).collect()
}

fn category_ids(ids: &[String]) -> Result<Vec<CategoryId>, Error> {
    ids.iter().map(|id| parse_id("category_ids", id)).collect()
}

pub fn new_product(message: proto::CreateProductRequest) -> Result<NewProduct, Error> {
    Ok(NewProduct {
        price: price(message.price.as_ref(), &message.currency)?,
        category_ids: category_ids(&message.category_ids)?,
        product_type: TypeName::parse(message.r#type),
        attributes: attributes(message.attributes.unwrap_or_default())?,
        sku: message.sku,
        name: message.name,
        description: message.description,
        available: message.available,
    })
}

pub fn product_change(message: proto::UpdateProductRequest) -> Result<ProductChange, Error> {
    let mask = Mask::of(message.update_mask);
    let categories = category_ids(&message.category_ids)?;
    let images = image_ids(&message.image_ids)?;
    let amount = mask.required("price", message.price)?;
    let currency = mask.required("currency", message.currency)?;
    let attributes = message.attributes.map(attributes).transpose()?;
    Ok(ProductChange {
        sku: mask.required("sku", message.sku)?,
        name: mask.required("name", message.name)?,
        description: mask.clearable("description", message.description),
        price: new_price(amount, currency.as_deref())?,
        category_ids: mask
            .clearable("category_ids", Some(categories).filter(|ids| !ids.is_empty())),
        product_type: mask.clearable("type", message.r#type).map(TypeName::parse),
        attributes: mask.clearable("attributes", attributes),
        image_ids: mask.clearable("image_ids", Some(images).filter(|ids| !ids.is_empty())),
    })
}

fn new_price(amount: Option<Decimal>, code: Option<&str>) -> Result<Option<NewPrice>, Error> {
    match (amount, code) {
        (None, None) => Ok(None),
        (Some(amount), None) => Ok(Some(NewPrice::Amount(amount.value))),
        (None, Some(_)) => Err(Error::invalid("currency", "can only change with the price")),
        (Some(amount), Some(code)) => Ok(Some(NewPrice::Price(price(Some(&amount), code)?))),
    }
}

pub fn product_replacement(message: proto::ReplaceProductRequest) -> Result<ProductChange, Error> {
    Ok(ProductChange {
        price: Some(NewPrice::Price(price(message.price.as_ref(), &message.currency)?)),
        category_ids: Some(category_ids(&message.category_ids)?),
        product_type: Some(TypeName::parse(message.r#type)),
        attributes: Some(attributes(message.attributes.unwrap_or_default())?),
        sku: Some(message.sku),
        name: Some(message.name),
        description: Some(message.description),
        image_ids: None,
    })
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
            currency: product.price.money().currency().code().to_owned(),
            r#type: product.product_type.map(|name| name.to_string()).unwrap_or_default(),
            attributes: Some(product.attributes.into()),
            image_ids: product.image_ids.iter().map(ToString::to_string).collect(),
        }
    }
}
