//! The SQL of the orders service, and nothing else.

pub mod acceptance;
pub mod claims;
pub mod orders;
pub mod records;
pub mod transitions;
