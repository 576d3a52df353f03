//! The audit: what must be so when all has come to rest, whoever died meanwhile. It only reads.

mod acknowledged;
mod books;
mod public;
mod rules;
mod stock;

pub use acknowledged::hold_to;
pub use books::{Books, settle};
pub use public::of_public;
pub use stock::compare;
