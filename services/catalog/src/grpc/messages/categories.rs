//! Categories.

use souk_kit::wire;
use souk_proto::souk::catalog::v2 as proto;

use super::{Mask, etag};
use crate::Error;
use crate::category::{Category, CategoryChange, NewCategory};

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
