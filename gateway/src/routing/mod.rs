//! Routes: where each RPC is in REST, and what answering it needs.

mod compile;
mod route;
mod table;

pub(crate) use compile::{UPDATE_MASK, compile, success};
pub(crate) use route::{FIELDS, PathVariable, Route};
pub(crate) use table::{Found, Table};
