//! `kill -9` for the process that supervises a server.

use std::fs;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use secrecy::ExposeSecret;
use souk_postgres::{Options, Server};
use sqlx::postgres::{PgConnectOptions, PgConnection};
use sqlx::{Connection, Executor};

use crate::support::{directory, has_the_order, place_an_order, soon, start, template};

/// Names the directory of the server that a second process supervises.
const SUPERVISE: &str = "SOUK_TEST_SUPERVISE";

/// The test that is run in a second process, where it supervises a server.
const SUPERVISOR: &str =
    "crash::after_kill_9_no_server_is_left_and_the_next_start_recovers_the_data";

/// What that second process does until it is killed.
async fn supervise(dir: &Path) {
    let server = Server::start(&Options::new(dir.join(".souk"))).await.unwrap();
    let url = server.url("postgres");
    println!("\nREADY {} {}", url.expose_secret(), server.data_dir().display());
    tokio::time::sleep(Duration::from_secs(120)).await;
}

fn supervisor(dir: &Path, template: Option<&Path>) -> Child {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["--exact", SUPERVISOR, "--nocapture"]).env(SUPERVISE, dir);
    command.env("SOUK_POSTGRES_TEMPLATE", template.unwrap_or(Path::new("")));
    command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap()
}

/// The address of its server, and where its data are.
fn ready(supervisor: &mut Child) -> (PgConnectOptions, PathBuf) {
    let lines = BufReader::new(supervisor.stdout.take().unwrap()).lines().map_while(Result::ok);
    let line = lines.into_iter().find(|line| line.starts_with("READY ")).unwrap();
    let mut words = line.split(' ').skip(1);
    (words.next().unwrap().parse().unwrap(), words.next().unwrap().into())
}

fn kill_9(mut supervisor: Child) {
    supervisor.kill().unwrap();
    supervisor.wait().unwrap();
}

/// Processes that name this directory on their command line or work in it.
fn processes_on(dir: &Path) -> Vec<PathBuf> {
    let name = dir.to_str().unwrap();
    let found = fs::read_dir("/proc").unwrap().flatten().map(|entry| entry.path()).filter(|proc| {
        let arguments = fs::read(proc.join("cmdline")).unwrap_or_default();
        let works_in = fs::read_link(proc.join("cwd")).unwrap_or_default();
        String::from_utf8_lossy(&arguments).contains(name) || works_in.starts_with(dir)
    });
    found.filter(|proc| *proc != Path::new("/proc").join(std::process::id().to_string())).collect()
}

#[tokio::test]
async fn a_first_start_killed_half_way_is_never_taken_for_a_whole_one() {
    let dir = directory();
    for milliseconds in [30, 150, 400, 800, 1200] {
        let supervisor = supervisor(dir.path(), None);
        tokio::time::sleep(Duration::from_millis(milliseconds)).await;
        kill_9(supervisor);
    }
    let server = start(dir.path()).await;
    place_an_order(&server).await;
    // a program of the last one may still have written its own there: the next start finds nobody at work
    server.stop().await.unwrap();
    let server = start(dir.path()).await;
    assert!(has_the_order(&server).await);
    let entries = fs::read_dir(server.data_dir()).unwrap().flatten();
    let mut names: Vec<_> = entries.map(|e| e.file_name().into_string().unwrap()).collect();
    names.retain(|name| name != "postgres.log.1");
    names.sort();
    assert_eq!(names, ["cluster", "lock", "password", "postgres.log"]);
    server.stop().await.unwrap();
}

#[tokio::test]
async fn after_kill_9_no_server_is_left_and_the_next_start_recovers_the_data() {
    if let Some(dir) = std::env::var_os(SUPERVISE) {
        return supervise(Path::new(&dir)).await;
    }
    let dir = directory();
    let mut supervisor = supervisor(dir.path(), Some(template()));
    let (address, data_dir) = ready(&mut supervisor);
    let mut connection = PgConnection::connect_with(&address).await.unwrap();
    connection.execute("create table orders (id text)").await.unwrap();
    connection.execute("insert into orders values ('ord_1')").await.unwrap();

    kill_9(supervisor);
    soon("no process is left", || processes_on(&data_dir).is_empty()).await;

    let server = start(dir.path()).await;
    assert!(has_the_order(&server).await);
    server.stop().await.unwrap();
}

#[tokio::test]
async fn a_start_at_the_very_moment_of_a_kill_9_waits_for_the_old_server() {
    let dir = directory();
    for _ in 0..3 {
        let mut supervisor = supervisor(dir.path(), Some(template()));
        let (address, _) = ready(&mut supervisor);
        let mut connection = PgConnection::connect_with(&address).await.unwrap();
        connection.execute("create table if not exists orders (id text)").await.unwrap();
        connection.execute("truncate orders; insert into orders values ('ord_1')").await.unwrap();
        kill_9(supervisor);
        let server = start(dir.path()).await;
        assert!(has_the_order(&server).await);
        server.stop().await.unwrap();
    }
}
