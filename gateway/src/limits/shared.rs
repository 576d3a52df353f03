//! Buckets that several gateways share.

use std::num::NonZeroU32;
use std::sync::LazyLock;
use std::time::Duration;

use redis::Script;

use super::subject::{Subject, Taken};
use crate::valkey::Valkey;

/// A whole minute, in microseconds: the store counts in them.
const MINUTE: u64 = 60_000_000;

static TAKE: LazyLock<Script> = LazyLock::new(|| Script::new(include_str!("take.lua")));

#[derive(Debug)]
pub(super) struct Shared {
    store: Valkey,
    key: String,
    limit: NonZeroU32,
}

impl Shared {
    pub(super) fn new(store: Valkey, key: &str, limit: NonZeroU32) -> Self {
        Self { store, key: format!("limit:{key}"), limit }
    }

    /// `None` when the store is away, or late.
    pub(super) async fn take(&self, subject: Subject) -> Option<Taken> {
        let mut script = TAKE.key(format!("{}:{:032x}", self.key, subject.0));
        script.arg(self.limit.get()).arg((MINUTE / u64::from(self.limit.get())).max(1));
        let ask = async |mut connection| script.invoke_async(&mut connection).await;
        let (left, wait): (u32, u64) = self.store.ask(ask).await?;
        Some(if wait == 0 { Ok(left) } else { Err(Duration::from_micros(wait)) })
    }
}
