//! What an earlier run left behind does not stand in the way.

use std::fs;
use std::net::TcpListener;
use std::os::unix::fs::{MetadataExt, chown};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::Duration;

use rustix::process::{Signal, geteuid, kill_process};
use souk_postgres::Error;
use sqlx::Executor;

use crate::support::{
    connect, directory, has_the_order, installed, place_an_order, postmaster, soon, start,
};

/// The server as it would be if its supervisor had died without the kernel telling it.
fn orphan(server_dir: &Path) -> Child {
    let owner = fs::metadata(server_dir.join("cluster")).unwrap();
    let mut command = Command::new(installed().join("postgres"));
    command.arg("-D").arg(server_dir.join("cluster"));
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    command.arg("-c").arg(format!("port={port}")).args(["-c", "unix_socket_directories="]);
    command.current_dir("/").stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    if geteuid().is_root() {
        command.uid(owner.uid()).gid(owner.gid());
    }
    command.process_group(0).spawn().unwrap()
}

#[tokio::test]
async fn a_server_left_running_by_an_earlier_run_is_ended_not_refused() {
    let dir = directory();
    let server = start(dir.path()).await;
    place_an_order(&server).await;
    let data_dir = server.data_dir().to_path_buf();
    server.stop().await.unwrap();

    let mut orphan = orphan(&data_dir);
    let pid_file = data_dir.join("cluster/postmaster.pid");
    soon("the orphan runs", || {
        fs::read_to_string(&pid_file).is_ok_and(|text| text.contains("ready"))
    })
    .await;
    // somebody has to reap it: it is our child in this test only
    let reaper = thread::spawn(move || orphan.wait().unwrap());

    let server = start(dir.path()).await;
    assert!(has_the_order(&server).await);
    assert!(reaper.join().unwrap().success(), "the orphan shut down properly");
    server.stop().await.unwrap();
}

#[tokio::test]
async fn a_stale_pid_file_does_not_hurt_the_process_that_has_the_number_now() {
    let dir = directory();
    let server = start(dir.path()).await;
    place_an_order(&server).await;
    let data_dir = server.data_dir().to_path_buf();
    server.stop().await.unwrap();

    let owner = fs::metadata(data_dir.join("cluster")).unwrap();
    let mut sleep = Command::new("sleep");
    if geteuid().is_root() {
        sleep.uid(owner.uid()).gid(owner.gid());
    }
    let mut stranger = sleep.arg("60").spawn().unwrap();
    let pid_file = data_dir.join("cluster/postmaster.pid");
    let cluster = data_dir.join("cluster");
    let content = format!("{}\n{}\n1700000000\n5432\n\n\n", stranger.id(), cluster.display());
    fs::write(&pid_file, content).unwrap();
    if geteuid().is_root() {
        chown(&pid_file, Some(owner.uid()), Some(owner.gid())).unwrap();
    }

    let server = start(dir.path()).await;
    assert!(has_the_order(&server).await);
    assert!(stranger.try_wait().unwrap().is_none(), "the stranger is left alone");
    stranger.kill().unwrap();
    stranger.wait().unwrap();
    server.stop().await.unwrap();
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn a_backend_that_outlived_its_server_does_not_stand_in_the_way() {
    let dir = directory();
    let server = start(dir.path()).await;
    place_an_order(&server).await;
    let mut connection = connect(&server).await;
    // computes for minutes without ever looking up
    let busy = tokio::spawn(async move {
        connection.execute("select count(*) from generate_series(1, 2000000000)").await.is_err()
    });
    tokio::time::sleep(Duration::from_millis(200)).await;
    kill_process(postmaster(server.data_dir()), Signal::KILL).unwrap();
    assert!(matches!(server.stop().await, Err(Error::Ended { .. })));

    let server = start(dir.path()).await;
    assert!(has_the_order(&server).await);
    assert!(busy.await.unwrap(), "its connection is gone");
    server.stop().await.unwrap();
}

#[tokio::test]
async fn a_pid_file_that_a_power_cut_emptied_is_no_obstacle() {
    let dir = directory();
    let server = start(dir.path()).await;
    place_an_order(&server).await;
    let pid_file = server.data_dir().join("cluster/postmaster.pid");
    server.stop().await.unwrap();
    fs::write(pid_file, "").unwrap();
    let server = start(dir.path()).await;
    assert!(has_the_order(&server).await);
    server.stop().await.unwrap();
}
