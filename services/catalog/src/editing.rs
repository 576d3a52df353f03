//! Creating, changing and deleting products and categories.

use futures::FutureExt as _;
use souk_db::Access;
use souk_kit::condition::IfMatch;
use souk_kit::id::{self, CategoryId, ImageId, ProductId};
use sqlx::PgConnection;

use crate::attributes::Attributes;
use crate::category::{Category, CategoryChange, Heirs, NewCategory};
use crate::product::{Market, NewProduct, Product, ProductChange};
use crate::stock::{Actor, Stock};
use crate::store::categories::Contents;
use crate::store::products::{Locked, Write};
use crate::typing::Typing;
use crate::{Error, store};

/// The product that a change is for.
#[derive(Debug, Clone)]
pub struct Meant {
    pub id: ProductId,
    pub market: Market,
    /// The versions of it.
    pub if_match: IfMatch,
}

pub async fn create_product(
    access: &Access,
    typing: &Typing,
    new: NewProduct,
    actor: Actor,
) -> Result<Product, Error> {
    if new.product_type.is_none() && new.attributes.is_empty() {
        return store::products::insert(access, id::new(), &new, &actor).await;
    }
    let typing = typing.clone();
    let work = access.transaction(move |transaction| {
        async move {
            typing.check(transaction, new.product_type.as_ref(), &new.attributes).await?;
            store::products::insert(transaction, id::new(), &new, &actor).await
        }
        .boxed()
    });
    work.await
}

pub async fn change_product(
    access: &Access,
    typing: &Typing,
    meant: Meant,
    change: ProductChange,
) -> Result<Product, Error> {
    let typing = typing.clone();
    let work = access.transaction(move |transaction| {
        async move {
            // categories before products, as everywhere: nobody waits for each other
            let categories = change.category_ids.as_deref().unwrap_or_default();
            store::categories::keep(transaction, categories).await?;
            let locked = store::products::lock(transaction, meant.id, meant.market).await?;
            let locked = locked.ok_or(Error::ProductNotFound(meant.id))?;
            write(transaction, &typing, &meant, locked, change).await
        }
        .boxed()
    });
    work.await
}

/// Writes a change of a product that is locked.
async fn write(
    transaction: &mut PgConnection,
    typing: &Typing,
    meant: &Meant,
    locked: Locked,
    change: ProductChange,
) -> Result<Product, Error> {
    let price = change.price.map(|price| price.after(locked.currency)).transpose();
    let is_typed = change.product_type.is_some() || change.attributes.is_some();
    let product_type = change.product_type.unwrap_or(locked.product_type);
    let attributes = match change.attributes {
        Some(attributes) => attributes,
        // they meant something to a type that it no longer has
        None if product_type.is_none() => Attributes::default(),
        None => locked.attributes,
    };
    let image_ids = match change.image_ids {
        Some(order) => reordered(&locked.image_ids, order)?,
        None => locked.image_ids,
    };
    let write = Write {
        sku: change.sku.as_deref(),
        name: change.name.as_deref(),
        description: change.description.as_deref(),
        price: price.map_err(|issue| Error::invalid("price", issue))?,
        category_ids: change.category_ids.as_deref(),
        product_type: product_type.as_ref(),
        attributes: &attributes,
        image_ids: &image_ids,
    };
    if is_typed {
        typing.check(transaction, write.product_type, &attributes).await?;
    }
    let changed = store::products::update(transaction, meant.id, &meant.if_match, &write).await?;
    changed.ok_or(Error::ProductChanged(meant.id))
}

/// Images in another order: all that there are, each once.
fn reordered(there: &[ImageId], order: Vec<ImageId>) -> Result<Vec<ImageId>, Error> {
    let sorted = |ids: &[ImageId]| {
        let mut ids: Vec<_> = ids.iter().map(ImageId::uuid).collect();
        ids.sort_unstable();
        ids
    };
    if sorted(there) == sorted(&order) {
        return Ok(order);
    }
    Err(Error::invalid("image_ids", "must name all images of the product, each once"))
}

pub async fn delete_product(access: &Access, meant: &Meant) -> Result<(), Error> {
    let Meant { id, market, if_match } = meant;
    if store::products::delete(access, *id, if_match, *market).await? {
        return Ok(());
    }
    // one that has gone meanwhile does not exist either
    let there = store::products::get_many(access, &[*id]).await?;
    let exists = *if_match != IfMatch::Any && there.iter().any(|product| market.has(product));
    Err(if exists { Error::ProductChanged(*id) } else { Error::ProductNotFound(*id) })
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

/// Deletes a category, whose products and children go to their heirs.
pub async fn delete_category(
    access: &Access,
    id: CategoryId,
    if_match: &IfMatch,
    heirs: Heirs,
) -> Result<(), Error> {
    for (field, heir) in [("products_to", heirs.products), ("children_to", heirs.children)] {
        if heir == Some(Some(id)) {
            return Err(Error::invalid(field, "must be another category"));
        }
    }
    let meant = if_match.clone();
    let work = access.transaction(move |transaction| {
        async move {
            let contents = store::categories::lock(transaction, id, heirs).await?;
            let Contents { products, children } = contents.ok_or(Error::CategoryNotFound(id))?;
            let is_told = (products == 0 || heirs.products.is_some())
                && (children == 0 || heirs.children.is_some());
            if !is_told {
                return Err(Error::CategoryInUse { id, products, children });
            }
            if children > 0 {
                let to = heirs.children.flatten();
                store::categories::move_children(transaction, id, to).await.map_err(no_heir)?;
            }
            if let Some(to) = heirs.products.flatten() {
                store::categories::copy_products(transaction, id, to).await?;
            }
            match store::categories::delete(transaction, id, &meant).await? {
                true => Ok(()),
                false => Err(Error::CategoryChanged(id)),
            }
        }
        .boxed()
    });
    work.await
}

/// What is wrong with a parent is wrong with the heir that should become one.
fn no_heir(error: Error) -> Error {
    match error {
        Error::Invalid { field, issue } if field == "parent_id" => {
            Error::invalid("children_to", issue)
        }
        other => other,
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

/// Says with how many available units, or fewer, the stock of a product is low.
pub async fn set_low_threshold(
    access: &Access,
    product: ProductId,
    threshold: Option<i32>,
) -> Result<Stock, Error> {
    let changed = store::stock::set_threshold(access, product, threshold).await?;
    changed.ok_or(Error::ProductNotFound(product))
}
