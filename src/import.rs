//! `souk import`: products from a CSV file, over gRPC, by SKU.

use std::fs::File;
use std::io::Read;
use std::path::Path;

use anyhow::Context as _;
use futures::StreamExt as _;
use indicatif::{ProgressBar, ProgressStyle};
use secrecy::{ExposeSecret as _, SecretString};
use serde::Deserialize;
use souk_kit::Channel;
use souk_proto::google::r#type::Decimal;
use souk_proto::souk::auth::v1::CreateTokenRequest;
use souk_proto::souk::auth::v1::auth_service_client::AuthServiceClient;
use souk_proto::souk::catalog::v1::catalog_service_client::CatalogServiceClient;
use souk_proto::souk::catalog::v1::{ImportProductsRequest, ImportProductsResponse, RejectedRow};
use tonic::metadata::{Ascii, MetadataValue};
use tonic::{Request, Status};

use crate::cli::Import;
use crate::secrets;

/// The columns that are read; others are left out, and named.
const COLUMNS: [&str; 7] =
    ["sku", "name", "description", "price", "currency", "stock", "categories"];

/// A row as it stands in the file.
#[derive(Debug, Deserialize)]
struct Record {
    sku: String,
    name: String,
    price: String,
    #[serde(default)]
    description: Option<String>,
    #[serde(default)]
    currency: Option<String>,
    #[serde(default)]
    stock: Option<String>,
    #[serde(default)]
    categories: Option<String>,
}

/// The rows of a file: those that can be sent, and those that cannot even be read.
struct Rows {
    readable: Vec<ImportProductsRequest>,
    rejected: Vec<RejectedRow>,
    ignored: Vec<String>,
}

/// `souk import`.
pub async fn run(command: Import) -> anyhow::Result<()> {
    let rows = read_file(&command.file)?;
    let channel = Channel::remote(command.server.clone());
    let token = token(&command, channel.clone())
        .await
        .with_context(|| format!("cannot sign in at {}", command.server))?;
    let bar = ProgressBar::new(rows.readable.len() as u64).with_style(
        ProgressStyle::with_template("{bar:40} {pos}/{len} rows  {per_sec}  {eta} left")?,
    );
    let (rejected, ignored) = (rows.rejected, rows.ignored);
    let response = send(channel, token, rows.readable, &bar).await?;
    bar.finish_and_clear();
    report(response, rejected, &ignored)
}

/// Sends rows, and tells what became of them.
pub async fn send(
    channel: Channel,
    token: MetadataValue<Ascii>,
    rows: Vec<ImportProductsRequest>,
    bar: &ProgressBar,
) -> anyhow::Result<ImportProductsResponse> {
    let bar = bar.clone();
    let stream = futures::stream::iter(rows).inspect(move |_| bar.inc(1));
    let mut request = Request::new(stream);
    request.metadata_mut().insert("authorization", token);
    let response = CatalogServiceClient::new(channel).import_products(request).await;
    Ok(response.map_err(|status| explain(&status))?.into_inner())
}

/// An access token for an e-mail and password.
pub async fn sign_in(
    channel: Channel,
    email: &str,
    password: &SecretString,
) -> anyhow::Result<MetadataValue<Ascii>> {
    let request = CreateTokenRequest {
        grant_type: "password".to_owned(),
        username: email.to_owned(),
        password: password.expose_secret().to_owned(),
        ..CreateTokenRequest::default()
    };
    let token = AuthServiceClient::new(channel).create_token(request).await;
    bearer(&token.map_err(|status| explain(&status))?.into_inner().access_token)
}

/// The rows of a CSV text.
pub fn read(text: impl Read) -> anyhow::Result<Vec<ImportProductsRequest>> {
    let rows = parse(text)?;
    if let Some(first) = rows.rejected.first() {
        anyhow::bail!("line {}: {} {}", first.line, first.field, first.issue);
    }
    Ok(rows.readable)
}

fn read_file(path: &Path) -> anyhow::Result<Rows> {
    let file = File::open(path).with_context(|| format!("cannot open {}", path.display()))?;
    parse(file).with_context(|| format!("cannot read {}", path.display()))
}

