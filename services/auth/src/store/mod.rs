//! The SQL of the auth service, and nothing else.

pub mod accounts;
pub mod keys;
pub mod sessions;
