//! Products in a CSV file: read row by row, so that a file of any size takes the same memory.

use std::io::Read;

use serde::Deserialize;
use souk_proto::google::r#type::Decimal;
use souk_proto::souk::catalog::v2::{ImportProductsRequest, RejectedRow};

use crate::attribute_columns::AttributeColumns;

/// The columns of every product; those of its type come after them. Others are left out, and named.
pub const COLUMNS: [&str; 7] =
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

/// A row: one that can be sent, or one that cannot even be read.
pub type Row = Result<ImportProductsRequest, RejectedRow>;

/// A file that is being read.
pub struct ProductsFile<R> {
    reader: csv::Reader<R>,
    headers: csv::StringRecord,
    /// The columns that are attributes of a type.
    attributes: Option<AttributeColumns>,
}

impl<R: Read> ProductsFile<R> {
    /// Reads the header.
    pub fn open(text: R, attributes: Option<AttributeColumns>) -> anyhow::Result<Self> {
        let mut reader = csv::ReaderBuilder::new().trim(csv::Trim::Fields).from_reader(text);
        let headers = reader.headers()?.clone();
        for column in ["sku", "name", "price"] {
            anyhow::ensure!(
                headers.iter().any(|header| header == column),
                "there is no column `{column}`"
            );
        }
        Ok(Self { reader, headers, attributes })
    }

    /// The columns that are not read.
    pub fn ignored(&self) -> Vec<String> {
        let is_attribute =
            |header: &str| self.attributes.as_ref().is_some_and(|columns| columns.has(header));
        let ignored =
            self.headers.iter().filter(|header| !COLUMNS.contains(header) && !is_attribute(header));
        ignored.map(str::to_owned).collect()
    }

    /// How many bytes have been read.
    pub fn position(&self) -> u64 {
        self.reader.position().byte()
    }

    /// The next row; `None` at the end.
    ///
    /// # Errors
    ///
    /// The file cannot be read any further.
    pub fn next_row(&mut self) -> anyhow::Result<Option<Row>> {
        let mut record = csv::StringRecord::new();
        let line = line_number(self.reader.position());
        match self.reader.read_record(&mut record) {
            Ok(false) => Ok(None),
            Ok(true) => {
                let line = record.position().map_or(line, line_number);
                let row = self.row(line, &record);
                Ok(Some(row.map_err(|(field, issue)| rejected(line, &field, issue))))
            }
            Err(error) if error.is_io_error() => Err(error.into()),
            Err(error) => Ok(Some(Err(rejected(line, "row", error.to_string())))),
        }
    }

    /// What the contract cannot check, because it does not reach it: numbers.
    fn row(
        &self,
        line: i32,
        cells: &csv::StringRecord,
    ) -> Result<ImportProductsRequest, (String, String)> {
        let wrong = |field: &str, issue: String| (field.to_owned(), issue);
        let record: Record = cells
            .deserialize(Some(&self.headers))
            .map_err(|error| wrong("row", error.to_string()))?;
        let cell = |name: &str| cells.get(self.headers.iter().position(|header| header == name)?);
        let attributes = self.attributes.as_ref().map(|columns| columns.read(cell)).transpose();
        let attributes = attributes.map_err(|(field, issue)| (field, issue.to_owned()))?;
        let filled = |value: Option<String>| value.filter(|value| !value.is_empty());
        let stock = filled(record.stock).map(|stock| stock.parse::<i32>()).transpose();
        let stock = stock.map_err(|_| wrong("stock", "must be a whole number".to_owned()))?;
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
            currency: filled(record.currency).unwrap_or_default(),
            r#type: self.attributes.as_ref().map(|columns| columns.name.clone()),
            attributes,
            import_id: String::new(),
        })
    }
}

fn line_number(position: &csv::Position) -> i32 {
    i32::try_from(position.line()).unwrap_or(i32::MAX)
}

fn rejected(line: i32, field: &str, issue: String) -> RejectedRow {
    RejectedRow { line, field: field.to_owned(), issue }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_that_cannot_be_read_is_reported_with_its_line() {
        let text = "sku,name,price,stock,author\nA,\"Two\nlines\",1.00,3,x\nB,B,2.00,many,x\nC\n";
        let mut file = ProductsFile::open(text.as_bytes(), None).unwrap();
        assert_eq!(file.ignored(), ["author"]);
        assert_eq!(file.next_row().unwrap().unwrap().unwrap().line, 2);
        let second = file.next_row().unwrap().unwrap().unwrap_err();
        assert_eq!((second.line, second.field.as_str()), (4, "stock"));
        assert_eq!(file.next_row().unwrap().unwrap().unwrap_err().line, 5);
        assert!(file.next_row().unwrap().is_none());
    }

    #[test]
    fn a_file_without_the_columns_is_refused() {
        assert!(ProductsFile::open("sku,name\nA,A\n".as_bytes(), None).is_err());
    }
}
