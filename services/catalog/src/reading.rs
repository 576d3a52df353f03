//! Reading products and categories.

use std::collections::HashMap;
use std::time::Instant;

use futures::FutureExt as _;
use souk_db::{Access, Batches, Database, Limits, Totals, Work};
use souk_kit::cursor::{Cursors, Total};
use souk_kit::id::{CategoryId, ImportId, OrderId, ProductId};
use souk_kit::page::{Entry, Page, Position};

use crate::category::{self, Category, Level};
use crate::import::{self, Import};
use crate::listing::{
    self, COUNTED, Categories, Filter, Listed, Listing, Sort, SortKey, Wanted, Way,
};
use crate::product::{Market, Product};
use crate::product_type::{self, ProductType, TypeName};
use crate::stock::{self, Moved, Stock};
use crate::{Error, store};

/// Reads what the catalog has. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Reading {
    cursors: Cursors,
    products: Batches<ById>,
    totals: Totals,
}

/// Products that are asked for by their ids while one statement is under way go together in the next.
struct ById(Database);

/// Products that somebody asks for.
struct Asked {
    ids: Vec<ProductId>,
    /// When they no longer wait.
    deadline: Instant,
}

impl Work for ById {
    type Item = Asked;
    type Outcome = Vec<Product>;

    async fn run(&self, asked: &[Asked]) -> Result<Vec<Vec<Product>>, sqlx::Error> {
        let mut ids: Vec<ProductId> = asked.iter().flat_map(|asked| &asked.ids).copied().collect();
        ids.sort_unstable_by_key(ProductId::uuid);
        ids.dedup();
        let access = self.0.while_any_waits(asked.iter().map(|asked| asked.deadline));
        let found = store::products::get_many(&access, &ids).await?;
        let found: HashMap<ProductId, Product> =
            found.into_iter().map(|product| (product.id, product)).collect();
        let pick =
            |asked: &Asked| asked.ids.iter().filter_map(|id| found.get(id)).cloned().collect();
        Ok(asked.iter().map(pick).collect())
    }

    fn weight(asked: &Asked) -> usize {
        asked.ids.len()
    }
}

impl Reading {
    pub fn new(database: Database, cursors: Cursors) -> Self {
        let totals = Totals::new(database.clone());
        Self { products: Batches::new(ById(database), Limits::READS), totals, cursors }
    }

    /// The cursors of the lists.
    pub fn cursors(&self) -> &Cursors {
        &self.cursors
    }

    /// A product, for somebody who waits until `deadline`.
    pub async fn product(
        &self,
        id: ProductId,
        market: Market,
        deadline: Instant,
    ) -> Result<Product, Error> {
        let found = self.products(vec![id], market, deadline).await?;
        found.into_iter().next().ok_or(Error::ProductNotFound(id))
    }

    /// Those of the products that exist.
    pub async fn products(
        &self,
        ids: Vec<ProductId>,
        market: Market,
        deadline: Instant,
    ) -> Result<Vec<Product>, Error> {
        let mut found = self.products.submit(Asked { ids, deadline }).await?;
        found.retain(|product| market.has(product));
        Ok(found)
    }

    /// A list whose names mean something to the database: categories, a type, its attributes.
    pub async fn listing(&self, access: &Access, wanted: Wanted) -> Result<Listing, Error> {
        let Wanted { mut listing, categories, all_categories: all, category, attributes } = wanted;
        let filter = &mut listing.filter;
        if !categories.is_empty() {
            let mut ids = store::categories::ids(access, &categories).await?;
            // one that is named twice is looked at once
            ids.sort_unstable();
            ids.dedup();
            filter.categories.push(Categories { ids, all });
        }
        if let Some(id) = category {
            self.category(access, id).await?;
            filter.categories.push(Categories { ids: vec![id], all: true });
        }
        if !attributes.is_empty() {
            let name = filter.product_type.as_ref();
            let name = name.ok_or_else(|| Error::invalid("attr", "needs a type"))?;
            let found = store::product_types::get(access, name).await?;
            let found =
                found.ok_or_else(|| Error::invalid("type", "must name a type that exists"))?;
            for (name, text) in attributes {
                let value = listing::attribute(&found.definition, &name, &text);
                let value = value.map_err(|issue| Error::invalid(format!("attr.{name}"), issue))?;
                filter.attributes.push((name, value));
            }
        }
        Ok(listing)
    }

    pub async fn list_products(
        &self,
        access: &Access,
        listing: Listing,
        market: Market,
        page: Page,
    ) -> Result<(Vec<Product>, Position), Error> {
        let name = listing.name(market);
        if listing.is_of_all() {
            let rows =
                store::products::list(access, page.window(), listing.filter.currency).await?;
            let total = self.total_of(&listing.filter, &page, access.deadline()).await?;
            let total = total.unwrap_or(Total::Exactly(0));
            return Ok(page.finish(&self.cursors, &name, rows, total)?);
        }
        let known = self.total_of(&listing.filter, &page, access.deadline()).await?;
        let (rows, total) = self.found(access, listing, &page, known).await?;
        let (rows, position) = page.finish(&self.cursors, &name, rows, total)?;
        Ok((rows.into_iter().map(|listed| listed.product).collect(), position))
    }

