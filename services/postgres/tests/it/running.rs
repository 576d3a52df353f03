//! Starting and stopping, and what is refused.

use std::fs::{self, Permissions};
use std::io::Write;
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt;
use std::time::Duration;

use rustix::process::{Signal, getpgid, getpgrp, kill_process, test_kill_process};
use souk_postgres::{Binaries, Error, Server};
use sqlx::Executor;

use crate::support::{
    connect, directory, has_the_order, installed, options, place_an_order, postmaster, script,
    soon, start,
};

#[tokio::test]
async fn a_restart_keeps_the_data() {
    let dir = directory();
    let server = start(dir.path()).await;
    place_an_order(&server).await;
    // an open transaction does not hold up the shutdown
    let mut open = connect(&server).await;
    open.execute("begin; insert into orders values ('ord_2')").await.unwrap();
    server.stop().await.unwrap();

    let server = start(dir.path()).await;
    assert!(has_the_order(&server).await);
    server.stop().await.unwrap();
}

#[tokio::test]
async fn the_death_of_the_server_is_noticed_and_the_next_start_recovers() {
    let dir = directory();
    let server = start(dir.path()).await;
    place_an_order(&server).await;
    let pid = postmaster(server.data_dir());
    let stillness = tokio::time::timeout(Duration::from_millis(200), server.exited()).await;
    assert!(stillness.is_err(), "it has not ended yet");
    kill_process(pid, Signal::KILL).unwrap();
    let exited = tokio::time::timeout(Duration::from_secs(20), server.exited()).await.unwrap();
    assert!(matches!(exited, Error::Ended { .. }), "{exited}");
    assert!(matches!(server.stop().await, Err(Error::Ended { .. })));

    let server = start(dir.path()).await;
    assert!(has_the_order(&server).await);
    server.stop().await.unwrap();
}

#[tokio::test]
async fn a_server_that_was_killed_comes_back_where_its_clients_look_for_it() {
    let dir = directory();
    let server = start(dir.path()).await;
    place_an_order(&server).await;
    let port = server.connect_options("postgres").get_port();
    server.kill();
    assert!(matches!(server.stop().await, Err(Error::Ended { .. })));

    let again = souk_postgres::Options { port: Some(port), ..options(dir.path()) };
    let server = Server::start(&again).await.unwrap();
    assert_eq!(server.connect_options("postgres").get_port(), port);
    assert!(has_the_order(&server).await);
    server.stop().await.unwrap();
}

#[tokio::test]
async fn a_server_that_is_frozen_answers_nobody_until_it_goes_on() {
    let dir = directory();
    let server = start(dir.path()).await;
    let mut connection = connect(&server).await;
    server.freeze();
    let answer = async { connection.execute("select 1").await.unwrap() };
    let mut answer = std::pin::pin!(answer);
    let soon = tokio::time::timeout(Duration::from_millis(500), &mut answer).await;
    assert!(soon.is_err(), "its backends are stopped too");
    server.thaw();
    answer.await;
    server.stop().await.unwrap();
}

#[tokio::test]
async fn a_server_that_is_dropped_ends_too() {
    let dir = directory();
    let server = start(dir.path()).await;
    let pid = postmaster(server.data_dir());
    drop(server);
    soon("it ends", || test_kill_process(pid).is_err()).await;
}

#[tokio::test]
async fn ctrl_c_in_the_terminal_does_not_reach_the_server() {
    let dir = directory();
    let server = start(dir.path()).await;
    let pid = postmaster(server.data_dir());
    assert_eq!(getpgid(Some(pid)).unwrap(), pid);
    assert_ne!(getpgid(Some(pid)).unwrap(), getpgrp());
    server.stop().await.unwrap();
}

#[tokio::test]
async fn a_second_start_on_the_same_directory_is_refused_and_names_the_first() {
    let dir = directory();
    let server = start(dir.path()).await;
    let refusal = Server::start(&options(dir.path())).await.unwrap_err();
    assert!(matches!(refusal, Error::InUse { .. }));
    assert!(refusal.to_string().contains(&format!("process {}", std::process::id())), "{refusal}");
    // the refusal did not disturb the first
    place_an_order(&server).await;
    server.stop().await.unwrap();
}

#[tokio::test]
async fn a_server_that_can_not_start_says_why() {
    let dir = directory();
    let server = start(dir.path()).await;
    let configuration = server.data_dir().join("cluster/postgresql.conf");
    server.stop().await.unwrap();
    let mut file = fs::OpenOptions::new().append(true).open(configuration).unwrap();
    writeln!(file, "no_such_setting = 1").unwrap();
    let refusal = Server::start(&options(dir.path())).await.unwrap_err();
    assert!(matches!(refusal, Error::Ended { .. }), "not only when its time is up: {refusal}");
    assert!(refusal.to_string().contains("no_such_setting"), "{refusal}");
}

#[tokio::test]
async fn a_lost_or_changed_password_is_an_error_of_its_own() {
    let dir = directory();
    let server = start(dir.path()).await;
    let password = server.data_dir().join("password");
    server.stop().await.unwrap();

    fs::write(&password, "another").unwrap();
    let refusal = Server::start(&options(dir.path())).await.unwrap_err();
    assert!(matches!(refusal, Error::PasswordWrong { .. }), "{refusal}");
    fs::remove_file(&password).unwrap();
    let refusal = Server::start(&options(dir.path())).await.unwrap_err();
    assert!(matches!(refusal, Error::PasswordLost { .. }), "{refusal}");
}

#[tokio::test]
async fn a_port_that_is_lost_in_a_race_is_replaced_by_another() {
    let dir = directory();
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port();
    // the first start of this server finds its port taken
    let lost = dir.path().join("lost");
    fs::create_dir(&lost).unwrap();
    fs::set_permissions(&lost, Permissions::from_mode(0o777)).unwrap();
    let real = installed();
    let postgres = format!(
        r#"[ "$1" = -D ] && mkdir {}/once && set -- "$@" -p {port}; exec {} "$@""#,
        lost.display(),
        real.join("postgres").display()
    );
    let bin = dir.path().join("bin");
    script(&bin.join("postgres"), &postgres);
    script(&bin.join("initdb"), &format!("exec {} \"$@\"", real.join("initdb").display()));
    let mut options = options(dir.path());
    options.binaries = Binaries::Directory(bin);
    let server = Server::start(&options).await.unwrap();
    assert!(lost.join("once").exists());
    place_an_order(&server).await;
    server.stop().await.unwrap();
}
