//! The SQL of the orders service, and nothing else.

pub mod addresses;
pub mod changes;
pub mod claims;
pub mod events;
pub mod history;
pub mod listing;
pub mod numbers;
pub mod orders;
#[cfg(test)]
mod plans;
pub mod provider_events;
pub mod purchases;
pub mod records;
mod rows;
pub mod webhooks;
