//! The connections of a listener, so that the idlest can make room for others.

use std::cmp::Reverse;
use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::activity::{Activity, now};
use super::network::Origin;
use super::shares::Shares;

/// Of how many connections one goes at a time.
const EVICTED_SHARE: usize = 10;

/// Bytes of answers that all clients together may leave unread, beside the answer that has just begun.
const UNREAD: usize = 32 * 1024 * 1024;
/// How much more is made free when they leave more, so that not every answer after that has to look.
const SPARE: usize = UNREAD / 10;

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
    by_owner: HashMap<Owner, HashMap<u64, Member>>,
}

/// Whose a connection is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Owner {
    Client(Origin),
    /// It is one of a proxy, and counts for itself: others of the same address are those of others.
    Proxied(u64),
}

#[derive(Debug)]
struct Member {
    activity: Arc<Activity>,
    /// The streams of answers of its owner.
    answers: Shares,
    /// Whether it has been told to go.
    is_leaving: bool,
    /// Whether it goes at once, and its unread answers with it.
    is_expelled: bool,
}

impl Member {
    fn new(activity: Arc<Activity>, answers: Shares) -> Self {
        Self { activity, answers, is_leaving: false, is_expelled: false }
    }
}

impl Registry {
    /// Notes a new connection.
    pub(super) fn enter(&self, address: IpAddr, is_proxy: bool) -> Entry {
        let activity = Activity::new(self.unread.clone());
        let mut connections = self.lock();
        connections.last += 1;
        let id = connections.last;
        let owner = if is_proxy { Owner::Proxied(id) } else { Owner::Client(Origin::of(address)) };
        let own = connections.by_owner.entry(owner).or_default();
        let answers = own.values().next().map(|member| member.answers.clone()).unwrap_or_default();
        own.insert(id, Member::new(activity.clone(), answers.clone()));
        Entry { activity, answers, address, owner, id, registry: self.clone() }
    }

    /// Whether a client may have one more connection where it may have so many. When it has them
    /// already, its own idlest is told to go.
    pub(super) fn has_room_for(&self, address: IpAddr, most: usize) -> bool {
        let mut connections = self.lock();
        let owner = Owner::Client(Origin::of(address));
        let Some(own) = connections.by_owner.get_mut(&owner) else { return true };
        own.len() < most || staying(own.values_mut()).count() < most || evict(own.values_mut(), 1)
    }

    /// Tells those connections to go that have had nothing to do for longest.
    pub(super) fn evict(&self) {
        let mut connections = self.lock();
        let all = connections.by_owner.values().map(HashMap::len).sum::<usize>();
        let count = (all / EVICTED_SHARE).max(1);
        evict(connections.by_owner.values_mut().flat_map(HashMap::values_mut), count);
    }

    /// When clients leave too much unread, those go that neglect the most: of the client whose
    /// connections do so together, the one that does. An answer of so many bytes has just begun.
    pub(super) fn bound_unread(&self, newest: usize) {
        let unread = || self.unread.load(Ordering::Relaxed).saturating_sub(newest);
        if unread() <= UNREAD {
            return;
        }
        let mut connections = self.lock();
        let all = connections.by_owner.values().flat_map(HashMap::values);
        let going: usize =
            all.filter(|member| member.is_expelled).map(|member| member.activity.unread()).sum();
        let mut left = unread().saturating_sub(going);
        if left <= UNREAD {
            return;
        }
        for member in neglectful(connections.by_owner.values_mut()) {
            if left <= UNREAD - SPARE {
                break;
            }
            left = left.saturating_sub(member.activity.unread());
            (member.is_leaving, member.is_expelled) = (true, true);
            member.activity.expelled.notify_one();
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

/// The connections with unread answers in the order in which they go: each time the one that neglects the
/// most of the owner whose connections do so together, without those that have gone before.
fn neglectful<'a>(
    owners: impl Iterator<Item = &'a mut HashMap<u64, Member>>,
) -> impl Iterator<Item = &'a mut Member> {
    let now = now();
    let mut all = Vec::new();
    for own in owners {
        let mut own: Vec<_> = own
            .values_mut()
            .filter(|member| !member.is_expelled && member.activity.unread() > 0)
            .map(|member| (member.activity.neglect(now), member))
            .collect();
        own.sort_unstable_by_key(|(neglect, _)| *neglect);
        let mut together = 0_u64;
        for (neglect, member) in own {
            together = together.saturating_add(neglect);
            all.push((together, member));
        }
    }
    all.sort_unstable_by_key(|(together, _)| Reverse(*together));
    all.into_iter().map(|(_, member)| member)
}

/// A connection in the registry, until dropped.
#[derive(Debug)]
pub(super) struct Entry {
    pub(super) activity: Arc<Activity>,
    pub(super) answers: Shares,
    pub(super) address: IpAddr,
    owner: Owner,
    id: u64,
    pub(super) registry: Registry,
}

impl Drop for Entry {
    fn drop(&mut self) {
        let mut connections = self.registry.lock();
        let Some(own) = connections.by_owner.get_mut(&self.owner) else { return };
        own.remove(&self.id);
        if own.is_empty() {
            connections.by_owner.remove(&self.owner);
        }
    }
}
