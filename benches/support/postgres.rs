//! The PostgreSQL of a bench: everything that is compared runs on the same one.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};
use secrecy::ExposeSecret as _;
use souk_db::postgres::{Options, Server};
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

    pub async fn version(&self) -> Result<String> {
        let client = self.connect("postgres").await?;
        Ok(client.query_one("show server_version", &[]).await?.get(0))
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

    async fn connect(&self, database: &str) -> Result<tokio_postgres::Client> {
        let config: Config = self.url(database).parse()?;
        let (client, connection) = config.connect(NoTls).await?;
        // ends with the client
        tokio::spawn(connection);
        Ok(client)
    }
}
