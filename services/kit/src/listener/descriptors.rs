//! File descriptors: a process has a limited number, and each connection takes one.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// Descriptors that are not for connections of clients: files, databases, neighbours.
const RESERVED: u64 = 200;
/// Fewer connections than this are served even where there seems to be no room for them.
const LEAST: usize = 32;

/// Raises the number of descriptors that this process may have to what the system allows it.
pub fn raise_descriptor_limit() {
    let limit = getrlimit(Resource::Nofile);
    if limit.current != limit.maximum {
        let raised = Rlimit { current: limit.maximum, maximum: limit.maximum };
        if let Err(error) = setrlimit(Resource::Nofile, raised) {
            tracing::warn!(%error, "cannot raise the limit of open files");
        }
    }
}

/// How many connections each of several listeners can serve: as many as wanted, where the process may
/// have so many descriptors.
pub fn connections_that_fit(wanted: usize, listeners: usize) -> usize {
    let Some(descriptors) = getrlimit(Resource::Nofile).current else { return wanted };
    let room = usize::try_from(descriptors.saturating_sub(RESERVED)).unwrap_or(usize::MAX);
    let share = (room / listeners.max(1)).max(LEAST);
    // a little less is no reason to worry whoever starts it
    if share < wanted / 2 {
        tracing::warn!(
            descriptors,
            wanted,
            connections = share,
            "the limit of open files is low: fewer connections are served; raise it with `ulimit -n`"
        );
    }
    share.min(wanted)
}
