//! What a server is started with.

use std::ffi::OsString;
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
    /// For tests, which make many clusters: a directory with one to copy for each major version
    /// of PostgreSQL, instead of a run of `initdb`. The first server of a version makes its
    /// cluster as ever and leaves a copy there. All have the same password, and no copy would
    /// survive a power cut right after it was made.
    pub template: Option<PathBuf>,
    /// Where to listen, for those whose clients must find the server again after a restart; a free
    /// port when none is named.
    pub port: Option<u16>,
}

impl Options {
    /// Data in `data_dir`, the rest as the environment says: `PG_BIN` names the only directory to
    /// look for the programs in, `SOUK_POSTGRES_MIRROR` the address to download them from, and
    /// `SOUK_POSTGRES_TEMPLATE` the directory of [`template`](Options::template).
    pub fn new(data_dir: impl Into<PathBuf>) -> Options {
        Options::in_environment(data_dir.into(), |name| std::env::var_os(name))
    }

    fn in_environment(data_dir: PathBuf, value: impl Fn(&str) -> Option<OsString>) -> Options {
        let value = |name| value(name).filter(|value| !value.is_empty());
        let mut release = Release::pinned();
        let mirror = value("SOUK_POSTGRES_MIRROR").and_then(|url| url.into_string().ok());
        if let (Some(release), Some(mirror)) = (&mut release, mirror) {
            release.mirror = mirror;
        }
        let directory = value("PG_BIN");
        Options {
            data_dir,
            binaries: directory.map_or(Binaries::Anywhere, |dir| Binaries::Directory(dir.into())),
            release,
            template: value("SOUK_POSTGRES_TEMPLATE").map(Into::into),
            port: None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_environment_names_programs_mirror_and_template() {
        let options = Options::in_environment("data".into(), |name| Some(name.into()));
        assert_eq!(options.binaries, Binaries::Directory("PG_BIN".into()));
        assert_eq!(options.template, Some("SOUK_POSTGRES_TEMPLATE".into()));
        let mirror = options.release.map(|release| release.mirror);
        let pinned = Release::pinned().map(|_| "SOUK_POSTGRES_MIRROR".to_owned());
        assert_eq!(mirror, pinned);
    }

    #[test]
    fn an_empty_variable_says_nothing() {
        let options = Options::in_environment("data".into(), |_| Some(OsString::new()));
        assert_eq!(options.binaries, Binaries::Anywhere);
        assert_eq!((options.release, options.template), (Release::pinned(), None));
    }
}
