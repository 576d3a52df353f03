//! What there is too much of for a page: all products, all rows that an import has rejected.

use std::time::Duration;

use futures::{Stream, stream};
use souk_db::Database;
use souk_kit::id::ImportId;
use souk_kit::page::Window;

use crate::import::Rejection;
use crate::product::Product;
use crate::product_type::TypeName;
use crate::{Error, store};

/// How many rows are read at once.
const PAGE: i64 = 500;
/// How long that may take.
const PAGE_LIMIT: Duration = Duration::from_secs(10);

/// The rows that an import has rejected, page by page.
pub fn rejections(
    database: Database,
    id: ImportId,
) -> impl Stream<Item = Result<Vec<Rejection>, Error>> + Send {
    stream::try_unfold(0, move |after| {
        let database = database.clone();
        async move {
            let _place = database.place_to_list().await;
            let access = database.within(PAGE_LIMIT);
            let rows = store::imports::rejections(&access, id, after, PAGE).await?;
            let next = rows.last().map(|(place, _)| *place);
            let rows = rows.into_iter().map(|(_, rejection)| rejection).collect();
            Ok(next.map(|next| (rows, next)))
        }
    })
}

/// All products, or those of a type, in the order in which they were created, page by page.
pub fn products(
    database: Database,
    name: Option<TypeName>,
) -> impl Stream<Item = Result<Vec<Product>, Error>> + Send {
    stream::try_unfold(None, move |after| {
        let (database, name) = (database.clone(), name.clone());
        async move {
            let _place = database.place_to_list().await;
            let access = database.within(PAGE_LIMIT);
            let window = Window { after, offset: 0, limit: PAGE };
            let (rows, next) = store::products::export(&access, window, name.as_ref()).await?;
            Ok(next.map(|next| (rows, Some(next))))
        }
    })
}
