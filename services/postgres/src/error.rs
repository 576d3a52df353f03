//! What can go wrong with the supervised server, each with the way out of it.

use std::io;
use std::path::{Path, PathBuf};

/// Why the supervised PostgreSQL could not start, or ended.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// No usable PostgreSQL on this machine, and none could be downloaded.
    #[error("no usable PostgreSQL: {reasons}\n{}", HELP)]
    NotFound {
        /// What was looked at and why it did not do, the download included.
        reasons: String,
    },
    /// The download is not the archive that was expected; nothing of it was kept.
    #[error(
        "refused {url}: its SHA-256 is {actual}, expected {expected}; try again, and if it stays so, do not trust that mirror\n{}",
        HELP
    )]
    Checksum {
        /// Where the archive came from.
        url: String,
        /// The digest it must have.
        expected: String,
        /// The digest it has.
        actual: String,
    },
    /// Another process supervises the same data directory.
    #[error("{} is in use by another souk (process {holder}): stop it, or choose another data directory", dir.display())]
    InUse {
        /// The directory that is locked.
        dir: PathBuf,
        /// The process id in the lock file.
        holder: String,
    },
    /// The data belong to somebody this process can not become.
    #[error("{} belongs to {owner}: start souk as root or as that user, or choose another data directory", dir.display())]
    NotOurs {
        /// The directory of the data.
        dir: PathBuf,
        /// The user who owns it.
        owner: String,
    },
    /// PostgreSQL refuses to run as root, and there is nobody else to run it as.
    #[error(
        "started as root, and /etc/passwd has neither `postgres` nor `nobody` to run PostgreSQL as: create a user `postgres`, or start souk as an ordinary user"
    )]
    NoAccount,
    /// The account that has to run the server can not get to its files.
    #[error("user {account} can not reach {}: make every directory above it passable (chmod o+x), or choose another data directory", path.display())]
    Unreachable {
        /// The user that runs the server.
        account: String,
        /// What it can not reach.
        path: PathBuf,
    },
    /// The data are there, the password to them is not.
    #[error("{} is missing, and with it the password to the data beside it: restore the file, or move the data away to start empty", path.display())]
    PasswordLost {
        /// Where the password should be.
        path: PathBuf,
    },
    /// The server refuses the stored password.
    #[error("PostgreSQL refuses the password in {}: it was changed in the database; write the new one there", path.display())]
    PasswordWrong {
        /// Where the stored password is.
        path: PathBuf,
    },
    /// A server that an earlier run left behind would not go away.
    #[error("a server of an earlier run (process {pid}) still uses {} and does not end: stop it with `kill -9 {pid}`", dir.display())]
    Leftover {
        /// The process id of that server.
        pid: i32,
        /// The data it works on.
        dir: PathBuf,
    },
    /// A program of PostgreSQL ended when it should not have.
    #[error("{program} ended ({status}); the end of {} says:\n{said}", log.display())]
    Ended {
        /// `initdb` or `postgres`.
        program: &'static str,
        /// Its exit code or signal.
        status: String,
        /// Its log file.
        log: PathBuf,
        /// The last lines of that file.
        said: String,
    },
    /// The server runs but did not accept a connection in time.
    #[error("PostgreSQL did not get ready within {seconds} s ({last}); the end of {} says:\n{said}", log.display())]
    NotReady {
        /// How long it had.
        seconds: u64,
        /// What it was still waiting for.
        last: String,
        /// Its log file.
        log: PathBuf,
        /// The last lines of that file.
        said: String,
    },
    /// The operating system refused something.
    #[error("can not {action} {}: {source}", path.display())]
    Io {
        /// What was tried.
        action: &'static str,
        /// On what.
        path: PathBuf,
        /// How it was refused.
        source: io::Error,
    },
}

/// How to get a PostgreSQL by hand.
const HELP: &str = "install PostgreSQL 15 or newer: \
    `apt-get install postgresql` (Debian, Ubuntu), `dnf install postgresql-server` (Fedora, RHEL), \
    `brew install postgresql@17` (macOS); or name the directory of its programs with PG_BIN; \
    or use a server of your own with --database-url";

/// Says on which path an operation failed: `io::Error` alone does not.
pub(crate) trait At<T> {
    /// Completes the sentence "can not `action` `path`".
    fn at(self, action: &'static str, path: &Path) -> Result<T, Error>;
}

impl<T, E: Into<io::Error>> At<T> for Result<T, E> {
    fn at(self, action: &'static str, path: &Path) -> Result<T, Error> {
        self.map_err(|error| Error::Io { action, path: path.to_path_buf(), source: error.into() })
    }
}
