//! Publishing the public keys that verify access tokens. Anybody may ask for them, so asking costs no
//! query: they are kept for a moment, and who asks meanwhile is given the same.

use std::sync::{Arc, PoisonError, RwLock};
use std::time::{Duration, Instant};

use souk_db::{Batches, Database, Limits, Work};

use crate::key::PublicKey;
use crate::token::ACCESS_LIFETIME;
use crate::{Error, store};

/// How long the keys are kept. A key is published long before it signs, and verifiers keep what they
/// were told for minutes: nobody misses it for these seconds.
const KEPT_FOR: Duration = Duration::from_secs(10);

/// Publishes keys. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Publishing {
    kept: Kept,
    lookups: Batches<Lookup>,
}

/// The keys that verify tokens: those that sign or soon will, and those whose last token may still be
/// valid.
type Keys = Arc<[PublicKey]>;

impl Publishing {
    pub fn new(database: Database) -> Self {
        let kept = Kept::default();
        let lookup = Lookup { database, kept: kept.clone() };
        let limits = Limits { lanes: 1, weight: usize::MAX, ..Limits::READS };
        Self { kept, lookups: Batches::new(lookup, limits) }
    }

    /// The keys that verify tokens.
    pub async fn keys(&self) -> Result<Keys, Error> {
        match self.kept.get(Instant::now()) {
            Some(keys) => Ok(keys),
            None => Ok(self.lookups.submit(()).await?),
        }
    }
}

/// Looks the keys up, once for all who wait.
struct Lookup {
    database: Database,
    kept: Kept,
}

impl Work for Lookup {
    type Item = ();
    type Outcome = Keys;

    async fn run(&self, askers: &[()]) -> Result<Vec<Keys>, sqlx::Error> {
        let keys = match self.kept.get(Instant::now()) {
            // the askers before them have just been told
            Some(keys) => keys,
            None => {
                let access = self.database.for_many();
                let keys: Keys = store::keys::public(&access, ACCESS_LIFETIME).await?.into();
                self.kept.set(keys.clone(), Instant::now());
                keys
            }
        };
        Ok(vec![keys; askers.len()])
    }
}

/// The keys as they were a moment ago.
#[derive(Clone, Default)]
struct Kept(Arc<RwLock<Option<(Keys, Instant)>>>);

impl Kept {
    /// The keys, unless they were looked up too long ago.
    fn get(&self, now: Instant) -> Option<Keys> {
        let kept = self.0.read().unwrap_or_else(PoisonError::into_inner);
        let (keys, at) = kept.as_ref()?;
        (now.saturating_duration_since(*at) < KEPT_FOR).then(|| keys.clone())
    }

    fn set(&self, keys: Keys, at: Instant) {
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = Some((keys, at));
    }
}

impl std::fmt::Debug for Kept {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Kept(…)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_kept_for_some_seconds_and_no_longer() {
        let kept = Kept::default();
        let now = Instant::now();
        assert!(kept.get(now).is_none());
        kept.set(Arc::new([]), now);
        assert!(kept.get(now + KEPT_FOR / 2).is_some());
        assert!(kept.get(now + KEPT_FOR).is_none());
    }
}
