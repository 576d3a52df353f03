//! The SQL of the catalog, and nothing else.

pub mod categories;
pub mod images;
pub mod import;
pub mod imports;
pub mod listing;
pub mod planning;
pub mod product_types;
pub mod products;
pub mod reservations;
pub mod stock;
