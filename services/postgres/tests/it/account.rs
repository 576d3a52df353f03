//! Whom the server runs as.

use std::fs::{self, Permissions};
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::process::Command;

use rustix::process::geteuid;

use crate::support::{directory, has_the_order, place_an_order, postmaster, start};

#[cfg(target_os = "linux")]
#[tokio::test]
async fn root_runs_the_server_as_somebody_without_privileges() {
    if !geteuid().is_root() {
        return;
    }
    let dir = directory();
    let server = start(dir.path()).await;
    let pid = postmaster(server.data_dir());
    let status = fs::read_to_string(format!("/proc/{}/status", pid.as_raw_nonzero())).unwrap();
    let ids = |name: &str| {
        let line = status.lines().find_map(|line| line.strip_prefix(name)).unwrap();
        line.split_whitespace().map(str::to_owned).collect::<Vec<_>>()
    };
    for ids in [ids("Uid:"), ids("Gid:"), ids("Groups:")] {
        assert!(!ids.contains(&"0".to_owned()), "{ids:?}");
    }
    let owner = fs::metadata(server.data_dir()).unwrap();
    assert_eq!(owner.uid(), 0, "the server can not replace what root writes to");
    server.stop().await.unwrap();
}

#[tokio::test]
async fn a_directory_closed_to_the_server_leads_to_a_reachable_place_and_back_to_it() {
    if !geteuid().is_root() {
        return;
    }
    let dir = directory();
    fs::set_permissions(dir.path(), Permissions::from_mode(0o700)).unwrap();
    let server = start(dir.path()).await;
    let place = server.data_dir().to_path_buf();
    assert!(place.starts_with("/var/lib/souk"), "{}", place.display());
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
async fn data_of_an_ordinary_user_are_served_as_that_user_when_root_starts() {
    if !geteuid().is_root() {
        return;
    }
    let dir = directory();
    let server = start(dir.path()).await;
    place_an_order(&server).await;
    let data_dir = server.data_dir().to_path_buf();
    server.stop().await.unwrap();

    // as if user 4242 had made them, in a home that is closed to others
    let status = Command::new("chown").args(["-R", "4242:4242"]).arg(dir.path()).status().unwrap();
    assert!(status.success());
    fs::set_permissions(dir.path(), Permissions::from_mode(0o700)).unwrap();
    let server = start(dir.path()).await;
    assert_eq!(server.data_dir(), data_dir);
    assert!(has_the_order(&server).await);
    for file in ["lock", "password", "postgres.log", "cluster/postmaster.pid"] {
        assert_eq!(fs::metadata(data_dir.join(file)).unwrap().uid(), 4242, "{file}");
    }
    server.stop().await.unwrap();
}
