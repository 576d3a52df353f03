//! Product types: creating, changing and deleting them, and holding products to them.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use futures::FutureExt as _;
use souk_db::Access;
use souk_kit::condition::IfMatch;
use souk_kit::id::ProductId;
use sqlx::PgConnection;
use uuid::Uuid;

use crate::attributes::Attributes;
use crate::product_type::{Definition, ProductType, Schema, TypeChange, TypeName};
use crate::{Error, store};

/// How many products are held to a new schema at once.
const BATCH: i64 = 1_000;
/// How many products are indexed anew at once.
const REINDEX_BATCH: i64 = 500;
/// How many schemas are kept ready.
const MAX_READY: usize = 100;

/// Holds products to their types. Cheap to clone.
#[derive(Debug, Clone, Default)]
pub struct Typing {
    /// Schemas that have been compiled, with the version of their type.
    ready: Arc<Mutex<HashMap<Uuid, (i64, Schema)>>>,
}

impl Typing {
    pub async fn create(
        &self,
        access: &Access,
        name: &TypeName,
        definition: &Definition,
    ) -> Result<ProductType, Error> {
        definition.compile()?;
        store::product_types::insert(access, name, definition).await
    }

    /// Changes a type, unless products of it would break its new schema. Nobody creates or changes such
    /// a product meanwhile.
    pub async fn change(
        &self,
        access: &Access,
        name: &TypeName,
        if_match: &IfMatch,
        change: &TypeChange,
    ) -> Result<ProductType, Error> {
        let (name, meant, change) = (name.clone(), if_match.clone(), change.clone());
        let work = access.transaction(move |transaction| {
            async move {
                let found = store::product_types::lock(transaction, &name).await?;
                let old = found.ok_or_else(|| Error::TypeNotFound(name.clone()))?;
                let new = old.definition.clone().with(change);
                let schema = new.compile()?;
                if new.schema != old.definition.schema {
                    refuse_broken(transaction, &name, &schema).await?;
                }
                let changed = store::product_types::update(transaction, &name, &meant, &new);
                changed.await?.ok_or(Error::TypeChanged(name))
            }
            .boxed()
        });
        work.await
    }

    /// Deletes a type that no product has.
    pub async fn delete(
        &self,
        access: &Access,
        name: &TypeName,
        if_match: &IfMatch,
    ) -> Result<(), Error> {
        let (name, meant) = (name.clone(), if_match.clone());
        let work = access.transaction(move |transaction| {
            async move {
                let found = store::product_types::lock(transaction, &name).await?;
                found.ok_or_else(|| Error::TypeNotFound(name.clone()))?;
                let products = store::product_types::products(transaction, &name).await?;
                if products > 0 {
                    return Err(Error::TypeInUse { name, products });
                }
                match store::product_types::delete(transaction, &name, &meant).await? {
                    true => Ok(()),
                    false => Err(Error::TypeChanged(name)),
                }
            }
            .boxed()
        });
        work.await
    }

    /// Holds the attributes of a product to its type, which stays as it is until the end of the
    /// transaction.
    pub async fn check(
        &self,
        transaction: &mut PgConnection,
        name: Option<&TypeName>,
        attributes: &Attributes,
    ) -> Result<(), Error> {
        let Some(name) = name else {
            return match attributes.is_empty() {
                true => Ok(()),
                false => Err(Error::invalid("attributes", "need a type that says what they are")),
            };
        };
        let found = store::product_types::keep(transaction, &[name]).await?.pop();
        let found = found.ok_or_else(|| Error::invalid("type", "must name a type that exists"))?;
        let schema = self.schema(&found)?;
        schema.check(&attributes.clone().into_value()).map_err(Error::Violations)
    }

    /// Indexes some products anew that can be found by something else than before: whether there may be more.
    pub async fn reindex(&self, access: &Access) -> Result<bool, Error> {
        Ok(store::product_types::reindex(access, REINDEX_BATCH).await?)
    }

    /// The schema of a type, compiled once for each version.
    pub fn schema(&self, of: &ProductType) -> Result<Schema, Error> {
        let ready = || self.ready.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((version, schema)) = ready().get(&of.id)
            && *version == of.version
        {
            return Ok(schema.clone());
        }
        let schema = of.definition.compile()?;
        let mut ready = ready();
        if ready.len() >= MAX_READY {
            ready.clear();
        }
        ready.insert(of.id, (of.version, schema.clone()));
        Ok(schema)
    }
}

async fn refuse_broken(
    transaction: &mut PgConnection,
    name: &TypeName,
    schema: &Schema,
) -> Result<(), Error> {
    let (mut after, mut broken, mut first) = (Uuid::nil(), 0, None);
    loop {
        let products =
            store::product_types::attributes_after(transaction, name, after, BATCH).await?;
        let Some((last, _)) = products.last() else { break };
        after = *last;
        for (id, attributes) in products {
            if !schema.allows(&attributes.into_value()) {
                broken += 1;
                first = first.or(Some(ProductId::from_uuid(id)));
            }
        }
    }
    match first {
        Some(first) => Err(Error::SchemaBroken { products: broken, first }),
        None => Ok(()),
    }
}
