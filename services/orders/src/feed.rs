//! The stream of all events: read once for all who follow it in this process, whoever has written them.

use std::sync::Arc;
use std::time::Duration;

use prost::Message as _;
use souk_db::{Access, Database, outbox};
use souk_proto::souk::orders::v1::OrderEvent;
use tokio::sync::broadcast::{self, Receiver, Sender};
use tokio::time::sleep;

use crate::store::events;
use crate::{Error, store};

/// How often events get their positions, and those of other processes are looked for.
const INTERVAL: Duration = Duration::from_millis(100);
/// How long a statement may take.
const LIMIT: Duration = Duration::from_secs(5);
/// How many events who follows may be behind before it reads them from the database.
const BEHIND: usize = 256;

/// An event with its position.
#[derive(Debug, Clone)]
pub struct Told {
    pub position: i64,
    pub event: OrderEvent,
}

/// The stream of all events. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Feed {
    database: Database,
    followers: Sender<Arc<Told>>,
}

impl Feed {
    pub fn new(database: Database) -> Self {
        Self { database, followers: broadcast::channel(BEHIND).0 }
    }

    /// What happens from now on, as far as this process has heard of it in time: who misses something reads it from the
    /// database.
    pub fn subscribe(&self) -> Receiver<Arc<Told>> {
        self.followers.subscribe()
    }

    /// Gives positions to events, and tells those who follow.
    pub async fn run(&self) {
        let mut told = None;
        loop {
            match self.turn(&mut told).await {
                // there may be more
                Ok(true) => continue,
                Ok(false) => {}
                Err(error) => {
                    let error = souk_kit::failure::chain(&error);
                    tracing::warn!(error, "cannot tell what has happened");
                }
            }
            sleep(INTERVAL).await;
        }
    }

    /// One look: whether there may be more. `told` is the position of the last event that was told, or would have been.
    async fn turn(&self, told: &mut Option<i64>) -> Result<bool, Error> {
        let access = self.access();
        let (placed, end) = outbox::place(&access).await?;
        let after = match *told {
            Some(told) if self.followers.receiver_count() > 0 => told,
            // who comes after this look hears what happens after it
            _ => end,
        };
        *told = Some(after);
        if after >= end {
            return Ok(placed > 0);
        }
        let rows = store::events::after(&access, after).await?;
        for kept in rows {
            // also where it cannot be read: it does not take the others with it
            *told = kept.0.or(*told);
            match read(kept) {
                // nobody follows any more: not worth a word
                Ok(event) => drop(self.followers.send(Arc::new(event))),
                Err(error) => {
                    let error = souk_kit::failure::chain(&error);
                    tracing::error!(error, "an event cannot be read");
                }
            }
        }
        Ok(told.is_some_and(|told| told < end))
    }

    pub fn access(&self) -> Access {
        self.database.within(LIMIT)
    }
}

/// An event as it is told, from what is kept.
pub fn read((position, payload): events::Kept) -> Result<Told, Error> {
    let mut event = OrderEvent::decode(payload.as_slice())
        .map_err(|error| sqlx::Error::Decode(Box::new(error)))?;
    let position = position.unwrap_or_default();
    event.position = position.to_string();
    Ok(Told { position, event })
}