fn parse(text: impl Read) -> anyhow::Result<Rows> {
    let mut reader = csv::ReaderBuilder::new().trim(csv::Trim::Fields).from_reader(text);
    let headers = reader.headers()?.clone();
    for column in ["sku", "name", "price"] {
        anyhow::ensure!(
            headers.iter().any(|header| header == column),
            "there is no column `{column}`"
        );
    }
    let ignored = headers.iter().filter(|header| !COLUMNS.contains(header)).map(str::to_owned);
    let mut rows = Rows { readable: Vec::new(), rejected: Vec::new(), ignored: ignored.collect() };
    let mut record = csv::StringRecord::new();
    loop {
        let line = i32::try_from(reader.position().line()).unwrap_or(i32::MAX);
        match reader.read_record(&mut record) {
            Ok(false) => return Ok(rows),
            Ok(true) => {
                let line = record
                    .position()
                    .map_or(line, |position| i32::try_from(position.line()).unwrap_or(i32::MAX));
                match row(line, &record, &headers) {
                    Ok(row) => rows.readable.push(row),
                    Err((field, issue)) => {
                        rows.rejected.push(RejectedRow { line, field: field.to_owned(), issue });
                    }
                }
            }
            Err(error) if error.is_io_error() => return Err(error.into()),
            Err(error) => {
                let (field, issue) = ("row".to_owned(), error.to_string());
                rows.rejected.push(RejectedRow { line, field, issue });
            }
        }
    }
}

/// What the contract cannot check, because it does not reach it: numbers and currencies.
fn row(
    line: i32,
    record: &csv::StringRecord,
    headers: &csv::StringRecord,
) -> Result<ImportProductsRequest, (&'static str, String)> {
    let record: Record =
        record.deserialize(Some(headers)).map_err(|error| ("row", error.to_string()))?;
    let filled = |value: Option<String>| value.filter(|value| !value.is_empty());
    if let Some(currency) = filled(record.currency)
        && currency != "USD"
    {
        return Err(("currency", "must be USD".to_owned()));
    }
    let stock = filled(record.stock).map(|stock| stock.parse::<i32>()).transpose();
    let stock = stock.map_err(|_| ("stock", "must be a whole number".to_owned()))?;
    let categories = filled(record.categories).unwrap_or_default();
    Ok(ImportProductsRequest {
        line,
        sku: record.sku,
        name: record.name,
        description: filled(record.description),
        price: Some(Decimal { value: record.price }),
        stock,
        categories: categories
            .split('|')
            .filter(|slug| !slug.is_empty())
            .map(str::to_owned)
            .collect(),
    })
}

async fn token(command: &Import, channel: Channel) -> anyhow::Result<MetadataValue<Ascii>> {
    if let Some(token) = secrets::from_environment("SOUK_TOKEN")? {
        return bearer(token.expose_secret());
    }
    let email = command.email.as_ref().context("give --email, or set SOUK_TOKEN")?;
    let password = match &command.password {
        Some(password) => password.clone().into(),
        None => secrets::required(secrets::ADMIN_PASSWORD)?,
    };
    sign_in(channel, email, &password).await
}

fn bearer(token: &str) -> anyhow::Result<MetadataValue<Ascii>> {
    let mut value: MetadataValue<Ascii> = format!("Bearer {token}").parse()?;
    value.set_sensitive(true);
    Ok(value)
}

fn explain(status: &Status) -> anyhow::Error {
    anyhow::anyhow!("{} ({:?})", status.message(), status.code())
}

fn report(
    response: ImportProductsResponse,
    unreadable: Vec<RejectedRow>,
    ignored: &[String],
) -> anyhow::Result<()> {
    let rejected = response.rejected + i32::try_from(unreadable.len()).unwrap_or(i32::MAX);
    println!("{} created, {} updated, {rejected} rejected", response.created, response.updated);
    if !ignored.is_empty() {
        println!("columns that are not imported: {}", ignored.join(", "));
    }
    let mut errors = unreadable;
    errors.extend(response.errors);
    errors.sort_by_key(|error| error.line);
    for RejectedRow { line, field, issue } in &errors {
        println!("line {line}: {field} {issue}");
    }
    let told = i32::try_from(errors.len()).unwrap_or(i32::MAX);
    if told < rejected {
        println!("… and {} more, which the server does not name", rejected - told);
    }
    anyhow::ensure!(rejected == 0, "{rejected} rows were rejected; the others are imported");
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_that_cannot_be_read_is_reported_with_its_line() {
        let text = "sku,name,price,stock,author\nA,\"Two\nlines\",1.00,3,x\nB,B,2.00,many,x\nC\n";
        let rows = parse(text.as_bytes()).unwrap();
        assert_eq!(rows.readable.len(), 1);
        assert_eq!(rows.readable[0].line, 2);
        let lines: Vec<i32> = rows.rejected.iter().map(|row| row.line).collect();
        assert_eq!(lines, [4, 5]);
        assert_eq!(rows.rejected[0].field, "stock");
        assert_eq!(rows.ignored, ["author"]);
    }

    #[test]
    fn a_file_without_the_columns_is_refused() {
        assert!(parse("sku,name\nA,A\n".as_bytes()).is_err());
    }
}
