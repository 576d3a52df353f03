//! Whom the server runs as: somebody else where root starts it, and who starts it elsewhere.

use std::fs::{self, Permissions};
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::Command;

use rustix::process::geteuid;
use souk_postgres::{Error, Options, Server};

use crate::support::{directory, has_the_order, place_an_order, postmaster, start};

#[cfg(target_os = "linux")]
#[tokio::test]
async fn the_server_has_the_rights_of_an_ordinary_user() {
    let dir = directory();
    let server = start(dir.path()).await;
    let pid = postmaster(server.data_dir());
    let status = fs::read_to_string(format!("/proc/{}/status", pid.as_raw_nonzero())).unwrap();
    let ids = |name: &str| {
        let line = status.lines().find_map(|line| line.strip_prefix(name)).unwrap();
        line.split_whitespace().map(|id| id.parse().unwrap()).collect::<Vec<u32>>()
    };
    let us = geteuid();
    if us.is_root() {
        for ids in [ids("Uid:"), ids("Gid:"), ids("Groups:")] {
            assert!(!ids.contains(&0), "{ids:?}");
        }
    } else {
        assert_eq!(ids("Uid:"), [us.as_raw(); 4]);
    }
    let owner = fs::metadata(server.data_dir()).unwrap();
    assert_eq!(owner.uid(), us.as_raw(), "the server can not replace what root writes to");
    server.stop().await.unwrap();
}

#[tokio::test]
async fn a_directory_closed_to_others_leads_to_a_place_that_the_server_can_reach_always() {
    let dir = directory();
    fs::set_permissions(dir.path(), Permissions::from_mode(0o700)).unwrap();
    let server = start(dir.path()).await;
    let place = server.data_dir().to_path_buf();
    let reachable = match geteuid().is_root() {
        true => Path::new("/var/lib/souk"),
        false => dir.path(),
    };
    assert!(place.starts_with(reachable), "{}", place.display());
    place_an_order(&server).await;
    server.stop().await.unwrap();

    // also when the way is open meanwhile: the data decide
    fs::set_permissions(dir.path(), Permissions::from_mode(0o755)).unwrap();
    let server = start(dir.path()).await;
    assert_eq!(server.data_dir(), place);
    assert!(has_the_order(&server).await);
    server.stop().await.unwrap();
    fs::remove_dir_all(&place).unwrap();
}

#[tokio::test]
async fn data_are_served_as_the_user_who_has_made_them() {
    let dir = directory();
    let server = start(dir.path()).await;
    place_an_order(&server).await;
    let data_dir = server.data_dir().to_path_buf();
    server.stop().await.unwrap();

    // in a home that is closed to others
    fs::set_permissions(dir.path(), Permissions::from_mode(0o700)).unwrap();
    let mut owner = geteuid().as_raw();
    if geteuid().is_root() {
        owner = 4242;
        let mut chown = Command::new("chown");
        chown.args(["-R", &format!("{owner}:{owner}")]).arg(dir.path());
        assert!(chown.status().unwrap().success());
    }
    let server = start(dir.path()).await;
    assert_eq!(server.data_dir(), data_dir);
    assert!(has_the_order(&server).await);
    for file in ["lock", "password", "postgres.log", "cluster/postmaster.pid"] {
        assert_eq!(fs::metadata(data_dir.join(file)).unwrap().uid(), owner, "{file}");
    }
    server.stop().await.unwrap();
}

#[tokio::test]
async fn data_of_somebody_else_are_refused_to_an_ordinary_user() {
    if geteuid().is_root() {
        return as_nobody("account::data_of_somebody_else_are_refused_to_an_ordinary_user");
    }
    let dir = directory();
    let data_dir = dir.path().join(".souk");
    fs::create_dir_all(data_dir.join("postgres")).unwrap();
    // of all directories, this one is surely not ours
    symlink("/", data_dir.join("postgres/cluster")).unwrap();
    let refusal = Server::start(&Options::new(data_dir)).await.unwrap_err();
    assert!(matches!(refusal, Error::NotOurs { .. }), "{refusal}");
    assert!(refusal.to_string().contains("belongs to root: start souk as"), "{refusal}");
}

/// Runs a test of this binary again, without our rights.
fn as_nobody(test: &str) {
    const NOBODY: u32 = 65534;
    let dir = directory();
    // where it was built, others may not get to
    let program = dir.path().join("tests");
    fs::copy(std::env::current_exe().unwrap(), &program).unwrap();
    let mut command = Command::new(program);
    command.args(["--exact", test]).uid(NOBODY).gid(NOBODY).current_dir("/");
    let output = command.output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(said.contains("1 passed"), "{said}");
}
