//! The SQL of the orders service, and nothing else.

pub mod changes;
pub mod claims;
pub mod orders;
pub mod records;
