//! Creating, changing and deleting products and categories.

use futures::FutureExt as _;
use souk_db::Access;
use souk_kit::id::{self, CategoryId, ProductId};

use crate::category::{Category, CategoryChange, NewCategory};
use crate::product::{NewProduct, Product, ProductChange};
use crate::stock::Actor;
use crate::{Error, store};

pub async fn create_product(
    access: &Access,
    new: &NewProduct,
    actor: &Actor,
) -> Result<Product, Error> {
    store::products::insert(access, id::new(), new, actor).await
}

pub async fn change_product(
    access: &Access,
    id: ProductId,
    change: &ProductChange,
) -> Result<Product, Error> {
    let change = change.clone();
    let work = access.transaction(move |transaction| {
        async move {
            // categories before products, as everywhere: nobody waits for each other
            let categories = change.category_ids.as_deref().unwrap_or_default();
            store::categories::keep(transaction, categories).await?;
            store::products::lock(transaction, id).await?;
            store::products::update(transaction, id, &change).await
        }
        .boxed()
    });
    work.await?.ok_or(Error::ProductNotFound(id))
}

pub async fn delete_product(access: &Access, id: ProductId) -> Result<(), Error> {
    match store::products::delete(access, id).await? {
        true => Ok(()),
        false => Err(Error::ProductNotFound(id)),
    }
}

pub async fn create_category(access: &Access, new: &NewCategory) -> Result<Category, Error> {
    store::categories::insert(access, id::new(), new).await
}

pub async fn change_category(
    access: &Access,
    id: CategoryId,
    change: &CategoryChange,
) -> Result<Category, Error> {
    store::categories::update(access, id, change).await?.ok_or(Error::CategoryNotFound(id))
}

pub async fn delete_category(access: &Access, id: CategoryId) -> Result<(), Error> {
    let work = access.transaction(move |transaction| {
        async move {
            store::categories::lock(transaction, id).await?;
            store::categories::delete(transaction, id).await
        }
        .boxed()
    });
    match work.await? {
        true => Ok(()),
        false => Err(Error::CategoryNotFound(id)),
    }
}
