//! Products of which there is too little.

use serde::{Deserialize, Serialize};
use souk_kit::id::ProductId;
use uuid::Uuid;

/// A product of which there is too little, as it is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Shortage {
    pub product: Uuid,
    pub requested: i32,
    pub available: i32,
}

/// A product of which there is too little, and its place in the order.
#[derive(Debug, Clone, Copy)]
pub struct Shortfall {
    pub position: usize,
    pub product: ProductId,
    pub requested: i32,
    pub available: i32,
}
