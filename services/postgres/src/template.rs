//! A cluster to copy, for tests: they start many servers, each on a cluster of its own, and
//! `initdb` takes the most of that.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, chown};
use std::path::{Path, PathBuf};

use secrecy::SecretString;

use crate::account::Account;
use crate::error::{At, Error};
use crate::place::Place;

/// A cluster as `initdb` made it, and its password. Only we have access to it, and no server ever
/// runs on it.
#[derive(Debug, Clone)]
pub(crate) struct Template {
    dir: PathBuf,
}

impl Template {
    /// The one for a major version, among those that are kept in a directory.
    pub(crate) fn new(parent: &Path, major: u32) -> Template {
        Template { dir: parent.join(major.to_string()) }
    }

    pub(crate) fn exists(&self) -> bool {
        self.dir.exists()
    }

    pub(crate) fn password(&self) -> Result<SecretString, Error> {
        let path = self.dir.join("password");
        Ok(fs::read_to_string(&path).at("read", &path)?.into())
    }

    /// Waits until nobody else is about to make it, for as long as the file is open.
    pub(crate) async fn lock(&self) -> Result<File, Error> {
        let path = self.dir.with_extension("lock");
        blocking(path.clone(), move || {
            let parent = path.parent().unwrap_or(&path);
            fs::create_dir_all(parent).at("create", parent)?;
            let mut options = OpenOptions::new();
            options.write(true).create(true).truncate(false).mode(0o600);
            let file = options.open(&path).at("open", &path)?;
            file.lock().at("lock", &path)?;
            Ok(file)
        })
        .await
    }

    /// Makes it from a cluster that no server has run on: all of it or nothing.
    pub(crate) async fn make(&self, place: &Place) -> Result<(), Error> {
        let (dir, cluster, password) = (self.dir.clone(), place.cluster(), place.password());
        blocking(self.dir.clone(), move || {
            let parent = dir.parent().unwrap_or(&dir);
            let work = tempfile::tempdir_in(parent).at("create a directory in", parent)?;
            let draft = work.path().join("template");
            DirBuilder::new().mode(0o700).create(&draft).at("create", &draft)?;
            copy(&cluster, &draft.join("cluster"), None)?;
            fs::copy(&password, draft.join("password")).at("copy", &password)?;
            fs::rename(&draft, &dir).at("create", &dir)
        })
        .await
    }

    /// Copies the cluster to `to`, for `owner` to run a server on. The copy is not flushed to the
    /// disk: it would not survive a power cut, and does not have to.
    pub(crate) async fn copy_to(&self, to: &Path, owner: Option<&Account>) -> Result<(), Error> {
        let (from, to, owner) = (self.dir.join("cluster"), to.to_path_buf(), owner.cloned());
        blocking(self.dir.clone(), move || copy(&from, &to, owner.as_ref())).await
    }
}

/// Runs `work`, which concerns `path`, where it may take its time.
async fn blocking<T: Send + 'static>(
    path: PathBuf,
    work: impl FnOnce() -> Result<T, Error> + Send + 'static,
) -> Result<T, Error> {
    let done = tokio::task::spawn_blocking(work).await;
    done.map_err(std::io::Error::other).at("copy", &path)?
}

/// A cluster has files and directories in it and nothing else.
fn copy(from: &Path, to: &Path, owner: Option<&Account>) -> Result<(), Error> {
    DirBuilder::new().mode(0o700).create(to).at("create", to)?;
    for entry in fs::read_dir(from).at("read", from)? {
        let entry = entry.at("read", from)?;
        let (from, to) = (entry.path(), to.join(entry.file_name()));
        if entry.file_type().at("look at", &from)?.is_dir() {
            copy(&from, &to, owner)?;
        } else {
            fs::copy(&from, &to).at("copy", &from)?;
            belong_to(owner, &to)?;
        }
    }
    belong_to(owner, to)
}

fn belong_to(owner: Option<&Account>, path: &Path) -> Result<(), Error> {
    let Some(owner) = owner else { return Ok(()) };
    chown(path, Some(owner.uid), Some(owner.gid)).at("change the owner of", path)
}
