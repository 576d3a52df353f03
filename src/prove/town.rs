//! A suite of one's own, as somebody runs it who wants nothing to be lost: each role a process, two of them with
//! orders, on a PostgreSQL. Any of it can be killed or stopped, and comes back at its address.

use std::net::{Ipv4Addr, TcpListener};
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use secrecy::ExposeSecret as _;
use souk_kit::Channel;
use souk_kit::secret::random_token;
use souk_postgres::{Options, Server};
use sqlx::postgres::PgConnectOptions;
use sqlx::{ConnectOptions as _, PgConnection};
use tokio::sync::Mutex;
use tonic::transport::Uri;

use super::dice::{Dice, any_seed};
use super::rest::Rest;
use super::role::Role;
use super::shop::Shop;
use crate::databases;

/// How long stock is held: some orders outlive it, when something is stopped for longer than a claim lasts.
pub const RESERVATION_TTL: u64 = 20;

/// What can be hit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Target {
    Auth,
    Catalog,
    FirstOrders,
    SecondOrders,
    Gateway,
    Postgres,
}

/// The suite.
#[derive(Debug)]
pub struct Town {
    dir: PathBuf,
    /// Of the database: elsewhere when we are root and its account cannot get to the directory.
    data: PathBuf,
    options: Options,
    server: Mutex<Option<Server>>,
    databases: Databases,
    roles: Vec<Role>,
    addresses: Vec<Uri>,
    pub admin: (String, String),
}

/// How to get to its databases. The server is always at the same address.
#[derive(Debug, Clone)]
pub struct Databases(PgConnectOptions);

impl Databases {
    /// A connection to one of them.
    pub async fn connect(&self, name: &str) -> anyhow::Result<PgConnection> {
        // an audit takes as long as it takes
        let options = self.0.clone().database(&database(name)).disable_statement_logging();
        options.connect().await.with_context(|| format!("cannot read the {name} database"))
    }
}

