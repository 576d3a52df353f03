//! Where the data are: the directory, the user that owns them, and the lock on both.

use std::fs::{self, DirBuilder, File, OpenOptions, Permissions};
use std::io::{Read, Seek, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt, PermissionsExt, chown};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use sha2::{Digest, Sha256};
use tempfile::TempDir;

use crate::account::Account;
use crate::error::{At, Error};

/// Data that the server's account could not reach where they should be go here instead.
const ELSEWHERE: &str = "/var/lib/souk";

/// The name that everything unfinished begins with: what is left of it after a crash is rubbish.
const UNFINISHED: &str = ".new-";

/// A directory with a cluster, its password, its log and perhaps downloaded programs in it,
/// locked for as long as this value lives.
#[derive(Debug)]
pub(crate) struct Place {
    pub(crate) dir: PathBuf,
    /// Whom to run PostgreSQL as; none: as ourselves.
    pub(crate) account: Option<Account>,
    /// The kernel drops the lock with the process, however it ends.
    _lock: File,
}

impl Place {
    /// Finds or makes the place that belongs to `data_dir`, always the same one, and locks it.
    pub(crate) fn open(data_dir: &Path) -> Result<Place, Error> {
        fs::create_dir_all(data_dir).at("create", data_dir)?;
        let data_dir = fs::canonicalize(data_dir).at("find", data_dir)?;
        let (dir, account) = choose(&data_dir)?;
        // Root keeps the directory itself: in one that the server's account could write to,
        // a planted symlink would redirect what root writes. The account only passes through.
        let mode = if account.is_some() { 0o711 } else { 0o700 };
        if !cluster_in(&dir).exists() {
            DirBuilder::new().recursive(true).mode(mode).create(&dir).at("create", &dir)?;
            fs::set_permissions(&dir, Permissions::from_mode(mode)).at("set the mode of", &dir)?;
        }
        let _lock = lock(&dir)?;
        let place = Place { dir, account, _lock };
        if let Some(account) = place.account.as_ref().filter(|a| !a.can_enter(&place.dir)) {
            return Err(Error::Unreachable { account: account.name.clone(), path: place.dir });
        }
        place.sweep();
        Ok(place)
    }

    /// The cluster: PostgreSQL's own data directory.
    pub(crate) fn cluster(&self) -> PathBuf {
        cluster_in(&self.dir)
    }

    /// The file with the password of the superuser.
    pub(crate) fn password(&self) -> PathBuf {
        self.dir.join("password")
    }

    /// The log of this run; the one of the run before has `.1` at its end.
    pub(crate) fn log(&self) -> PathBuf {
        self.dir.join("postgres.log")
    }

    /// A directory for something unfinished. It goes away unless it is kept and renamed.
    pub(crate) fn unfinished(&self) -> Result<TempDir, Error> {
        tempfile::Builder::new()
            .prefix(UNFINISHED)
            .tempdir_in(&self.dir)
            .at("create a directory in", &self.dir)
    }

    /// Creates a file only we can read, never through a symlink.
    pub(crate) fn create(&self, path: &Path) -> Result<File, Error> {
        let file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path);
        let file = file.at("create", path)?;
        belong_to_owner(&self.dir, path)?;
        Ok(file)
    }

    /// Makes what was renamed in here survive a power cut.
    pub(crate) fn sync(&self) -> Result<(), Error> {
        File::open(&self.dir).and_then(|dir| dir.sync_all()).at("write", &self.dir)
    }

    /// A program of PostgreSQL, run as the account, with nothing of our environment (which may
    /// hold secrets, and settings like PGDATA) but what programs need to be found and linked.
    pub(crate) fn command(&self, program: &Path) -> Command {
        let mut command = Command::new(program);
        command.env_clear().current_dir(&self.dir).stdin(Stdio::null());
        for name in ["PATH", "LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH", "TMPDIR"] {
            if let Some(value) = std::env::var_os(name) {
                command.env(name, value);
            }
        }
        command.env("LC_ALL", "C").env("TZ", "UTC");
        if let Some(account) = &self.account {
            account.apply(&mut command);
        }
        command
    }

    /// Removes what an interrupted start left; a failure costs disk space and nothing else.
    fn sweep(&self) {
        let entries = fs::read_dir(&self.dir).into_iter().flatten().flatten();
        for entry in entries.filter(|e| e.file_name().to_string_lossy().starts_with(UNFINISHED)) {
            let path = entry.path();
            if let Err(error) = fs::remove_dir_all(&path) {
                tracing::warn!(path = %path.display(), %error, "could not remove an unfinished start");
            }
        }
    }
}

fn cluster_in(dir: &Path) -> PathBuf {
    dir.join("cluster")
}

/// Existing data decide, so that nobody ever finds an empty database where theirs was; a new
/// place is inside `data_dir` if the account can get there.
fn choose(data_dir: &Path) -> Result<(PathBuf, Option<Account>), Error> {
    let wanted = data_dir.join("postgres");
    let elsewhere = Path::new(ELSEWHERE).join(name_of(data_dir));
    let existing = [&wanted, &elsewhere].into_iter().find_map(|dir| {
        let owner = fs::metadata(cluster_in(dir)).ok()?;
        Some((dir, Account::of(owner.uid(), owner.gid())))
    });
    let own = rustix::process::geteuid();
    let (dir, account) = match existing {
        Some((dir, owner)) if !own.is_root() && owner.uid != own.as_raw() => {
            return Err(Error::NotOurs { dir: dir.clone(), owner: owner.name });
        }
        _ if !own.is_root() => return Ok((wanted, None)),
        Some((dir, owner)) if owner.uid != 0 => (dir, owner),
        _ => {
            let account = Account::unprivileged()?;
            let dir = if account.can_enter(data_dir) { &wanted } else { &elsewhere };
            (dir, account)
        }
    };
    if *dir == elsewhere {
        tracing::warn!(
            wanted = %wanted.display(), used = %elsewhere.display(), user = %account.name,
            "souk is root, PostgreSQL runs as another user who can not get to the data directory: \
             its data are elsewhere"
        );
    }
    Ok((dir.clone(), Some(account)))
}

/// The same short name for the same directory, always.
fn name_of(data_dir: &Path) -> String {
    let digest = Sha256::digest(data_dir.as_os_str().as_encoded_bytes());
    digest.iter().take(8).map(|byte| format!("{byte:02x}")).collect()
}

/// Who may go into a directory must be able to open its files again, also after a run as root.
fn belong_to_owner(dir: &Path, path: &Path) -> Result<(), Error> {
    let owner = fs::metadata(dir).at("look at", dir)?;
    if rustix::process::geteuid().is_root() {
        chown(path, Some(owner.uid()), Some(owner.gid())).at("change the owner of", path)?;
    }
    Ok(())
}

fn lock(dir: &Path) -> Result<File, Error> {
    let path = dir.join("lock");
    let mut options = OpenOptions::new();
    options.read(true).write(true).create(true).truncate(false).mode(0o600);
    let mut file = options.open(&path).at("open", &path)?;
    match file.try_lock() {
        Ok(()) => {}
        Err(fs::TryLockError::WouldBlock) => {
            let mut holder = String::new();
            let _ = file.read_to_string(&mut holder);
            return Err(Error::InUse { dir: dir.to_path_buf(), holder });
        }
        Err(fs::TryLockError::Error(source)) => return Err(source).at("lock", &path),
    }
    belong_to_owner(dir, &path)?;
    file.set_len(0).and_then(|()| file.rewind()).at("write", &path)?;
    write!(file, "{}", std::process::id()).at("write", &path)?;
    Ok(file)
}
