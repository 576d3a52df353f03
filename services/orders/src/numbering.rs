//! Numbers of orders for people. A process takes some at once; those that it does not use are gaps.

use std::ops::Range;

use souk_db::Database;
use souk_kit::request::Context;
use tokio::sync::Mutex;
use tokio::time::timeout_at;

use crate::Error;
use crate::store::numbers::{BLOCK, next_block};

/// The numbers that a process has taken.
#[derive(Debug)]
pub struct Numbers {
    database: Database,
    left: Mutex<Range<i64>>,
}

impl Numbers {
    pub fn new(database: Database) -> Self {
        Self { database, left: Mutex::new(0..0) }
    }

    /// A number that no other order has.
    pub async fn next(&self, context: &Context) -> Result<i64, Error> {
        // whoever finds none left gets some for all who wait
        let left = timeout_at(context.deadline.into(), self.left.lock()).await;
        let mut left = left.map_err(|_| Error::Late)?;
        if left.is_empty() {
            let first = next_block(&self.database.until(context.deadline)).await?;
            *left = first..first + BLOCK;
        }
        left.next().ok_or(Error::Late)
    }
}
