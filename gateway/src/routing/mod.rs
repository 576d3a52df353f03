//! Routes: where each RPC is in REST, and what answering it needs.

mod paths;
mod route;
mod table;

pub(crate) use route::{Route, UPDATE_MASK, compile};
pub(crate) use table::{Found, Table};
