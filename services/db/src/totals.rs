//! How many rows the lists of a service have, without counting them: the number is kept in the
//! transaction that changes it. It is spread over several rows, so that writers do not wait for each
//! other.
//!
//! Every service that counts lists has the same table `totals`.

use std::collections::HashMap;
use std::time::Instant;

use crate::batch::{Batches, Limits, Work};
use crate::database::Database;

/// The totals of a service's lists. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Totals {
    lists: Batches<Lists>,
}

/// Totals that are asked for while one statement is under way go together in the next.
struct Lists(Database);

/// A list whose total somebody asks for, and until when they wait.
struct Asked {
    list: String,
    deadline: Instant,
}

impl Work for Lists {
    type Item = Asked;
    type Outcome = i32;

    async fn run(&self, asked: &[Asked]) -> Result<Vec<i32>, sqlx::Error> {
        let mut lists: Vec<&str> = asked.iter().map(|asked| asked.list.as_str()).collect();
        lists.sort_unstable();
        lists.dedup();
        let access = self.0.while_any_waits(asked.iter().map(|asked| asked.deadline));
        let rows: Vec<(String, i32)> = sqlx::query_as(
            "select list, sum(count)::int from totals where list = any ($1) group by list",
        )
        .bind(lists)
        .fetch_all(&access)
        .await?;
        let totals: HashMap<String, i32> = rows.into_iter().collect();
        // a list that nobody has written to has no row
        Ok(asked.iter().map(|asked| totals.get(&asked.list).copied().unwrap_or(0)).collect())
    }
}

impl Totals {
    /// The totals that a database has.
    pub fn new(database: Database) -> Self {
        Self { lists: Batches::new(Lists(database), Limits::READS) }
    }

    /// How many rows a list has, for somebody who waits until `deadline`.
    ///
    /// # Errors
    ///
    /// The database's.
    pub async fn of(&self, list: impl Into<String>, deadline: Instant) -> Result<i32, sqlx::Error> {
        self.lists.submit(Asked { list: list.into(), deadline }).await
    }
}
