//! What the supervised PostgreSQL promises, tried with the real one of this machine.
//!
//! As root these tests also cover the change of user; as an ordinary user they cover the rest.

#![allow(clippy::unwrap_used, reason = "a test that can not go on has failed")]

use std::fs::{self, Permissions};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpListener;
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, geteuid, getpgid, getpgrp, kill_process, test_kill_process};
use secrecy::ExposeSecret;
use sha2::{Digest, Sha256};
use souk_postgres::{Binaries, Error, Options, Release, Server};
use sqlx::postgres::{PgConnectOptions, PgConnection};
use sqlx::{Connection, Executor};
use tempfile::TempDir;

/// A directory that every user can get to, unlike what tempfile makes.
fn directory() -> TempDir {
    let dir = TempDir::with_prefix("souk-postgres-").unwrap();
    fs::set_permissions(dir.path(), Permissions::from_mode(0o755)).unwrap();
    dir
}

async fn start(dir: &Path) -> Server {
    Server::start(&Options::new(dir.join(".souk"))).await.unwrap()
}

async fn connect(server: &Server) -> PgConnection {
    PgConnection::connect_with(&server.connect_options("postgres")).await.unwrap()
}

async fn ask(connection: &mut PgConnection, question: &'static str) -> String {
    sqlx::query_scalar(question).fetch_one(connection).await.unwrap()
}

async fn place_an_order(server: &Server) {
    let mut connection = connect(server).await;
    connection.execute("create table orders (id text)").await.unwrap();
    connection.execute("insert into orders values ('ord_1')").await.unwrap();
}

async fn has_the_order(server: &Server) -> bool {
    ask(&mut connect(server).await, "select string_agg(id, ',') from orders").await == "ord_1"
}

fn postmaster(data_dir: &Path) -> Pid {
    let text = fs::read_to_string(data_dir.join("cluster/postmaster.pid")).unwrap();
    Pid::from_raw(text.lines().next().unwrap().parse().unwrap()).unwrap()
}

/// Processes that name this directory on their command line or work in it.
#[cfg(target_os = "linux")]
fn processes_on(dir: &Path) -> Vec<PathBuf> {
    let name = dir.to_str().unwrap();
    let found = fs::read_dir("/proc").unwrap().flatten().map(|entry| entry.path()).filter(|proc| {
        let arguments = fs::read(proc.join("cmdline")).unwrap_or_default();
        let works_in = fs::read_link(proc.join("cwd")).unwrap_or_default();
        String::from_utf8_lossy(&arguments).contains(name) || works_in.starts_with(dir)
    });
    found.filter(|proc| *proc != Path::new("/proc").join(std::process::id().to_string())).collect()
}

