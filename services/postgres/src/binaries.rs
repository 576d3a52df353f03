//! Finds the programs of PostgreSQL.

use std::fs;
use std::path::{Path, PathBuf};

use crate::download::{self, Release};
use crate::error::Error;
use crate::place::Place;

/// The oldest version whose SQL Souk relies on.
const OLDEST: u32 = 15;

/// Where packages put programs that are not on the `PATH`; `*` stands for a version.
const USUAL: &[(&str, &str, &str)] = &[
    ("/usr/lib/postgresql", "", "bin"),
    ("/usr", "pgsql-", "bin"),
    ("/opt/homebrew/opt", "postgresql@", "bin"),
    ("/usr/local/opt", "postgresql@", "bin"),
    ("/opt/local/lib", "postgresql", "bin"),
    ("/Applications/Postgres.app/Contents/Versions", "", "bin"),
];

/// Where the programs of PostgreSQL come from.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum Binaries {
    /// From `PATH` or the usual places, else from a download.
    #[default]
    Anywhere,
    /// From this directory and nowhere else (`PG_BIN`).
    Directory(PathBuf),
    /// From a download, whatever is installed.
    Download,
}

/// A directory with an `initdb` and a `postgres` that do.
#[derive(Debug, Clone)]
pub(crate) struct Programs {
    pub(crate) dir: PathBuf,
    pub(crate) version: String,
}

impl Programs {
    pub(crate) fn major(&self) -> u32 {
        major(&self.version)
    }

    pub(crate) fn path(&self, program: &str) -> PathBuf {
        self.dir.join(program)
    }
}

/// Finds programs for the cluster in `place`: of its own major version if there is one already.
pub(crate) fn find(
    place: &Place,
    wanted: &Binaries,
    release: Option<&Release>,
) -> Result<Programs, Error> {
    let cluster = fs::read_to_string(place.cluster().join("PG_VERSION")).ok();
    let cluster = cluster.and_then(|version| version.trim().parse::<u32>().ok());
    let mut reasons = Vec::new();

    let installed = match wanted {
        Binaries::Directory(dir) => vec![dir.clone()],
        Binaries::Anywhere => on_path().into_iter().chain(usual()).collect(),
        Binaries::Download => Vec::new(),
    };
    for dir in installed.iter().filter(|dir| dir.join("postgres").exists()) {
        match examine(place, dir, cluster) {
            Ok(programs) => return Ok(programs),
            Err(reason) => reasons.push(reason),
        }
    }
    if let Binaries::Directory(dir) = wanted {
        let missing = format!("there is no postgres in {}, which PG_BIN names", dir.display());
        let reasons = if reasons.is_empty() { missing } else { reasons.join("; ") };
        return Err(Error::NotFound { reasons });
    }
    for reason in &reasons {
        tracing::info!(reason, "an installed PostgreSQL does not do");
    }
    if reasons.is_empty() {
        reasons.push("none is installed".to_owned());
    }

    let downloaded = match release {
        None => Err("there is no build for this platform to download".to_owned()),
        Some(Release { version, .. }) if cluster.is_some_and(|c| c != major(version)) => {
            Err(format!(
                "the one to download is version {version}, but the data in {} were made by another",
                place.cluster().display()
            ))
        }
        Some(release) => match download::obtain(place, release) {
            Ok(dir) => examine(place, &dir.join("bin"), cluster),
            Err(error @ Error::Checksum { .. }) => return Err(error),
            Err(Error::NotFound { reasons }) => Err(reasons),
            Err(error) => Err(error.to_string()),
        },
    };
    downloaded.map_err(|reason| {
        reasons.push(reason);
        reasons.dedup();
        Error::NotFound { reasons: reasons.join("; ") }
    })
}

fn on_path() -> Vec<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path).filter(|dir| dir.is_absolute()).collect()
}

/// The usual places, newest version first.
fn usual() -> Vec<PathBuf> {
    let mut found = Vec::new();
    for &(parent, prefix, suffix) in USUAL {
        for entry in fs::read_dir(parent).into_iter().flatten().flatten() {
            let name = entry.file_name();
            let version = name.to_str().and_then(|name| name.strip_prefix(prefix));
            let version = version.and_then(|version| version.parse::<f32>().ok());
            if let Some(version) = version {
                found.push((version, entry.path().join(suffix)));
            }
        }
    }
    found.sort_by(|(one, _), (other, _)| other.total_cmp(one));
    found.into_iter().map(|(_, dir)| dir).collect()
}

/// Whether the programs in `dir` do; otherwise why not.
fn examine(place: &Place, dir: &Path, cluster: Option<u32>) -> Result<Programs, String> {
    let named = dir.join("postgres");
    // initdb looks for its templates beside itself: follow a link in /usr/local/bin to the place
    // where PostgreSQL is really installed
    let postgres = fs::canonicalize(&named).map_err(|e| format!("{}: {e}", named.display()))?;
    let dir = postgres.parent().unwrap_or(dir).to_path_buf();
    if !dir.join("initdb").exists() {
        return Err(format!("{} has no initdb beside it", postgres.display()));
    }
    let output = place.command(&postgres).arg("--version").output();
    let output = output.map_err(|error| match &place.account {
        Some(account) => {
            format!("user {} can not run {}: {error}", account.name, postgres.display())
        }
        None => format!("can not run {}: {error}", postgres.display()),
    })?;
    let said = String::from_utf8_lossy(&output.stdout);
    let Some(version) = said.split("(PostgreSQL) ").nth(1).filter(|_| output.status.success())
    else {
        let said = String::from_utf8_lossy(&output.stderr);
        return Err(format!("{} does not run: {}", postgres.display(), said.trim()));
    };
    let version = version.split_whitespace().next().unwrap_or_default().to_owned();
    let major = major(&version);
    if major < OLDEST {
        return Err(format!("{} is version {version}, older than {OLDEST}", postgres.display()));
    }
    if let Some(cluster) = cluster.filter(|cluster| *cluster != major) {
        return Err(format!(
            "{} is version {version}, but the data in {} were made by version {cluster}",
            postgres.display(),
            place.cluster().display()
        ));
    }
    Ok(Programs { dir, version })
}

/// 17 of "17.11", "17beta1" or "17.11.0".
fn major(version: &str) -> u32 {
    let digits = version.split(|c: char| !c.is_ascii_digit()).next().unwrap_or_default();
    digits.parse().unwrap_or_default()
}