    /// How many products a list has, where that is known without counting them.
    async fn total_of(
        &self,
        filter: &Filter,
        page: &Page,
        deadline: Instant,
    ) -> Result<Option<Total>, Error> {
        match (page.known_total(), filter.counter()) {
            (Some(total), _) => Ok(Some(total)),
            (None, Some(counter)) => Ok(Some(self.totals.of(counter, deadline).await?.into())),
            (None, None) => Ok(None),
        }
    }

    async fn found(
        &self,
        access: &Access,
        listing: Listing,
        page: &Page,
        known: Option<Total>,
    ) -> Result<(Vec<Entry<Listed>>, Total), Error> {
        let window = page.window();
        let after = page.cursor().and_then(|at| SortKey::from_bytes(listing.sort, &at.sort_key));
        let most = listing.most_counted(page.is_numbered());
        let is_of_cursor = page.known_total().is_some();
        let work = access.transaction(move |transaction| {
            async move {
                store::planning::plan_pages(transaction).await?;
                if listing.sort == Sort::Relevance {
                    let filter = &listing.filter;
                    let (rows, found) =
                        store::listing::most_relevant(transaction, filter, after.as_ref(), window)
                            .await?;
                    return Ok((rows, known.unwrap_or(Total::counted(found, most))));
                }
                let total = match known {
                    Some(total) => total,
                    None => {
                        let filter = &listing.filter;
                        let rows = store::listing::count(transaction, filter, most).await?;
                        Total::counted(rows, most)
                    }
                };
                let mut way = listing.way(total);
                if way == Way::Gather && is_of_cursor {
                    // that may be long ago, and there may be many now
                    let rows = store::listing::count(transaction, &listing.filter, COUNTED).await?;
                    way = listing.way(Total::counted(rows, COUNTED));
                }
                let rows = store::listing::page(transaction, &listing, way, after.as_ref(), window)
                    .await?;
                Ok::<_, Error>((rows, total))
            }
            .boxed()
        });
        work.await
    }

    pub async fn category(&self, access: &Access, id: CategoryId) -> Result<Category, Error> {
        store::categories::get(access, id).await?.ok_or(Error::CategoryNotFound(id))
    }

    pub async fn list_categories(
        &self,
        access: &Access,
        page: &Page,
        level: Level,
    ) -> Result<(Vec<Category>, Position), Error> {
        let rows = store::categories::list(access, page.window(), level).await?;
        let total = match (level, page.known_total()) {
            (_, Some(total)) => total,
            (Level::All, None) => self.totals.of(category::LIST, access.deadline()).await?.into(),
            (Level::Below(parent), None) => store::categories::count(access, parent).await?.into(),
        };
        Ok(page.finish(&self.cursors, &level.list(), rows, total)?)
    }

    pub async fn stock(&self, access: &Access, product: ProductId) -> Result<Stock, Error> {
        let found = store::stock::get(access, product).await?;
        found.ok_or(Error::ProductNotFound(product))
    }

    /// The ledger of a product, newest first.
    pub async fn list_moves(
        &self,
        access: &Access,
        product: ProductId,
        page: &Page,
    ) -> Result<(Vec<Moved>, Position), Error> {
        self.stock(access, product).await?;
        let rows = store::stock::moves(access, product, page.window()).await?;
        let total = match page.known_total() {
            Some(total) => total,
            None => {
                Total::counted(store::stock::count_moves(access, product, COUNTED).await?, COUNTED)
            }
        };
        Ok(page.finish(&self.cursors, &stock::list_of(product), rows, total)?)
    }

    /// What has moved for an order, oldest first.
    pub async fn moves_of_order(
        &self,
        access: &Access,
        order: OrderId,
    ) -> Result<Vec<Moved>, Error> {
        Ok(store::stock::moves_of_order(access, order).await?)
    }

    pub async fn import(&self, access: &Access, id: ImportId) -> Result<Import, Error> {
        store::imports::get(access, id).await?.ok_or(Error::ImportNotFound(id))
    }

    /// All imports, newest first.
    pub async fn list_imports(
        &self,
        access: &Access,
        page: &Page,
    ) -> Result<(Vec<Import>, Position), Error> {
        let rows = store::imports::list(access, page.window()).await?;
        let total = self.total(import::LIST, page, access.deadline()).await?;
        Ok(page.finish(&self.cursors, import::LIST, rows, total)?)
    }

    pub async fn product_type(
        &self,
        access: &Access,
        name: &TypeName,
    ) -> Result<ProductType, Error> {
        let found = store::product_types::get(access, name).await?;
        found.ok_or_else(|| Error::TypeNotFound(name.clone()))
    }

    pub async fn list_product_types(
        &self,
        access: &Access,
        page: &Page,
    ) -> Result<(Vec<ProductType>, Position), Error> {
        let rows = store::product_types::list(access, page.window()).await?;
        let total = self.total(product_type::LIST, page, access.deadline()).await?;
        Ok(page.finish(&self.cursors, product_type::LIST, rows, total)?)
    }

    /// Whether no product was ever created.
    pub async fn is_untouched(&self, access: &Access) -> Result<bool, Error> {
        Ok(store::products::none_ever(access).await?)
    }

    async fn total(&self, list: &str, page: &Page, deadline: Instant) -> Result<Total, Error> {
        match page.known_total() {
            Some(total) => Ok(total),
            None => Ok(self.totals.of(list, deadline).await?.into()),
        }
    }
}
