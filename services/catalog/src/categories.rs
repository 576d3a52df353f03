//! Categories: groups of products.

use souk_kit::id::{self, CategoryId};
use souk_kit::page::Page;
use souk_proto::souk::types::v1::Pagination;
use time::OffsetDateTime;

use crate::{Catalog, Error, store};

/// The list that category cursors belong to.
pub const LIST: &str = "categories";

/// A category.
#[derive(Debug, Clone)]
pub struct Category {
    pub id: CategoryId,
    pub slug: String,
    pub name: String,
    pub description: String,
    pub version: i64,
    pub created_at: OffsetDateTime,
    pub updated_at: OffsetDateTime,
}

/// A category to create.
#[derive(Debug)]
pub struct NewCategory {
    pub slug: String,
    pub name: String,
    pub description: String,
}

/// What to change of a category; `None` leaves a field as it is.
#[derive(Debug, Default)]
pub struct CategoryChange {
    pub slug: Option<String>,
    pub name: Option<String>,
    pub description: Option<String>,
}

impl Catalog {
    pub(crate) async fn create_category(&self, new: NewCategory) -> Result<Category, Error> {
        store::categories::insert(self.database.pool(), id::new(), &new).await
    }

    pub(crate) async fn category(&self, id: CategoryId) -> Result<Category, Error> {
        let category = store::categories::get(self.database.pool(), id).await?;
        category.ok_or(Error::CategoryNotFound(id))
    }

    pub(crate) async fn list_categories(
        &self,
        page: &Page,
    ) -> Result<(Vec<Category>, Pagination), Error> {
        let rows = store::categories::list(self.database.pool(), page.window()).await?;
        let total = match page.known_total() {
            Some(total) => total,
            None => store::categories::count(self.database.pool()).await?,
        };
        Ok(page.finish(&self.cursors, LIST, rows, total, |category| category.id.uuid()))
    }

    pub(crate) async fn change_category(
        &self,
        id: CategoryId,
        change: CategoryChange,
    ) -> Result<Category, Error> {
        let category = store::categories::update(self.database.pool(), id, &change).await?;
        category.ok_or(Error::CategoryNotFound(id))
    }

    pub(crate) async fn delete_category(&self, id: CategoryId) -> Result<(), Error> {
        match store::categories::delete(self.database.pool(), id).await? {
            true => Ok(()),
            false => Err(Error::CategoryNotFound(id)),
        }
    }
}
