//! What is sold: 10,000 products.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};

/// How many products are made up where there is no file of real ones.
const COUNT: usize = 10_000;
/// Enough for any bench: nothing runs out.
const STOCK: &str = "1000000000";

/// Writes a file that `souk import` reads: the books of the shared data where they are there, and
/// made-up products elsewhere.
pub fn write(directory: &Path) -> Result<PathBuf> {
    let path = directory.join("products.csv");
    let mut writer = csv::Writer::from_path(&path)?;
    writer.write_record(["sku", "name", "price", "stock", "categories"])?;
    let books = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/data/books.csv");
    if books.exists() {
        let mut reader = csv::Reader::from_path(books)?;
        let headers = reader.headers()?.clone();
        let column = |name| headers.iter().position(|header| header == name).context(name);
        let columns = [column("sku")?, column("name")?, column("price")?, column("categories")?];
        for record in reader.records() {
            let record = record?;
            let [sku, name, price, categories] = columns.map(|column| &record[column]);
            writer.write_record([sku, name, price, STOCK, categories])?;
        }
    } else {
        for number in 0..COUNT {
            let (sku, name) = (format!("BAG-{number:05}"), format!("Canvas bag, model {number}"));
            let price = format!("{}.90", 19 + number % 80);
            writer.write_record([&sku, &name, &price, STOCK, "bags|bags/canvas"])?;
        }
    }
    writer.flush()?;
    Ok(path)
}
