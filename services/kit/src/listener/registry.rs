//! The connections of a listener, so that the idlest can make room for others.

use std::collections::HashMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::activity::Activity;

/// Of how many connections one goes at a time.
const EVICTED_SHARE: usize = 10;

type Connections = HashMap<u64, Arc<Activity>>;

/// Bytes of answers that all clients together may leave unread.
const UNREAD: usize = 32 * 1024 * 1024;

/// All connections. Cheap to clone.
#[derive(Debug, Clone, Default)]
pub(super) struct Registry {
    connections: Arc<Mutex<(u64, Connections)>>,
    /// The bytes of answers that their clients have not taken.
    unread: Arc<AtomicUsize>,
}

impl Registry {
    /// Notes a new connection.
    pub(super) fn enter(&self) -> Entry {
        let activity = Activity::new(self.unread.clone());
        let mut guard = self.lock();
        let (last, connections) = &mut *guard;
        *last += 1;
        connections.insert(*last, activity.clone());
        Entry { activity, id: *last, registry: self.clone() }
    }

    /// Tells those connections to go that have had nothing to do for longest.
    pub(super) fn evict(&self) {
        let guard = self.lock();
        let mut idle: Vec<(u64, &Arc<Activity>)> = (guard.1.values())
            .filter_map(|activity| Some((activity.idle_since()?, activity)))
            .collect();
        let count = idle.len().min((guard.1.len() / EVICTED_SHARE).max(1));
        if count == 0 {
            return;
        }
        let (longest, _, _) = idle.select_nth_unstable_by_key(count - 1, |(since, _)| *since);
        longest.iter().for_each(|(_, activity)| activity.evicted.notify_one());
        idle[count - 1].1.evicted.notify_one();
    }

    /// When clients leave too much unread, who has left the most goes, however new its connection is.
    pub(super) fn bound_unread(&self) {
        if self.unread.load(Ordering::Relaxed) <= UNREAD {
            return;
        }
        if let Some(most) = self.lock().1.values().max_by_key(|activity| activity.unread()) {
            most.expelled.notify_one();
        }
    }

    fn lock(&self) -> MutexGuard<'_, (u64, Connections)> {
        self.connections.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A connection in the registry, until dropped.
#[derive(Debug)]
pub(super) struct Entry {
    pub(super) activity: Arc<Activity>,
    id: u64,
    pub(super) registry: Registry,
}

impl Drop for Entry {
    fn drop(&mut self) {
        self.registry.lock().1.remove(&self.id);
    }
}
