//! What a call passes before it is made: whose it is, whether there is a place for it, and who asks.

mod address;
mod gate;
pub(crate) mod places;

pub(crate) use gate::{Client, Gate, forward};
