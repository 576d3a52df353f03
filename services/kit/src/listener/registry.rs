//! The connections of a listener, so that the idlest can make room for others.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::activity::Activity;
use super::network::Origin;

/// Of how many connections one goes at a time.
const EVICTED_SHARE: usize = 10;

/// Bytes of answers that all clients together may leave unread.
const UNREAD: usize = 32 * 1024 * 1024;

/// All connections. Cheap to clone.
#[derive(Debug, Clone, Default)]
pub(super) struct Registry {
    connections: Arc<Mutex<Connections>>,
    /// The bytes of answers that their clients have not taken.
    unread: Arc<AtomicUsize>,
}

#[derive(Debug, Default)]
struct Connections {
    /// The number of the newest.
    last: u64,
    by_origin: HashMap<Origin, HashMap<u64, Member>>,
}

#[derive(Debug)]
struct Member {
    activity: Arc<Activity>,
    /// Whether it has been told to go.
    is_leaving: bool,
}

impl Registry {
    /// Notes a new connection.
    pub(super) fn enter(&self, address: IpAddr) -> Entry {
        let activity = Activity::new(self.unread.clone());
        let mut connections = self.lock();
        connections.last += 1;
        let id = connections.last;
        let member = Member { activity: activity.clone(), is_leaving: false };
        connections.by_origin.entry(Origin::of(address)).or_default().insert(id, member);
        Entry { activity, address, id, registry: self.clone() }
    }

    /// Whether a client may have one more connection where it may have so many. When it has them
    /// already, its own idlest is told to go.
    pub(super) fn has_room_for(&self, address: IpAddr, most: usize) -> bool {
        let mut connections = self.lock();
        let Some(own) = connections.by_origin.get_mut(&Origin::of(address)) else { return true };
        own.len() < most || staying(own.values_mut()).count() < most || evict(own.values_mut(), 1)
    }

    /// Tells those connections to go that have had nothing to do for longest.
    pub(super) fn evict(&self) {
        let mut connections = self.lock();
        let all = connections.by_origin.values().map(HashMap::len).sum::<usize>();
        let count = (all / EVICTED_SHARE).max(1);
        evict(connections.by_origin.values_mut().flat_map(HashMap::values_mut), count);
    }

    /// When clients leave too much unread, who has left the most goes, however new its connection is.
    pub(super) fn bound_unread(&self) {
        if self.unread.load(Ordering::Relaxed) <= UNREAD {
            return;
        }
        let connections = self.lock();
        let all = connections.by_origin.values().flat_map(HashMap::values);
        if let Some(most) = all.max_by_key(|member| member.activity.unread()) {
            most.activity.expelled.notify_one();
        }
    }

    fn lock(&self) -> MutexGuard<'_, Connections> {
        self.connections.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn staying<'a>(
    members: impl Iterator<Item = &'a mut Member>,
) -> impl Iterator<Item = &'a mut Member> {
    members.filter(|member| !member.is_leaving)
}

/// Tells so many of these connections to go, the idlest first; whether there was one to be told.
fn evict<'a>(members: impl Iterator<Item = &'a mut Member>, count: usize) -> bool {
    let mut idle: Vec<(u64, &mut Member)> = staying(members)
        .filter_map(|member| Some((member.activity.idle_since()?, member)))
        .collect();
    let count = idle.len().min(count);
    if count == 0 {
        return false;
    }
    idle.select_nth_unstable_by_key(count - 1, |(since, _)| *since);
    for (_, member) in &mut idle[..count] {
        member.is_leaving = true;
        member.activity.evicted.notify_one();
    }
    true
}

/// A connection in the registry, until dropped.
#[derive(Debug)]
pub(super) struct Entry {
    pub(super) activity: Arc<Activity>,
    pub(super) address: IpAddr,
    id: u64,
    pub(super) registry: Registry,
}

impl Drop for Entry {
    fn drop(&mut self) {
        let mut connections = self.registry.lock();
        let origin = Origin::of(self.address);
        let Some(own) = connections.by_origin.get_mut(&origin) else { return };
        own.remove(&self.id);
        if own.is_empty() {
            connections.by_origin.remove(&origin);
        }
    }
}
