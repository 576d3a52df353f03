//! `souk export`: products as CSV, which `souk import` reads, or as JSON in lines.

use std::collections::HashMap;
use std::fs::File;
use std::io::{BufWriter, Write, stdout};

use anyhow::Context as _;
use serde_json::json;
use souk_kit::Channel;
use souk_proto::souk::catalog::v2::catalog_service_client::CatalogServiceClient;
use souk_proto::souk::catalog::v2::{ExportProductsRequest, ListCategoriesRequest, Product};
use tonic::Request;

use crate::attribute_columns::AttributeColumns;
use crate::attributes;
use crate::cli::{Export, ExportFormat};
use crate::login::{explain, token};
use crate::products_file::COLUMNS;

/// The slugs of categories, by their ids.
type Slugs = HashMap<String, String>;

/// `souk export`.
pub async fn run(command: Export) -> anyhow::Result<()> {
    let channel = Channel::remote(command.login.server.clone());
    let columns = match &command.product_type {
        Some(name) => Some(AttributeColumns::fetch(channel.clone(), name, &COLUMNS).await?),
        None => None,
    };
    let token = token(&command.login.account, channel.clone()).await?;
    let slugs = slugs(channel.clone()).await?;
    let product_type = command.product_type.unwrap_or_default();
    let mut request = Request::new(ExportProductsRequest { r#type: product_type });
    request.metadata_mut().insert("authorization", token);
    let products = CatalogServiceClient::new(channel).export_products(request).await;
    let mut products = products.map_err(|status| explain(&status))?.into_inner();

    let out: Box<dyn Write> = match &command.output {
        Some(path) => {
            let file = File::create(path);
            Box::new(file.with_context(|| format!("cannot write {}", path.display()))?)
        }
        None => Box::new(stdout().lock()),
    };
    let mut out = match command.format {
        ExportFormat::Csv => Out::csv(out, columns)?,
        ExportFormat::Ndjson => Out::Lines(BufWriter::new(out)),
    };
    while let Some(product) = products.message().await.map_err(|status| explain(&status))? {
        out.write(&product, &slugs)?;
    }
    out.finish()
}

async fn slugs(channel: Channel) -> anyhow::Result<Slugs> {
    let mut client = CatalogServiceClient::new(channel);
    let mut request = ListCategoriesRequest { size: Some(100), ..ListCategoriesRequest::default() };
    let mut slugs = Slugs::new();
    loop {
        let page = client.list_categories(request.clone()).await;
        let page = page.map_err(|status| explain(&status))?.into_inner();
        slugs.extend(page.data.into_iter().map(|category| (category.id, category.slug)));
        match page.pagination.and_then(|pagination| pagination.next_cursor) {
            Some(cursor) => request.cursor = cursor,
            None => return Ok(slugs),
        }
    }
}

/// Where products go.
enum Out {
    Csv(Box<csv::Writer<Box<dyn Write>>>, Option<AttributeColumns>),
    Lines(BufWriter<Box<dyn Write>>),
}

impl Out {
    fn csv(out: Box<dyn Write>, columns: Option<AttributeColumns>) -> anyhow::Result<Self> {
        let mut writer = csv::Writer::from_writer(out);
        let of_type = columns.iter().flat_map(AttributeColumns::names);
        writer.write_record(COLUMNS.into_iter().chain(of_type))?;
        Ok(Self::Csv(Box::new(writer), columns))
    }

    fn write(&mut self, product: &Product, slugs: &Slugs) -> anyhow::Result<()> {
        // a category that was made meanwhile has none
        let slugs: Vec<&str> = product
            .category_ids
            .iter()
            .filter_map(|id| slugs.get(id))
            .map(String::as_str)
            .collect();
        let price = product.price.clone().unwrap_or_default().value;
        let attributes = product.attributes.clone().unwrap_or_default();
        match self {
            Self::Csv(writer, columns) => {
                let (stock, categories) = (product.available.to_string(), slugs.join("|"));
                let of_product = [
                    product.sku.clone(),
                    product.name.clone(),
                    product.description.clone(),
                    price,
                    product.currency.clone(),
                    stock,
                    categories,
                ];
                let of_type = columns.iter().flat_map(|columns| columns.write(attributes.clone()));
                writer.write_record(of_product.into_iter().chain(of_type))?;
            }
            Self::Lines(out) => {
                let product = json!({
                    "id": product.id, "sku": product.sku, "name": product.name,
                    "description": product.description, "price": price,
                    "currency": product.currency, "stock": product.available,
                    "categories": slugs, "type": product.r#type, "attributes": attributes::to_json(&attributes),
                });
                serde_json::to_writer(&mut *out, &product)?;
                out.write_all(b"\n")?;
            }
        }
        Ok(())
    }

    fn finish(self) -> anyhow::Result<()> {
        match self {
            Self::Csv(mut writer, _) => writer.flush()?,
            Self::Lines(mut out) => out.flush()?,
        }
        Ok(())
    }
}
