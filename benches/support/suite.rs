//! Running suites: one process, or one for each role.

use std::path::Path;
use std::process::Command;

use anyhow::Result;
use tonic::transport::{Channel, Endpoint};

use super::postgres::Postgres;
use super::process::Process;
use super::usage::Processes;

pub const ADMIN_EMAIL: &str = "admin@example.com";
pub const ADMIN_PASSWORD: &str = "a password for the benches only";
const SECRET: &str = "the master secret of the benches, long enough";
const CLIENT_SECRET: &str = "the secret of the orders service in benches";

/// A running suite.
#[derive(Debug)]
pub struct Suite {
    processes: Vec<Process>,
    /// Where the gateway listens: `host:port`.
    pub http: String,
    /// Where the services listen: `http://host:port`.
    pub auth: String,
    pub catalog: String,
    pub orders: String,
}

impl Suite {
    /// Everything in one process, on the databases `<base>_auth` and so on.
    pub fn one(souk: &Path, postgres: &Postgres, base: &str) -> Result<Self> {
        let mut command = command(souk);
        command
            .args(["--http", "127.0.0.1:0", "--grpc", "127.0.0.1:0", "--no-sample-data"])
            .arg("--data-dir")
            .arg(postgres.scratch().join(base))
            .env("SOUK_DATABASE_URL", postgres.url(base));
        let process = Process::start(command)?;
        let http = process.last_word_of_line("REST")?.replace("http://", "");
        let grpc = process.last_word_of_line("gRPC")?;
        let (auth, catalog, orders) = (grpc.clone(), grpc.clone(), grpc);
        Ok(Self { processes: vec![process], http, auth, catalog, orders })
    }

    /// Each role in a process of its own.
    pub fn four(souk: &Path, postgres: &Postgres, base: &str) -> Result<Self> {
        let start = |role: &str, neighbours: &[(&str, &str)]| -> Result<(Process, String)> {
            let mut command = command(souk);
            command
                .args(["serve", "--role", role, "--http", "127.0.0.1:0", "--grpc", "127.0.0.1:0"])
                .envs(neighbours.iter().copied());
            command.env("SOUK_IMAGE_STORE", postgres.scratch().join(base).join("images"));
            if role != "gateway" {
                command.env("SOUK_DATABASE_URL", postgres.url(&format!("{base}_{role}")));
            }
            let process = Process::start(command)?;
            let address = process.last_word_of_line("souk ")?;
            Ok((process, address))
        };
        let (first, auth) = start("auth", &[])?;
        let auth = format!("http://{auth}");
        let (second, catalog) = start("catalog", &[("SOUK_AUTH_URL", &auth)])?;
        let catalog = format!("http://{catalog}");
        let services = [("SOUK_AUTH_URL", auth.as_str()), ("SOUK_CATALOG_URL", &catalog)];
        let (third, orders) = start("orders", &services)?;
        let orders = format!("http://{orders}");
        let services = [services[0], services[1], ("SOUK_ORDERS_URL", &orders)];
        let (fourth, http) = start("gateway", &services)?;
        Ok(Self { processes: vec![first, second, third, fourth], http, auth, catalog, orders })
    }

    /// All of its processes.
    pub fn processes(&self) -> Processes {
        Processes(self.processes.iter().map(Process::pid).collect())
    }

    /// Its processes one by one: auth, catalog, orders, gateway.
    pub fn each(&self) -> impl Iterator<Item = Processes> {
        self.processes.iter().map(|process| Processes(vec![process.pid()]))
    }

    /// The process that serves REST.
    pub fn gateway(&self) -> Processes {
        Processes(self.processes.last().map(Process::pid).into_iter().collect())
    }
}

/// A connection to a service.
pub async fn connect(service: &str) -> Result<Channel> {
    Ok(Endpoint::from_shared(service.to_owned())?.connect().await?)
}

/// The command `souk`, without the environment's word.
pub(super) fn command(souk: &Path) -> Command {
    let mut command = Command::new(souk);
    for (name, _) in std::env::vars_os() {
        if name.to_string_lossy().starts_with("SOUK_") {
            command.env_remove(name);
        }
    }
    command
        .env("SOUK_LOG", "error")
        // requests are counted, and none is refused
        .env("SOUK_RATE_LIMIT_ADDRESS", "60000000")
        .env("SOUK_RATE_LIMIT_PRINCIPAL", "60000000")
        .env("SOUK_ADMIN_EMAIL", ADMIN_EMAIL)
        .env("SOUK_ADMIN_PASSWORD", ADMIN_PASSWORD)
        .env("SOUK_SECRET", SECRET)
        .env("SOUK_ORDERS_CLIENT_SECRET", CLIENT_SECRET);
    command
}
