//! What the tests share: directories, and questions to a server.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::LazyLock;
use std::time::{Duration, Instant};

use rustix::io::Errno;
use rustix::process::{Pid, test_kill_process};
use souk_postgres::{Options, Server};
use sqlx::postgres::PgConnection;
use sqlx::{Connection, Executor};
use tempfile::TempDir;

/// A directory that every user can get to, unlike what tempfile makes.
pub fn directory() -> TempDir {
    let dir = TempDir::with_prefix("souk-postgres-").unwrap();
    fs::set_permissions(dir.path(), Permissions::from_mode(0o755)).unwrap();
    dir
}

/// What a server of these tests starts with: its cluster need not be a new one, only one of its own.
pub fn options(dir: &Path) -> Options {
    Options { template: Some(template().to_owned()), ..Options::new(dir.join(".souk")) }
}

pub async fn start(dir: &Path) -> Server {
    Server::start(&options(dir)).await.unwrap()
}

/// The template of this run: one that is kept for longer might be of another `initdb`.
pub fn template() -> &'static Path {
    static TEMPLATE: LazyLock<PathBuf> = LazyLock::new(|| {
        let parent = Path::new(env!("CARGO_TARGET_TMPDIR"));
        for entry in fs::read_dir(parent).unwrap().flatten() {
            let name = entry.file_name();
            let run = name.to_str().and_then(|name| name.strip_prefix("template-"));
            let run = run.and_then(|run| Pid::from_raw(run.parse().ok()?));
            if run.is_some_and(|run| test_kill_process(run) == Err(Errno::SRCH)) {
                let _ = fs::remove_dir_all(entry.path());
            }
        }
        parent.join(format!("template-{}", std::process::id()))
    });
    &TEMPLATE
}

pub async fn connect(server: &Server) -> PgConnection {
    PgConnection::connect_with(&server.connect_options("postgres")).await.unwrap()
}

pub async fn ask(connection: &mut PgConnection, question: &'static str) -> String {
    sqlx::query_scalar(question).fetch_one(connection).await.unwrap()
}

pub async fn place_an_order(server: &Server) {
    let mut connection = connect(server).await;
    connection.execute("create table orders (id text)").await.unwrap();
    connection.execute("insert into orders values ('ord_1')").await.unwrap();
}

pub async fn has_the_order(server: &Server) -> bool {
    ask(&mut connect(server).await, "select string_agg(id, ',') from orders").await == "ord_1"
}

pub fn postmaster(data_dir: &Path) -> Pid {
    let text = fs::read_to_string(data_dir.join("cluster/postmaster.pid")).unwrap();
    Pid::from_raw(text.lines().next().unwrap().parse().unwrap()).unwrap()
}

pub async fn soon(what: &str, mut holds: impl FnMut() -> bool) {
    let begin = Instant::now();
    while !holds() {
        assert!(begin.elapsed() < Duration::from_secs(20), "{what}: not within 20 s");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// The directory of the installed programs.
pub fn installed() -> PathBuf {
    let mut dirs: Vec<PathBuf> =
        std::env::var_os("PG_BIN").map(PathBuf::from).into_iter().collect();
    dirs.extend(std::env::split_paths(&std::env::var_os("PATH").unwrap_or_default()));
    dirs.extend(["15", "16", "17", "18"].map(|v| format!("/usr/lib/postgresql/{v}/bin").into()));
    let postgres = dirs.iter().map(|dir| dir.join("postgres")).find(|path| path.exists()).unwrap();
    fs::canonicalize(postgres).unwrap().parent().unwrap().to_path_buf()
}

pub fn script(path: &Path, text: &str) {
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, format!("#!/bin/sh\n{text}\n")).unwrap();
    fs::set_permissions(path, Permissions::from_mode(0o755)).unwrap();
}
