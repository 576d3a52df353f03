//! A PostgreSQL server of our own, for as long as this process lives.
//!
//! Souk started bare needs a database and has none: it finds the programs of PostgreSQL
//! ([`Binaries`]) or downloads them ([`Release`]), makes a cluster in a directory of its own, and
//! runs a server on it that listens on a random port of the loopback interface and nowhere else.
//!
//! The server never outlives its supervisor. Asked to, it shuts down ([`Server::stop`]); if this
//! process dies in whatever way, the kernel (elsewhere than on Linux a watchdog) tells the server
//! to drop everything at once. What it had committed is in its log, and the next start recovers
//! it. Such a start takes what a crash has left for granted: a stale pid file, a server still on
//! its way down, a half-made cluster.
//!
//! In `<data directory>/postgres` are `cluster` (the data), `password` (of the superuser `souk`),
//! `postgres.log` with `postgres.log.1` of the run before, `lock`, and downloaded programs. If
//! Souk runs as root, PostgreSQL runs as `postgres` or `nobody`, or whoever owns the data already;
//! where that user can not get to, the whole directory is in `/var/lib/souk` instead.
//!
//! This crate is for Unix.

mod account;
mod binaries;
mod cluster;
mod download;
mod error;
mod faults;
mod leftover;
mod log;
mod options;
mod place;
mod process;
mod server;
mod template;
#[cfg(any(test, not(target_os = "linux")))]
mod watchdog;

pub use binaries::Binaries;
pub use download::Release;
pub use error::Error;
pub use options::Options;
pub use process::Process;
pub use rustix::process::Signal;
pub use server::{MAX_CONNECTIONS, Server};
