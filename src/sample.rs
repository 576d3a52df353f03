//! The sample catalog of a first start: a small market of 30 products in 5 categories.

use souk_kit::Channel;
use souk_proto::souk::catalog::v2::catalog_service_client::CatalogServiceClient;
use souk_proto::souk::catalog::v2::{ImportProductsRequest, ListProductsRequest};

use crate::products_file::ProductsFile;
use crate::secrets::Admin;
use crate::{import, login};

const SAMPLE: &str = include_str!("sample.csv");

/// Imports the sample the way anybody imports: over the contract, as the admin.
pub async fn load(auth: Channel, catalog: Channel, admin: &Admin) -> anyhow::Result<()> {
    let token = match login::sign_in(auth, &admin.email, &admin.password).await {
        Ok(token) => token,
        // an account that was there before with another password: the catalog is theirs to fill
        Err(error) => {
            tracing::warn!(%error, "cannot sign in as the admin; the sample catalog is left out");
            return Ok(());
        }
    };
    import::send(catalog, token, futures::stream::iter(rows()?)).await?;
    Ok(())
}

fn rows() -> anyhow::Result<Vec<ImportProductsRequest>> {
    let mut file = ProductsFile::open(SAMPLE.as_bytes(), None)?;
    let mut rows = Vec::new();
    while let Some(row) = file.next_row()? {
        rows.push(row.map_err(|row| anyhow::anyhow!("line {}: {}", row.line, row.issue))?);
    }
    Ok(rows)
}

/// The id of some product, to show how it is ordered.
pub async fn any_product(catalog: Channel) -> anyhow::Result<Option<String>> {
    let request = ListProductsRequest { size: Some(100), ..ListProductsRequest::default() };
    let page = CatalogServiceClient::new(catalog).list_products(request).await?.into_inner();
    Ok(page.data.into_iter().find(|product| product.in_stock).map(|product| product.id))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn the_sample_has_thirty_products_in_five_categories() {
        let rows = rows().unwrap();
        let categories: BTreeSet<_> = rows.iter().flat_map(|row| row.categories.clone()).collect();
        assert_eq!((rows.len(), categories.len()), (30, 5));
    }
}
