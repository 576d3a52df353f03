//! Categories.

use souk_kit::id::CategoryId;
use souk_kit::mask::Mask;
use souk_kit::wire;
use souk_proto::souk::catalog::v2 as proto;

use super::{etag, parse_id};
use crate::Error;
use crate::category::{Category, CategoryChange, Heirs, Level, NewCategory};

pub fn new_category(message: proto::CreateCategoryRequest) -> Result<NewCategory, Error> {
    let proto::CreateCategoryRequest { slug, name, description, parent_id } = message;
    Ok(NewCategory { slug, name, description, parent: parent(parent_id)? })
}

fn parent(id: Option<String>) -> Result<Option<CategoryId>, Error> {
    Ok(id_or_none("parent_id", &id.unwrap_or_default())?.flatten())
}

/// The id of a category, or that of none; `None` where nothing is said.
fn id_or_none(field: &str, text: &str) -> Result<Option<Option<CategoryId>>, Error> {
    match text {
        "" => Ok(None),
        "none" => Ok(Some(None)),
        id => parse_id(field, id).map(|id| Some(Some(id))),
    }
}

pub fn level(parent_id: &str) -> Result<Level, Error> {
    Ok(id_or_none("parent_id", parent_id)?.map_or(Level::All, Level::Below))
}

pub fn heirs(message: &proto::DeleteCategoryRequest) -> Result<Heirs, Error> {
    Ok(Heirs {
        products: id_or_none("products_to", &message.products_to)?,
        children: id_or_none("children_to", &message.children_to)?,
    })
}

pub fn category_change(message: proto::UpdateCategoryRequest) -> Result<CategoryChange, Error> {
    let mask = Mask::of(message.update_mask);
    Ok(CategoryChange {
        slug: mask.required("slug", message.slug)?,
        name: mask.required("name", message.name)?,
        description: mask.clearable("description", message.description),
        parent: match message.parent_id {
            None => mask.clearable("parent_id", None),
            id => mask.clearable("parent_id", Some(parent(id)?)),
        },
    })
}

pub fn category_replacement(
    message: proto::ReplaceCategoryRequest,
) -> Result<CategoryChange, Error> {
    Ok(CategoryChange {
        slug: Some(message.slug),
        name: Some(message.name),
        description: Some(message.description),
        parent: Some(parent(message.parent_id)?),
    })
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
            parent_id: category.parent.map(|parent| parent.to_string()),
            product_count: category.products,
        }
    }
}
