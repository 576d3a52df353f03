//! Answers that this process keeps.

use std::fmt;

use bytes::Bytes;
use quick_cache::sync::Cache;
use quick_cache::{DefaultHashBuilder, Weighter};

use super::entry::Entry;

/// Bytes that all of them may take; those that are asked for least go first.
const MOST_BYTES: u64 = 64 * 1024 * 1024;
/// What one takes besides its bytes, roughly.
const OVERHEAD: u64 = 128;
/// How many there may be, as a first guess.
const EXPECTED: usize = 10_000;

pub(super) struct Memory(Cache<Bytes, Entry, Weight, DefaultHashBuilder>);

#[derive(Clone)]
struct Weight;

impl Weighter<Bytes, Entry> for Weight {
    fn weight(&self, key: &Bytes, entry: &Entry) -> u64 {
        OVERHEAD + key.len() as u64 + entry.wire.len() as u64
    }
}

impl Default for Memory {
    fn default() -> Self {
        Self(Cache::with_weighter(EXPECTED, MOST_BYTES, Weight))
    }
}

impl Memory {
    pub(super) fn get(&self, key: &Bytes) -> Option<Entry> {
        self.0.get(key)
    }

    pub(super) fn insert(&self, key: Bytes, entry: Entry) {
        self.0.insert(key, entry);
    }
}

impl fmt::Debug for Memory {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Memory").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_kept_has_its_limit() {
        let memory = Memory::default();
        let wire = Bytes::from(vec![0; 1024 * 1024]);
        for number in 0..200_u32 {
            let key = Bytes::copy_from_slice(&number.to_be_bytes());
            memory.insert(key, Entry::new(&wire));
        }
        assert!(memory.0.weight() <= MOST_BYTES && memory.0.len() >= 32, "{}", memory.0.len());
    }
}