impl Town {
    /// Starts everything, on data in this directory.
    pub async fn build(dir: &Path) -> anyhow::Result<Self> {
        std::fs::create_dir_all(dir)
            .with_context(|| format!("cannot make the data directory {}", dir.display()))?;
        let [postgres, auth, catalog, first, second, gateway] = free_ports()?;
        let options = Options { port: Some(postgres), ..Options::new(dir) };
        let server = Server::start(&options).await?;
        for (name, _) in databases::all() {
            souk_db::create_database(&server.connect_options(&database(name))).await?;
        }
        let admin = ("admin@souk.localhost".to_owned(), random_token()?.expose_secret().to_owned());
        let common = [
            ("SOUK_SECRET", random_token()?.expose_secret().to_owned()),
            ("SOUK_ORDERS_CLIENT_SECRET", random_token()?.expose_secret().to_owned()),
            ("SOUK_ADMIN_EMAIL", admin.0.clone()),
            ("SOUK_ADMIN_PASSWORD", admin.1.clone()),
            ("SOUK_AUTH_URL", url(auth)),
            ("SOUK_CATALOG_URL", url(catalog)),
            ("SOUK_ORDERS_URL", url(first)),
            ("SOUK_SANDBOX_PAYMENTS", "true".to_owned()),
            ("SOUK_RESERVATION_TTL", RESERVATION_TTL.to_string()),
            // all buyers are of one address, and of a few accounts
            ("SOUK_RATE_LIMIT_ADDRESS", "0".to_owned()),
            ("SOUK_RATE_LIMIT_PRINCIPAL", "0".to_owned()),
            ("SOUK_IMAGE_STORE", dir.join("images").to_string_lossy().into_owned()),
        ];
        let role = |name: &'static str, role: &str, port: u16| -> anyhow::Result<Role> {
            let listen = if role == "gateway" { "--http" } else { "--grpc" };
            let address = format!("127.0.0.1:{port}");
            let arguments = ["serve", "--role", role, listen, &address].map(str::to_owned);
            let mut environment = common.to_vec();
            if role != "gateway" {
                let url = server.url(&database(role)).expose_secret().to_owned();
                environment.push(("SOUK_DATABASE_URL", url));
            }
            let log = dir.join(format!("{name}.log"));
            Ok(Role::new(name, arguments.to_vec(), environment, log, url(port).parse()?))
        };
        let roles = vec![
            role("auth", "auth", auth)?,
            role("catalog", "catalog", catalog)?,
            role("orders-1", "orders", first)?,
            role("orders-2", "orders", second)?,
            role("gateway", "gateway", gateway)?,
        ];
        let data = server.data_dir().to_owned();
        let databases = Databases(server.connect_options("postgres"));
        let addresses = [auth, catalog, first, second, gateway].map(|port| url(port).parse());
        let addresses = addresses.into_iter().collect::<Result<_, _>>()?;
        let server = Mutex::new(Some(server));
        let town =
            Self { dir: dir.to_owned(), data, options, server, databases, roles, addresses, admin };
        for role in &town.roles {
            role.start().await?;
        }
        Ok(town)
    }

    /// How its customers see it.
    pub fn shop(&self) -> anyhow::Result<Shop> {
        let at = |place: usize| Channel::remote(self.addresses[place].clone());
        let rest = Some(Rest::at(&self.addresses[4])?);
        Ok(Shop { auth: at(0), catalog: at(1), orders: vec![at(2), at(3)], rest })
    }

    pub fn databases(&self) -> &Databases {
        &self.databases
    }

    /// `kill -9`; whether it was there to be killed.
    pub async fn kill(&self, target: Target) -> bool {
        let Some(role) = self.role(target) else {
            let Some(server) = self.server.lock().await.take() else { return false };
            server.kill();
            // says how it ended, which is no surprise
            let _ = server.stop().await;
            return true;
        };
        role.kill().await
    }

    /// Starts again what was killed, and waits until it serves.
    pub async fn restart(&self, target: Target) -> anyhow::Result<()> {
        let Some(role) = self.role(target) else {
            let mut server = self.server.lock().await;
            *server = Some(Server::start(&self.options).await?);
            return Ok(());
        };
        role.start().await
    }

    /// Stops something in the middle of whatever it does.
    pub async fn freeze(&self, target: Target) {
        match (self.role(target), &*self.server.lock().await) {
            (Some(role), _) => role.freeze().await,
            (None, Some(server)) => server.freeze(),
            (None, None) => {}
        }
    }

    /// Has it go on, and waits until it serves.
    pub async fn thaw(&self, target: Target) -> anyhow::Result<()> {
        let Some(role) = self.role(target) else {
            if let Some(server) = &*self.server.lock().await {
                server.thaw();
            }
            let mut connection = self.databases.connect("orders").await?;
            sqlx::query("select 1").execute(&mut connection).await?;
            return Ok(());
        };
        role.thaw().await
    }

    /// What has ended by itself.
    pub async fn missing(&self) -> Vec<&'static str> {
        let mut missing = Vec::new();
        for role in &self.roles {
            if !role.is_there().await {
                missing.push(role.name);
            }
        }
        missing
    }

    /// Ends everything; the data go unless they are kept.
    pub async fn end(&self, keep: bool) {
        for role in &self.roles {
            role.kill().await;
        }
        // there is none when all of it was broken off at the moment of its restart
        if let Some(server) = self.server.lock().await.take()
            && let Err(error) = server.stop().await
        {
            tracing::warn!(%error, "the database has not ended well");
        }
        if !keep {
            for dir in [&self.data, &self.dir] {
                let _ = std::fs::remove_dir_all(dir);
            }
        }
    }

    fn role(&self, target: Target) -> Option<&Role> {
        let place = match target {
            Target::Auth => 0,
            Target::Catalog => 1,
            Target::FirstOrders => 2,
            Target::SecondOrders => 3,
            Target::Gateway => 4,
            Target::Postgres => return None,
        };
        self.roles.get(place)
    }
}

impl Target {
    pub fn name(self) -> &'static str {
        match self {
            Self::Auth => "auth",
            Self::Catalog => "catalog",
            Self::FirstOrders => "orders-1",
            Self::SecondOrders => "orders-2",
            Self::Gateway => "gateway",
            Self::Postgres => "postgres",
        }
    }
}

fn url(port: u16) -> String {
    format!("http://127.0.0.1:{port}")
}

fn database(name: &str) -> String {
    format!("souk_{name}")
}

/// Ports that are free, and that no system gives to connections: whoever is away for a moment shall find its own
/// again.
fn free_ports<const N: usize>() -> anyhow::Result<[u16; N]> {
    let mut dice = Dice::new(any_seed());
    let mut held = Vec::with_capacity(N);
    for _ in 0..1_000 {
        let port = 20_000 + dice.below(10_000) as u16;
        if let Ok(listener) = TcpListener::bind((Ipv4Addr::LOCALHOST, port)) {
            held.push((port, listener));
        }
        if held.len() == N {
            break;
        }
    }
    let ports: Vec<u16> = held.iter().map(|(port, _)| *port).collect();
    ports.try_into().map_err(|_| anyhow::anyhow!("too few ports are free"))
}
