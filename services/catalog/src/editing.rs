//! Creating, changing and deleting products and categories.

use futures::FutureExt as _;
use souk_db::Access;
use souk_kit::condition::IfMatch;
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
    if_match: &IfMatch,
    change: &ProductChange,
) -> Result<Product, Error> {
    let (meant, change) = (if_match.clone(), change.clone());
    let work = access.transaction(move |transaction| {
        async move {
            // categories before products, as everywhere: nobody waits for each other
            let categories = change.category_ids.as_deref().unwrap_or_default();
            store::categories::keep(transaction, categories).await?;
            store::products::lock(transaction, id).await?;
            store::products::update(transaction, id, &meant, &change).await
        }
        .boxed()
    });
    match work.await? {
        Some(product) => Ok(product),
        None => Err(unchanged_product(access, id, if_match).await?),
    }
}

pub async fn delete_product(
    access: &Access,
    id: ProductId,
    if_match: &IfMatch,
) -> Result<(), Error> {
    match store::products::delete(access, id, if_match).await? {
        true => Ok(()),
        false => Err(unchanged_product(access, id, if_match).await?),
    }
}

/// Why a product was not changed. One that has gone meanwhile does not exist either.
async fn unchanged_product(
    access: &Access,
    id: ProductId,
    if_match: &IfMatch,
) -> Result<Error, Error> {
    let exists =
        *if_match != IfMatch::Any && !store::products::get_many(access, &[id]).await?.is_empty();
    Ok(if exists { Error::ProductChanged(id) } else { Error::ProductNotFound(id) })
}

pub async fn create_category(access: &Access, new: &NewCategory) -> Result<Category, Error> {
    store::categories::insert(access, id::new(), new).await
}

pub async fn change_category(
    access: &Access,
    id: CategoryId,
    if_match: &IfMatch,
    change: &CategoryChange,
) -> Result<Category, Error> {
    match store::categories::update(access, id, if_match, change).await? {
        Some(category) => Ok(category),
        None => Err(unchanged_category(access, id, if_match).await?),
    }
}

pub async fn delete_category(
    access: &Access,
    id: CategoryId,
    if_match: &IfMatch,
) -> Result<(), Error> {
    let meant = if_match.clone();
    let work = access.transaction(move |transaction| {
        async move {
            store::categories::lock(transaction, id).await?;
            store::categories::delete(transaction, id, &meant).await
        }
        .boxed()
    });
    match work.await? {
        true => Ok(()),
        false => Err(unchanged_category(access, id, if_match).await?),
    }
}

/// Why a category was not changed. One that has gone meanwhile does not exist either.
async fn unchanged_category(
    access: &Access,
    id: CategoryId,
    if_match: &IfMatch,
) -> Result<Error, Error> {
    let exists = *if_match != IfMatch::Any && store::categories::get(access, id).await?.is_some();
    Ok(if exists { Error::CategoryChanged(id) } else { Error::CategoryNotFound(id) })
}
