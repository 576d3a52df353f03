//! The databases of the suite: on a PostgreSQL of our own, or on one that the user runs.

use std::path::Path;
use std::str::FromStr as _;

use anyhow::Context as _;
use souk_db::Database;
use souk_postgres::Server;
use sqlx::migrate::Migrator;
use sqlx::postgres::{PgConnectOptions, PgSslMode};

use crate::cli::{Data, Migrate, Role};

/// The name that the databases' names begin with, on a server of our own.
const BASE_NAME: &str = "souk";

/// A server, and how to connect to it.
pub struct Databases {
    server: Option<Server>,
    options: PgConnectOptions,
    base_name: String,
}

impl Databases {
    /// Starts a server of our own, unless a URL names one.
    pub async fn start(data: &Data) -> anyhow::Result<Self> {
        if let Some(url) = &data.database_url {
            let options = parse(url)?;
            let base_name = options.get_database().unwrap_or(BASE_NAME).to_owned();
            return Ok(Self { server: None, options, base_name });
        }
        let server = Server::start(&souk_postgres::Options::new(&data.data_dir)).await?;
        let options = server.connect_options("postgres");
        Ok(Self { server: Some(server), options, base_name: BASE_NAME.to_owned() })
    }

    /// Opens the database of a service, created and migrated where need be.
    pub async fn open(
        &self,
        name: &str,
        migrator: &Migrator,
        connections: u32,
    ) -> anyhow::Result<Database> {
        let options = self.options.clone().database(&format!("{}_{name}", self.base_name));
        souk_db::create_database(&options).await?;
        open(options, migrator, connections).await.with_context(|| format!("the {name} database"))
    }

    /// Where our own server keeps its data; `None` for a server that the user runs.
    pub fn data_dir(&self) -> Option<&Path> {
        self.server.as_ref().map(Server::data_dir)
    }

    /// Completes when our own server has ended by itself.
    pub async fn failed(&self) -> anyhow::Error {
        match &self.server {
            Some(server) => server.exited().await.into(),
            None => std::future::pending().await,
        }
    }

    /// Ends our own server.
    pub async fn stop(self) -> anyhow::Result<()> {
        if let Some(server) = self.server {
            server.stop().await?;
        }
        Ok(())
    }
}

/// Opens the one database that a URL names.
pub async fn open_url(
    url: &str,
    migrator: &Migrator,
    connections: u32,
) -> anyhow::Result<Database> {
    open(parse(url)?, migrator, connections).await
}

/// `souk migrate`.
pub async fn migrate(command: Migrate) -> anyhow::Result<()> {
    if let Some(role) = command.role {
        let url = command.data.database_url.context("--role needs --database-url")?;
        souk_db::migrate(&parse(&url)?, migrator(role)?).await?;
        println!("the database of {role:?} is up to date");
        return Ok(());
    }
    let databases = Databases::start(&command.data).await?;
    for (name, migrator) in all() {
        databases.open(name, migrator, 1).await?;
    }
    databases.stop().await?;
    println!("the databases of auth, catalog and orders are up to date");
    Ok(())
}

/// The databases of the suite, by the name of their service.
pub fn all() -> [(&'static str, &'static Migrator); 3] {
    [
        ("auth", &souk_auth::MIGRATOR),
        ("catalog", &souk_catalog::MIGRATOR),
        ("orders", &souk_orders::MIGRATOR),
    ]
}

fn migrator(role: Role) -> anyhow::Result<&'static Migrator> {
    match role {
        Role::Auth => Ok(&souk_auth::MIGRATOR),
        Role::Catalog => Ok(&souk_catalog::MIGRATOR),
        Role::Orders => Ok(&souk_orders::MIGRATOR),
        Role::Gateway => anyhow::bail!("the gateway has no database"),
    }
}

async fn open(
    options: PgConnectOptions,
    migrator: &Migrator,
    connections: u32,
) -> anyhow::Result<Database> {
    Ok(Database::open(options, migrator, connections).await?)
}

fn parse(url: &str) -> anyhow::Result<PgConnectOptions> {
    // the URL holds a password: it is not repeated in the error
    let options = PgConnectOptions::from_str(url);
    let options = options.context("the database URL is not one of postgres://…")?;
    // without a look at the name, whoever has a certificate of any public authority would be taken for
    // the server: sslrootcert adds to these authorities and does not replace them
    anyhow::ensure!(
        !matches!(options.get_ssl_mode(), PgSslMode::VerifyCa),
        "sslmode=verify-ca is no protection here: use verify-full in the database URL"
    );
    Ok(options)
}
