//! `souk import`: products from a CSV file, over gRPC, by SKU.

use std::fs::File;
use std::io::BufReader;
use std::path::Path;

use anyhow::Context as _;
use futures::{Stream, stream};
use indicatif::{ProgressBar, ProgressStyle};
use souk_kit::Channel;
use souk_proto::souk::catalog::v2::catalog_service_client::CatalogServiceClient;
use souk_proto::souk::catalog::v2::{
    CreateImportRequest, ImportProductsRequest, ImportProductsResponse, RejectedRow,
};
use tokio::sync::mpsc;
use tonic::metadata::{Ascii, MetadataValue};
use tonic::{Request, Streaming};

use crate::attribute_columns::AttributeColumns;
use crate::cli::Import;
use crate::import_job::{self, Jobs};
use crate::login::{explain, token};
use crate::products_file::{COLUMNS, ProductsFile};

/// Rows that have been read and not yet sent.
const AHEAD: usize = 1_000;
/// How many rows that cannot be read are named.
const MAX_NAMED: usize = 1_000;

/// Rows that cannot even be read.
struct Unreadable {
    count: i32,
    /// The first of them.
    rows: Vec<RejectedRow>,
    /// All of them, and then those that are rejected, if they are asked for.
    report: Option<Report>,
}

/// A CSV file of all rows that are left out.
struct Report(csv::Writer<File>);

impl Report {
    fn create(path: &Path) -> anyhow::Result<Self> {
        let cannot = || format!("cannot write {}", path.display());
        let mut file = csv::Writer::from_path(path).with_context(cannot)?;
        file.write_record(["line", "field", "issue"]).with_context(cannot)?;
        Ok(Self(file))
    }

    fn write(&mut self, RejectedRow { line, field, issue }: &RejectedRow) -> anyhow::Result<()> {
        self.0.write_record([&line.to_string(), field, issue]).context("cannot write the report")
    }

    async fn finish(mut self, mut rejected: Streaming<RejectedRow>) -> anyhow::Result<()> {
        while let Some(row) = rejected.message().await.map_err(|status| explain(&status))? {
            self.write(&row)?;
        }
        self.0.flush().context("cannot write the report")
    }
}

/// `souk import`.
pub async fn run(command: Import) -> anyhow::Result<()> {
    let path = &command.file;
    let file = File::open(path).with_context(|| format!("cannot open {}", path.display()))?;
    let size = file.metadata().map_or(0, |file| file.len());
    let channel = Channel::remote(command.login.server.clone());
    let attributes = match &command.product_type {
        Some(name) => Some(AttributeColumns::fetch(channel.clone(), name, &COLUMNS).await?),
        None => None,
    };
    let rows = ProductsFile::open(BufReader::new(file), attributes)
        .with_context(|| format!("cannot read {}", path.display()))?;
    let ignored = rows.ignored();
    let token = token(&command.login.account, channel.clone())
        .await
        .with_context(|| format!("cannot sign in at {}", command.login.server))?;
    let bar = ProgressBar::new(size).with_style(ProgressStyle::with_template(
        "{bar:40} {bytes}/{total_bytes}  {bytes_per_sec}  {eta} left",
    )?);

    let jobs = Jobs { channel: channel.clone(), token: token.clone() };
    let wanted = CreateImportRequest {
        dry_run: command.dry_run,
        r#type: command.product_type.clone().unwrap_or_default(),
        source: import_job::source(path)?,
    };
    let import = jobs.find_or_create(wanted).await?;
    if import.last_line > 0 {
        println!("going on behind line {}, where {} was broken off", import.last_line, import.id);
    }
    let (sender, receiver) = mpsc::channel(AHEAD);
    let (progress, id) = (bar.clone(), import.id.clone());
    let report = command.report.as_deref().map(Report::create).transpose()?;
    let reading = tokio::task::spawn_blocking(move || read(rows, id, report, &sender, &progress));
    let sent = send(channel, token, received(receiver)).await;
    bar.finish_and_clear();
    let mut unreadable =
        reading.await?.with_context(|| format!("cannot read all of {}", path.display()))?;
    let sent = sent.context("the import was broken off; the same command goes on with it")?;
    if let Some(report) = unreadable.report.take() {
        report.finish(jobs.rejected(&import.id).await?).await?;
    }
    tell(sent, unreadable, &ignored, command.dry_run)
}

/// Reads a file to its end, or until nobody wants its rows any more.
fn read(
    mut file: ProductsFile<BufReader<File>>,
    mut import_id: String,
    report: Option<Report>,
    rows: &mpsc::Sender<ImportProductsRequest>,
    bar: &ProgressBar,
) -> anyhow::Result<Unreadable> {
    let mut unreadable = Unreadable { count: 0, rows: Vec::new(), report };
    while let Some(row) = file.next_row()? {
        match row {
            Ok(mut row) => {
                // of the first
                row.import_id = std::mem::take(&mut import_id);
                bar.set_position(file.position());
                if rows.blocking_send(row).is_err() {
                    break;
                }
            }
            Err(rejected) => {
                unreadable.count += 1;
                if let Some(report) = &mut unreadable.report {
                    report.write(&rejected)?;
                }
                if unreadable.rows.len() < MAX_NAMED {
                    unreadable.rows.push(rejected);
                }
            }
        }
    }
    Ok(unreadable)
}

fn received<T>(receiver: mpsc::Receiver<T>) -> impl Stream<Item = T> {
    stream::unfold(receiver, async |mut receiver| {
        let next = receiver.recv().await?;
        Some((next, receiver))
    })
}

/// Sends rows, and tells what became of them.
pub async fn send(
    channel: Channel,
    token: MetadataValue<Ascii>,
    rows: impl Stream<Item = ImportProductsRequest> + Send + 'static,
) -> anyhow::Result<ImportProductsResponse> {
    let mut request = Request::new(rows);
    request.metadata_mut().insert("authorization", token);
    let response = CatalogServiceClient::new(channel).import_products(request).await;
    Ok(response.map_err(|status| explain(&status))?.into_inner())
}

fn tell(
    response: ImportProductsResponse,
    unreadable: Unreadable,
    ignored: &[String],
    dry_run: bool,
) -> anyhow::Result<()> {
    let rejected = response.rejected.saturating_add(unreadable.count);
    println!("{} created, {} updated, {rejected} rejected", response.created, response.updated);
    if dry_run {
        println!("nothing was stored: it was a dry run");
    }
    if !ignored.is_empty() {
        println!("columns that are not imported: {}", ignored.join(", "));
    }
    let mut errors = unreadable.rows;
    errors.extend(response.errors);
    errors.sort_by_key(|error| error.line);
    for RejectedRow { line, field, issue } in &errors {
        println!("line {line}: {field} {issue}");
    }
    let told = i32::try_from(errors.len()).unwrap_or(i32::MAX);
    if told < rejected {
        println!("… and {} more, which are not named", rejected - told);
    }
    anyhow::ensure!(rejected == 0, "{rejected} rows were rejected; the others are imported");
    Ok(())
}
