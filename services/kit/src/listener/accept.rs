//! Taking connections from the system, also when that fails.

use std::io::{self, ErrorKind};
use std::net::IpAddr;
use std::time::Duration;

use rustix::io::Errno;
use tokio::net::{TcpListener, TcpStream};
use tokio::time::sleep;

use super::registry::Registry;

/// How long to wait for what connections that were told to go give back.
const EXHAUSTED_PAUSE: Duration = Duration::from_millis(200);
/// How long to wait after a failure that we do not know: it may be there again at once, and for ever.
const UNKNOWN_PAUSE: Duration = Duration::from_millis(10);

/// Why a connection could not be accepted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Cause {
    /// The process, or the system, has no descriptor or memory for it.
    Exhausted,
    /// Its client has gone already.
    Gone,
    Unknown,
}

impl Cause {
    fn of(error: &io::Error) -> Self {
        match (Errno::from_io_error(error), error.kind()) {
            (Some(Errno::MFILE | Errno::NFILE | Errno::NOBUFS | Errno::NOMEM), _) => {
                Self::Exhausted
            }
            (
                _,
                ErrorKind::ConnectionAborted
                | ErrorKind::ConnectionReset
                | ErrorKind::ConnectionRefused
                | ErrorKind::Interrupted,
            ) => Self::Gone,
            _ => Self::Unknown,
        }
    }
}

/// The next connection, and the address that it comes from. Where the system has nothing left for it, the
/// idlest ones make room.
pub(super) async fn accept(listener: &TcpListener, registry: &Registry) -> (TcpStream, IpAddr) {
    loop {
        let error = match listener.accept().await {
            Ok((tcp, address)) => return (tcp, address.ip().to_canonical()),
            Err(error) => error,
        };
        match Cause::of(&error) {
            Cause::Exhausted => {
                tracing::warn!(%error, "a connection cannot be accepted: others make room");
                registry.evict();
                sleep(EXHAUSTED_PAUSE).await;
            }
            Cause::Gone => tracing::debug!(%error, "a connection was gone before it was accepted"),
            Cause::Unknown => {
                tracing::warn!(%error, "a connection cannot be accepted");
                sleep(UNKNOWN_PAUSE).await;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn others_make_room_only_where_descriptors_or_memory_are_out() {
        for errno in [Errno::MFILE, Errno::NFILE, Errno::NOBUFS, Errno::NOMEM] {
            assert_eq!(Cause::of(&errno.into()), Cause::Exhausted, "{errno}");
        }
        for errno in [Errno::CONNABORTED, Errno::CONNRESET, Errno::INTR] {
            assert_eq!(Cause::of(&errno.into()), Cause::Gone, "{errno}");
        }
        // by a firewall
        assert_eq!(Cause::of(&Errno::PERM.into()), Cause::Unknown);
    }
}
