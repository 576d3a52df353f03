//! The SQL of the orders service, and nothing else.

pub mod addresses;
pub mod changes;
pub mod claims;
pub mod events;
pub mod history;
pub mod numbers;
pub mod orders;
pub mod provider_events;
pub mod purchases;
pub mod records;
mod rows;
pub mod webhooks;
