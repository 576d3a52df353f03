//! What the benches share: a machine to name, a PostgreSQL, suites to measure, load, and a table.

#![allow(dead_code, reason = "each bench uses its part")]

pub mod arguments;
pub mod binary;
pub mod gateway;
pub mod http;
pub mod load;
pub mod machine;
pub mod postgres;
pub mod process;
pub mod products;
pub mod shop;
pub mod suite;
pub mod table;
pub mod usage;
