//! The PostgreSQL of a bench: everything that is compared runs on the same one.

use std::fs::{self, File};
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};
use secrecy::ExposeSecret as _;
use souk_postgres::{Options, Server};
use tokio_postgres::{Config, NoTls};

use super::usage::Processes;

/// A server with the settings of the one that `souk` starts. It ends with the bench.
#[derive(Debug)]
pub struct Postgres {
    server: Server,
    scratch: PathBuf,
}

impl Postgres {
    /// Starts a server with no data on it, on the disk that cargo builds on.
    pub async fn start(bench: &str) -> Result<Self> {
        let scratch = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("bench-{bench}"));
        fs::create_dir_all(&scratch)?;
        let server = Server::start(&Options::new(&scratch)).await?;
        Ok(Self { server, scratch })
    }

    /// Ends the server and removes its data.
    pub async fn stop(self) -> Result<()> {
        let data = self.server.data_dir().to_owned();
        self.server.stop().await?;
        fs::remove_dir_all(data)?;
        fs::remove_dir_all(self.scratch)?;
        Ok(())
    }

    /// Names the server, and its disk.
    pub async fn describe(&self) -> Result<()> {
        let version = self.connect("postgres").await?.query_one("show server_version", &[]).await?;
        println!(
            "PostgreSQL  {}, as souk starts it; to write and flush 8 kB takes {:.2} ms",
            version.get::<_, &str>(0),
            flush(&self.scratch)?.as_secs_f64() * 1000.0
        );
        Ok(())
    }

    /// A directory that goes with the server.
    pub fn scratch(&self) -> &Path {
        &self.scratch
    }

    /// How other processes reach a database, with the password in it.
    pub fn url(&self, database: &str) -> String {
        self.server.url(database).expose_secret().to_owned()
    }

    /// Runs statements.
    pub async fn execute(&self, database: &str, statements: &str) -> Result<()> {
        Ok(self.connect(database).await?.batch_execute(statements).await?)
    }

    /// Makes a database anew, as a copy of another where one is named.
    pub async fn create(&self, database: &str, template: Option<&str>) -> Result<()> {
        // what an interrupted bench left
        self.execute("postgres", &format!("drop database if exists {database} with (force)"))
            .await?;
        let template = template.unwrap_or("template1");
        self.execute("postgres", &format!("create database {database} template {template}")).await
    }

    /// The server with all of its processes.
    pub fn processes(&self) -> Result<Processes> {
        let file = self.server.data_dir().join("cluster/postmaster.pid");
        let text = fs::read_to_string(file)?;
        let pid = text.lines().next().context("an empty pid file")?.trim().parse()?;
        Ok(Processes(vec![pid]))
    }

    /// A program that came with the server.
    pub fn program(&self, name: &str) -> Result<PathBuf> {
        let server = fs::read_link(format!("/proc/{}/exe", self.processes()?.0[0]))?;
        let program = server.with_file_name(name);
        anyhow::ensure!(program.exists(), "{name} is not beside {}", server.display());
        Ok(program)
    }

    /// A connection to a database.
    pub async fn connect(&self, database: &str) -> Result<tokio_postgres::Client> {
        let config: Config = self.url(database).parse()?;
        let (client, connection) = config.connect(NoTls).await?;
        // ends with the client
        tokio::spawn(connection);
        Ok(client)
    }
}

/// How long a write takes that waits for the disk, as a commit does: the median of some.
fn flush(directory: &Path) -> Result<Duration> {
    let path = directory.join("flush");
    let mut file = File::create(&path)?;
    let mut times = Vec::new();
    for _ in 0..101 {
        let start = Instant::now();
        file.write_all(&[0; 8192])?;
        file.sync_data()?;
        times.push(start.elapsed());
    }
    fs::remove_file(path)?;
    times.sort();
    Ok(times[times.len() / 2])
}
