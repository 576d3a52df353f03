//! Clusters that are copied from a template.

use std::fs::{self, Permissions};
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};

use futures::future::join_all;
use souk_postgres::{Binaries, Options, Server};

use crate::support::{
    ask, connect, directory, has_the_order, installed, options, place_an_order, script,
};

/// Servers to be started below `dir`, on one template and with an `initdb` that works only once.
fn servers(dir: &Path) -> [Options; 3] {
    let ran = dir.join("ran");
    fs::create_dir(&ran).unwrap();
    fs::set_permissions(&ran, Permissions::from_mode(0o777)).unwrap();
    let (bin, real) = (dir.join("bin"), installed());
    let postgres = format!("exec {} \"$@\"", real.join("postgres").display());
    script(&bin.join("postgres"), &postgres);
    let initdb = real.join("initdb");
    let initdb = format!("mkdir {}/once && exec {} \"$@\"", ran.display(), initdb.display());
    script(&bin.join("initdb"), &initdb);
    ["one", "two", "three"].map(|name| Options {
        binaries: Binaries::Directory(bin.clone()),
        template: Some(dir.join("template")),
        ..options(&dir.join(name))
    })
}

/// What is in the directory of templates and belongs to a version.
fn only_template(dir: &Path) -> PathBuf {
    let entries = fs::read_dir(dir.join("template")).unwrap().flatten();
    let mut dirs = entries.map(|entry| entry.path()).filter(|path| path.is_dir());
    let found = dirs.next().unwrap();
    assert_eq!(dirs.next(), None, "nothing unfinished is left");
    found
}

#[tokio::test]
async fn servers_that_start_at_once_share_one_initdb_and_no_data() {
    let dir = directory();
    let servers = servers(dir.path());
    let started = join_all(servers.iter().map(Server::start)).await;
    let [one, two, three] = started.try_into().unwrap();
    let (one, two, three) = (one.unwrap(), two.unwrap(), three.unwrap());

    place_an_order(&one).await;
    assert!(has_the_order(&one).await);
    for other in [&two, &three] {
        let tables = "select count(*)::text from pg_class where relname = 'orders'";
        assert_eq!(ask(&mut connect(other).await, tables).await, "0");
        assert_eq!(ask(&mut connect(other).await, "show data_checksums").await, "on");
    }
    for server in [one, two, three] {
        server.stop().await.unwrap();
    }
}

#[tokio::test]
async fn a_copy_keeps_its_data_and_leaves_the_template_as_it_was() {
    let dir = directory();
    let [one, two, three] = servers(dir.path());
    Server::start(&one).await.unwrap().stop().await.unwrap();
    let server = Server::start(&two).await.unwrap();
    place_an_order(&server).await;
    server.stop().await.unwrap();
    let server = Server::start(&two).await.unwrap();
    assert!(has_the_order(&server).await);
    server.stop().await.unwrap();

    // the copy of a third is as empty as the first was
    let server = Server::start(&three).await.unwrap();
    place_an_order(&server).await;
    server.stop().await.unwrap();
    assert!(
        !only_template(dir.path()).join("cluster/postmaster.opts").exists(),
        "no server ran on it"
    );
}

#[tokio::test]
async fn a_copy_belongs_to_whom_the_server_runs_as_and_the_template_to_us() {
    let dir = directory();
    let [one, two, _] = servers(dir.path());
    let made = Server::start(&one).await.unwrap();
    let copied = Server::start(&two).await.unwrap();
    let of = |path: &Path| {
        let metadata = fs::metadata(path).unwrap();
        (metadata.uid(), metadata.gid(), metadata.mode() & 0o7777)
    };
    for name in ["password", "cluster", "cluster/PG_VERSION", "cluster/base/1", "cluster/pg_wal"] {
        assert_eq!(of(&copied.data_dir().join(name)), of(&made.data_dir().join(name)), "{name}");
    }
    let template = only_template(dir.path());
    let (us, _, mode) = of(&template);
    assert_eq!((us, mode), (rustix::process::geteuid().as_raw(), 0o700));
    for name in ["password", "cluster/PG_VERSION"] {
        let (owner, _, mode) = of(&template.join(name));
        assert_eq!((owner, mode), (us, 0o600), "{name}");
    }
    made.stop().await.unwrap();
    copied.stop().await.unwrap();
}

#[tokio::test]
async fn a_template_of_another_major_version_is_no_obstacle() {
    let dir = directory();
    let [one, ..] = servers(dir.path());
    let other = dir.path().join("template/14/cluster");
    fs::create_dir_all(&other).unwrap();
    fs::write(other.join("PG_VERSION"), "14").unwrap();
    let server = Server::start(&one).await.unwrap();
    place_an_order(&server).await;
    assert!(dir.path().join("ran/once").exists(), "it is not a copy");
    assert_eq!(fs::read_dir(other).unwrap().count(), 1);
    server.stop().await.unwrap();
}

#[tokio::test]
async fn a_template_that_can_not_be_made_is_an_error_that_names_it() {
    let dir = directory();
    let [one, ..] = servers(dir.path());
    fs::write(dir.path().join("template"), "not a directory").unwrap();
    let refusal = Server::start(&one).await.unwrap_err().to_string();
    assert!(refusal.contains(&format!("{}/template", dir.path().display())), "{refusal}");
}
