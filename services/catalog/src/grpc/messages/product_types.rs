//! Product types.

use prost_types::Struct;
use souk_kit::mask::Mask;
use souk_kit::wire;
use souk_proto::souk::catalog::v2 as proto;

use super::etag;
use crate::Error;
use crate::attributes::Attributes;
use crate::product_type::{Definition, ProductType, TypeChange, TypeName};

/// Reads the name of a type that is there. Text that can be none names nothing.
pub fn type_name(name: &str) -> Result<TypeName, Error> {
    let missing = || Error::NoSuch { kind: "product type", id: name.to_owned() };
    TypeName::parse(name.to_owned()).ok_or_else(missing)
}

pub fn new_product_type(
    message: proto::CreateProductTypeRequest,
) -> Result<(TypeName, Definition), Error> {
    let schema = schema(message.schema.unwrap_or_default())?;
    let (searchable, filterable) = (message.searchable, message.filterable);
    Ok((type_name(&message.name)?, Definition { schema, searchable, filterable }))
}

pub fn product_type_change(message: proto::UpdateProductTypeRequest) -> Result<TypeChange, Error> {
    let mask = Mask::of(message.update_mask);
    let names = |names: Vec<String>| Some(names).filter(|names| !names.is_empty());
    Ok(TypeChange {
        schema: mask.required("schema", message.schema)?.map(schema).transpose()?,
        searchable: mask.clearable("searchable", names(message.searchable)),
        filterable: mask.clearable("filterable", names(message.filterable)),
    })
}

fn schema(message: Struct) -> Result<Attributes, Error> {
    Attributes::try_from(message).map_err(|issue| Error::invalid("schema", issue))
}

impl From<ProductType> for proto::ProductType {
    fn from(product_type: ProductType) -> Self {
        let Definition { schema, searchable, filterable } = product_type.definition;
        Self {
            name: product_type.name.to_string(),
            schema: Some(schema.into()),
            searchable,
            filterable,
            created_at: Some(wire::timestamp(product_type.created_at)),
            updated_at: Some(wire::timestamp(product_type.updated_at)),
            etag: etag(product_type.version),
        }
    }
}
