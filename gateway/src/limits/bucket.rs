//! One limit: so many calls a minute, for each whom it counts.

use std::sync::Arc;

use super::memory::Memory;
use super::shared::Shared;
use super::standing::{Policy, Standing};
use super::subject::Subject;
use crate::valkey::Valkey;

/// Buckets of one kind, one for each whom they count. Each holds what may be asked in a minute, and fills
/// up again steadily.
#[derive(Debug)]
pub(crate) struct Bucket {
    policy: Arc<Policy>,
    shared: Option<Shared>,
    /// Counts alone, or while the store is away.
    memory: Memory,
}

impl Bucket {
    /// `key` is its name in the store.
    pub(super) fn new(policy: Policy, key: &str, store: Option<Valkey>) -> Self {
        let limit = policy.limit();
        let shared = store.map(|store| Shared::new(store, key, limit));
        Self { policy: Arc::new(policy), shared, memory: Memory::new(limit) }
    }

    /// Takes a call out, if there is one.
    pub(super) async fn take(&self, subject: Subject) -> Standing {
        let shared = match &self.shared {
            Some(shared) => shared.take(subject).await,
            None => None,
        };
        Standing::new(self.policy.clone(), shared.unwrap_or_else(|| self.memory.take(subject)))
    }
}
