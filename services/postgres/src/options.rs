//! What a server is started with.

use std::path::PathBuf;

use crate::binaries::Binaries;
use crate::download::Release;

/// Where the data are, and where the programs come from.
#[derive(Debug, Clone)]
pub struct Options {
    /// The directory that is ours, created if it is missing: `.souk` by default.
    pub data_dir: PathBuf,
    /// Where to look for the programs.
    pub binaries: Binaries,
    /// What to download if there are none; `None` on a platform without a pinned build.
    pub release: Option<Release>,
}

impl Options {
    /// Data in `data_dir`, programs as the environment says: `PG_BIN` names the only directory
    /// to look for them in, `SOUK_POSTGRES_MIRROR` the address to download them from.
    pub fn new(data_dir: impl Into<PathBuf>) -> Options {
        let directory = std::env::var_os("PG_BIN").filter(|dir| !dir.is_empty());
        let mirror = std::env::var("SOUK_POSTGRES_MIRROR").ok().filter(|url| !url.is_empty());
        let mut release = Release::pinned();
        if let (Some(release), Some(mirror)) = (&mut release, mirror) {
            release.mirror = mirror;
        }
        Options {
            data_dir: data_dir.into(),
            binaries: directory.map_or(Binaries::Anywhere, |dir| Binaries::Directory(dir.into())),
            release,
        }
    }
}