async fn soon(what: &str, mut holds: impl FnMut() -> bool) {
    let begin = Instant::now();
    while !holds() {
        assert!(begin.elapsed() < Duration::from_secs(20), "{what}: not within 20 s");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// The directory of the installed programs.
fn installed() -> PathBuf {
    let mut dirs: Vec<PathBuf> =
        std::env::var_os("PG_BIN").map(PathBuf::from).into_iter().collect();
    dirs.extend(std::env::split_paths(&std::env::var_os("PATH").unwrap_or_default()));
    dirs.extend(["15", "16", "17", "18"].map(|v| format!("/usr/lib/postgresql/{v}/bin").into()));
    let postgres = dirs.iter().map(|dir| dir.join("postgres")).find(|path| path.exists()).unwrap();
    fs::canonicalize(postgres).unwrap().parent().unwrap().to_path_buf()
}

// --- a process of its own that supervises a server, to be killed -------------------------------

const SUPERVISE: &str = "SOUK_TEST_SUPERVISE";

/// Not a test by itself: the others run it in a second process.
#[tokio::test]
async fn supervise_until_killed() {
    let Some(dir) = std::env::var_os(SUPERVISE) else { return };
    let server = start(Path::new(&dir)).await;
    let url = server.url("postgres");
    println!("\nREADY {} {}", url.expose_secret(), server.data_dir().display());
    tokio::time::sleep(Duration::from_secs(120)).await;
}

fn supervisor(dir: &Path) -> Child {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["--exact", "supervise_until_killed", "--nocapture"]).env(SUPERVISE, dir);
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

// --- the first start ---------------------------------------------------------------------------

#[tokio::test]
async fn the_first_start_makes_a_durable_utf8_database_on_loopback_only() {
    let dir = directory();
    let server = start(dir.path()).await;
    let mut connection = connect(&server).await;
    for (setting, expected) in [
        ("show fsync", "on"),
        ("show full_page_writes", "on"),
        ("show synchronous_commit", "on"),
        ("show data_checksums", "on"),
        ("show server_encoding", "UTF8"),
        ("show lc_collate", "C"),
        ("show listen_addresses", "127.0.0.1"),
        ("show unix_socket_directories", ""),
        ("show max_connections", "200"),
        ("show shared_buffers", "128MB"),
        ("select current_user::text", "souk"),
    ] {
        // "show lc_collate" is gone since version 16
        let setting = match setting {
            "show lc_collate" => {
                "select datcollate::text from pg_database where datname = 'postgres'"
            }
            other => other,
        };
        assert_eq!(ask(&mut connection, setting).await, expected, "{setting}");
    }
    connection.close().await.unwrap();
    server.stop().await.unwrap();
}

#[tokio::test]
async fn nobody_gets_in_without_the_generated_password() {
    let dir = directory();
    let server = start(dir.path()).await;
    let methods = "select string_agg(distinct auth_method, ',') from pg_hba_file_rules";
    assert_eq!(ask(&mut connect(&server).await, methods).await, "scram-sha-256");

    for password in ["", "souk", "postgres"] {
        let wrong = server.connect_options("postgres").password(password);
        assert!(PgConnection::connect_with(&wrong).await.is_err(), "with {password:?}");
    }
    let file = server.data_dir().join("password");
    assert_eq!(fs::metadata(&file).unwrap().mode() & 0o777, 0o600);
    let password = fs::read_to_string(&file).unwrap();
    assert_eq!(password.len(), 64, "256 bits in hexadecimal");
    assert!(!format!("{server:?}").contains(&password), "the password is not to be logged");
    server.stop().await.unwrap();
}

#[tokio::test]
async fn the_url_leads_to_the_same_database() {
    let dir = directory();
    let server = start(dir.path()).await;
    place_an_order(&server).await;
    let options: PgConnectOptions = server.url("postgres").expose_secret().parse().unwrap();
    let mut connection = PgConnection::connect_with(&options).await.unwrap();
    assert_eq!(ask(&mut connection, "select id from orders").await, "ord_1");
    server.stop().await.unwrap();
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn a_first_start_killed_half_way_is_never_taken_for_a_whole_one() {
    let dir = directory();
    for milliseconds in [30, 150, 400, 800, 1200] {
        let supervisor = supervisor(dir.path());
        tokio::time::sleep(Duration::from_millis(milliseconds)).await;
        kill_9(supervisor);
    }
    let server = start(dir.path()).await;
    place_an_order(&server).await;
    let entries = fs::read_dir(server.data_dir()).unwrap().flatten();
    let mut names: Vec<_> = entries.map(|e| e.file_name().into_string().unwrap()).collect();
    names.retain(|name| name != "postgres.log.1");
    names.sort();
    assert_eq!(names, ["cluster", "lock", "password", "postgres.log"]);
    server.stop().await.unwrap();
}

// --- restarts and crashes ----------------------------------------------------------------------

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

#[cfg(target_os = "linux")]
#[tokio::test]
async fn after_kill_9_no_server_is_left_and_the_next_start_recovers_the_data() {
    let dir = directory();
    let mut supervisor = supervisor(dir.path());
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

#[cfg(target_os = "linux")]
#[tokio::test]
async fn a_start_at_the_very_moment_of_a_kill_9_waits_for_the_old_server() {
    let dir = directory();
    for _ in 0..3 {
        let mut supervisor = supervisor(dir.path());
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

// --- what is refused, and what it says ---------------------------------------------------------

#[tokio::test]
async fn a_second_start_on_the_same_directory_is_refused_and_names_the_first() {
    let dir = directory();
    let server = start(dir.path()).await;
    let refusal = Server::start(&Options::new(dir.path().join(".souk"))).await.unwrap_err();
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
    let refusal = Server::start(&Options::new(dir.path().join(".souk"))).await.unwrap_err();
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
    let refusal = Server::start(&Options::new(dir.path().join(".souk"))).await.unwrap_err();
    assert!(matches!(refusal, Error::PasswordWrong { .. }), "{refusal}");
    fs::remove_file(&password).unwrap();
    let refusal = Server::start(&Options::new(dir.path().join(".souk"))).await.unwrap_err();
    assert!(matches!(refusal, Error::PasswordLost { .. }), "{refusal}");
}

fn script(path: &Path, text: &str) {
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, format!("#!/bin/sh\n{text}\n")).unwrap();
    fs::set_permissions(path, Permissions::from_mode(0o755)).unwrap();
}

#[tokio::test]
async fn programs_that_do_not_do_are_refused_with_the_reason_and_the_way_out() {
    let dir = directory();
    let bin = dir.path().join("bin");
    let mut options = Options::new(dir.path().join(".souk"));
    options.binaries = Binaries::Directory(bin.clone());
    let refusal = Server::start(&options).await.unwrap_err().to_string();
    assert!(refusal.contains("there is no postgres in"), "{refusal}");

    script(&bin.join("postgres"), "echo 'postgres (PostgreSQL) 14.2 (Debian 14.2-1)'");
    let refusal = Server::start(&options).await.unwrap_err().to_string();
    assert!(refusal.contains("has no initdb beside it"), "{refusal}");

    script(&bin.join("initdb"), "exit 1");
    let refusal = Server::start(&options).await.unwrap_err().to_string();
    assert!(refusal.contains("is version 14.2, older than 15"), "{refusal}");
    for way_out in
        ["apt-get install postgresql", "dnf install", "brew install", "PG_BIN", "--database-url"]
    {
        assert!(refusal.contains(way_out), "{way_out} is not in: {refusal}");
    }
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
    let mut options = Options::new(dir.path().join(".souk"));
    options.binaries = Binaries::Directory(bin);
    let server = Server::start(&options).await.unwrap();
    assert!(lost.join("once").exists());
    place_an_order(&server).await;
    server.stop().await.unwrap();
}

#[tokio::test]
async fn data_of_another_major_version_are_not_touched() {
    let dir = directory();
    start(dir.path()).await.stop().await.unwrap();
    let bin = dir.path().join("bin");
    script(&bin.join("postgres"), "echo 'postgres (PostgreSQL) 99.1'");
    script(&bin.join("initdb"), "exit 1");
    let mut options = Options::new(dir.path().join(".souk"));
    options.binaries = Binaries::Directory(bin);
    let refusal = Server::start(&options).await.unwrap_err().to_string();
    assert!(refusal.contains("is version 99.1, but the data in"), "{refusal}");
}

// --- the download ------------------------------------------------------------------------------

/// Serves these bytes whatever is asked for, and tells the path of the first request.
fn serve(bytes: Vec<u8>) -> (String, thread::JoinHandle<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    let served = thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let mut request = String::new();
        let mut lines = BufReader::new(stream.try_clone().unwrap());
        while !request.ends_with("\r\n\r\n") {
            lines.read_line(&mut request).unwrap();
        }
        let length = bytes.len();
        write!(stream, "HTTP/1.1 200 OK\r\nContent-Length: {length}\r\n\r\n").unwrap();
        stream.write_all(&bytes).unwrap();
        // until the other side has it all
        let _ = stream.read(&mut [0]);
        request.split(' ').nth(1).unwrap().to_owned()
    });
    (address, served)
}

/// An archive in the shape of a release, with programs that hand over to the installed ones.
fn archive() -> Vec<u8> {
    let mut archive =
        tar::Builder::new(flate2::write::GzEncoder::new(Vec::new(), Default::default()));
    for program in ["initdb", "postgres"] {
        let real = installed().join(program);
        let text = format!("#!/bin/sh\nexec {} \"$@\"\n", real.display());
        let mut header = tar::Header::new_gnu();
        header.set_size(text.len() as u64);
        header.set_mode(0o755);
        let path = format!("postgresql-15.99.0-test/bin/{program}");
        archive.append_data(&mut header, path, text.as_bytes()).unwrap();
    }
    archive.into_inner().unwrap().finish().unwrap()
}

fn download(dir: &Path, mirror: String, sha256: String) -> Options {
    let mut options = Options::new(dir.join(".souk"));
    options.binaries = Binaries::Download;
    let archive = "postgresql-15.99.0-test.tar.gz".to_owned();
    options.release = Some(Release { mirror, version: "15.99.0".to_owned(), archive, sha256 });
    options
}

fn sha256(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}

#[tokio::test]
async fn a_download_is_verified_unpacked_started_and_kept() {
    let dir = directory();
    let archive = archive();
    let digest = sha256(&archive);
    let (mirror, served) = serve(archive);
    let options = download(dir.path(), mirror, digest);
    let server = Server::start(&options).await.unwrap();
    assert_eq!(served.join().unwrap(), "/15.99.0/postgresql-15.99.0-test.tar.gz");
    assert!(server.data_dir().join("postgresql-15.99.0/bin/postgres").exists());
    place_an_order(&server).await;
    server.stop().await.unwrap();

    // nobody serves it any more
    let server = Server::start(&options).await.unwrap();
    assert!(has_the_order(&server).await);
    server.stop().await.unwrap();
}

#[tokio::test]
async fn a_download_with_another_checksum_is_refused_and_leaves_nothing_behind() {
    let dir = directory();
    let (mirror, served) = serve(archive());
    let refusal = Server::start(&download(dir.path(), mirror, sha256(b"expected"))).await;
    let refusal = refusal.unwrap_err();
    served.join().unwrap();
    assert!(matches!(refusal, Error::Checksum { .. }), "{refusal}");
    assert!(refusal.to_string().contains("apt-get install postgresql"), "{refusal}");
    let entries = fs::read_dir(dir.path().join(".souk/postgres")).unwrap().flatten();
    let mut names: Vec<_> = entries.map(|e| e.file_name().into_string().unwrap()).collect();
    names.sort();
    assert_eq!(names, ["lock", "postgres.log"]);
}

#[tokio::test]
async fn without_a_network_the_error_says_what_to_install() {
    let dir = directory();
    let nobody = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let options = download(dir.path(), format!("http://{nobody}"), sha256(b"expected"));
    let refusal = Server::start(&options).await.unwrap_err();
    assert!(matches!(refusal, Error::NotFound { .. }), "{refusal}");
    let refusal = refusal.to_string();
    assert!(refusal.contains("can not be downloaded"), "{refusal}");
    assert!(refusal.contains("apt-get install postgresql"), "{refusal}");
}

// --- as root -----------------------------------------------------------------------------------

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
