//! The command line. Each option is explained where it is declared; clap makes the help of it.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::ensure;
use clap::{Args, Parser, Subcommand, ValueEnum};
use souk_kit::listener::{self, Protocol, connections_that_fit};
use souk_kit::server::DRAIN_LIMIT;
use souk_kit::stack::{self, CALL_LIMIT};
use souk_kit::telemetry::LogFormat;
use tonic::transport::Uri;

const ABOUT: &str = "\
A commerce backend: catalog, auth and orders over gRPC, and the same contracts over REST.

Without a command, everything runs in this process, on a PostgreSQL that it starts itself.";

const AFTER_HELP: &str = "\
Every option can also be set in the environment (as shown) or in souk.toml, or another file named \
by SOUK_CONFIG, with the long flag as the key. A flag wins over the environment, that over the \
file.

These secrets have no flag: SOUK_ADMIN_EMAIL and SOUK_ADMIN_PASSWORD (the first admin), \
SOUK_SECRET (the master secret of a role), SOUK_ORDERS_CLIENT_SECRET (with which orders calls \
catalog; the same for auth and orders), SOUK_TOKEN (an access token for import). With _FILE \
appended to its name, each is read from the file that the variable names.";

/// Requests that one gRPC connection may have under way.
const REQUESTS_PER_CONNECTION: u32 = 256;

/// The command line of `souk`.
#[derive(Debug, Parser)]
#[command(version, about = ABOUT, after_help = AFTER_HELP, args_conflicts_with_subcommands = true)]
pub struct Cli {
    #[command(subcommand)]
    pub command: Option<Command>,
    #[command(flatten)]
    pub suite: Suite,
    #[command(flatten)]
    pub machine: Machine,
    #[command(flatten)]
    pub log: Log,
}

/// What a process has of its machine.
#[derive(Debug, Args)]
pub struct Machine {
    /// Threads that answer calls; by default one fewer than there are cores, which the database and
    /// the network need as well
    #[arg(long, env = "SOUK_THREADS", global = true, value_name = "N",
          value_parser = clap::value_parser!(u16).range(1..=1024))]
    threads: Option<u16>,
}

impl Machine {
    /// How many threads answer calls.
    pub fn threads(&self) -> usize {
        // more than are needed get in each other's way: to wake one takes longer than most of what it
        // does
        let spare = || std::thread::available_parallelism().map_or(1, |cores| cores.get() - 1);
        self.threads.map_or_else(spare, usize::from).max(1)
    }
}

#[derive(Debug, Subcommand)]
#[allow(clippy::large_enum_variant, reason = "there is one, for the whole process")]
pub enum Command {
    /// Run one role, on a PostgreSQL that you run; for production
    Serve(Serve),
    /// Bring the databases up to date, and end
    Migrate(Migrate),
    /// Create or update products from a CSV file, by SKU
    Import(Import),
    /// Ask a running process whether it works; for containers
    Healthcheck(Healthcheck),
}

#[derive(Debug, Args)]
pub struct Log {
    /// What to log: a level, or a list of target=level
    #[arg(long, env = "SOUK_LOG", default_value = "warn", global = true)]
    pub log: String,
    /// How log lines look
    #[arg(long, env = "SOUK_LOG_FORMAT", value_enum, default_value = "pretty", global = true)]
    pub log_format: LogFormat,
}

/// Everything in one process.
#[derive(Debug, Args)]
pub struct Suite {
    #[command(flatten)]
    pub listen: Listen,
    #[command(flatten)]
    pub data: Data,
    /// Start with an empty catalog
    #[arg(long, env = "SOUK_NO_SAMPLE_DATA")]
    pub no_sample_data: bool,
    #[command(flatten)]
    pub limits: Limits,
}

#[derive(Debug, Args)]
pub struct Listen {
    /// Where to serve REST; port 0 picks a free one
    #[arg(long, env = "SOUK_HTTP", default_value = "127.0.0.1:8080", value_name = "ADDRESS")]
    pub http: SocketAddr,
    /// Where to serve gRPC; port 0 picks a free one
    #[arg(long, env = "SOUK_GRPC", default_value = "127.0.0.1:50051", value_name = "ADDRESS")]
    pub grpc: SocketAddr,
}

/// Where data lives in development.
#[derive(Debug, Args)]
pub struct Data {
    /// Where the database, and the secrets of this installation, are kept
    #[arg(long, env = "SOUK_DATA_DIR", default_value = ".souk", value_name = "DIR")]
    pub data_dir: PathBuf,
    /// A PostgreSQL that you run, instead of one of our own: NAME_auth, NAME_catalog and
    /// NAME_orders are used, and created where they are missing
    #[arg(long, env = "SOUK_DATABASE_URL", hide_env_values = true, value_name = "URL")]
    pub database_url: Option<String>,
}

#[derive(Debug, Clone, Args)]
pub struct Limits {
    /// Connections to the database, for each service
    #[arg(long, env = "SOUK_DATABASE_CONNECTIONS", default_value_t = 16, value_name = "N",
          value_parser = clap::value_parser!(u32).range(2..=1000))]
    pub database_connections: u32,
    /// How long stock is held for an order that is not paid, in seconds
    #[arg(long, env = "SOUK_RESERVATION_TTL", default_value = "86400", value_name = "SECONDS",
          value_parser = seconds)]
    pub reservation_ttl: Duration,
    /// Orders of one product that are placed at once; others of it wait, those of other products do not
    #[arg(long, env = "SOUK_PRODUCT_SLOTS", default_value_t = 24, value_name = "N",
          value_parser = at_least_one)]
    pub product_slots: usize,
    /// Connections of clients that a listener serves at once; the idlest make room for new ones
    #[arg(long, env = "SOUK_MAX_CONNECTIONS", default_value_t = 10_000, value_name = "N",
          value_parser = at_least_one)]
    pub max_connections: usize,
    /// Calls that a service, and the gateway, work on at once; others are refused as OVERLOADED
    #[arg(long, env = "SOUK_MAX_CALLS", default_value_t = 2048, value_name = "N",
          value_parser = at_least_one)]
    pub max_calls: usize,
    /// Imports that run at once
    #[arg(long, env = "SOUK_MAX_IMPORTS", default_value_t = 16, value_name = "N",
          value_parser = at_least_one)]
    pub max_imports: usize,
    /// The largest body of a request over REST, in bytes, whatever its contract takes
    #[arg(long, env = "SOUK_MAX_BODY", default_value_t = 1024 * 1024, value_name = "BYTES",
          value_parser = at_least_one)]
    pub max_body: usize,
    /// Bytes of requests that are still arriving, for each service and the gateway
    #[arg(long, env = "SOUK_BODY_BUDGET", default_value_t = 64 * 1024 * 1024,
          value_name = "BYTES", value_parser = at_least_one)]
    pub body_budget: usize,
    /// How long a client may take for the head of a request, or to begin a connection, in seconds
    #[arg(long, env = "SOUK_HEADER_TIMEOUT", default_value = "5", value_name = "SECONDS",
          value_parser = seconds)]
    pub header_timeout: Duration,
    /// How long a client may pause while it sends a body, in seconds
    #[arg(long, env = "SOUK_BODY_TIMEOUT", default_value = "10", value_name = "SECONDS",
          value_parser = seconds)]
    pub body_timeout: Duration,
    /// How long a request over REST may take, in seconds, at most 15
    #[arg(long, env = "SOUK_REQUEST_TIMEOUT", default_value = "15", value_name = "SECONDS",
          value_parser = seconds)]
    pub request_timeout: Duration,
    /// How long a connection over REST may have nothing to do, in seconds
    #[arg(long, env = "SOUK_IDLE_TIMEOUT", default_value = "60", value_name = "SECONDS",
          value_parser = seconds)]
    pub idle_timeout: Duration,
    /// How long a connection over gRPC may have nothing to do, in seconds
    #[arg(long, env = "SOUK_GRPC_IDLE_TIMEOUT", default_value = "300", value_name = "SECONDS",
          value_parser = seconds)]
    pub grpc_idle_timeout: Duration,
}

impl Limits {
    /// Those of a service.
    pub fn of_service(&self) -> stack::Limits {
        stack::Limits {
            calls: self.max_calls,
            streams: self.max_imports,
            message_bytes: self.body_budget,
        }
    }

    /// Those of the gateway, in a process with so many listeners.
    pub fn of_gateway(&self, listeners: usize) -> souk_gateway::Options {
        souk_gateway::Options {
            max_body: self.max_body,
            body_bytes: self.body_budget,
            header_timeout: self.header_timeout,
            body_idle: self.body_timeout,
            request_limit: self.request_timeout,
            connection_idle: self.idle_timeout,
            max_connections: connections_that_fit(self.max_connections, listeners),
            // each of the services behind it has its own
            max_calls: 2 * self.max_calls,
            drain_limit: DRAIN_LIMIT,
        }
    }

    /// Those of the gRPC listener, in a process with so many listeners.
    pub fn of_grpc(&self, listeners: usize) -> listener::Options {
        listener::Options {
            protocol: Protocol::Grpc,
            connections: connections_that_fit(self.max_connections, listeners),
            streams: REQUESTS_PER_CONNECTION,
            header_timeout: self.header_timeout,
            idle: self.grpc_idle_timeout,
            drain: DRAIN_LIMIT,
            rejection: None,
        }
    }

    /// Refuses limits that contradict each other.
    pub fn check(&self) -> anyhow::Result<()> {
        ensure!(
            self.request_timeout <= CALL_LIMIT,
            "--request-timeout must be at most {} seconds: no service works longer on a call",
            CALL_LIMIT.as_secs()
        );
        ensure!(
            self.body_timeout <= self.request_timeout,
            "--body-timeout must not be longer than --request-timeout: the request would end first"
        );
        for (name, idle) in
            [("--idle-timeout", self.idle_timeout), ("--grpc-idle-timeout", self.grpc_idle_timeout)]
        {
            ensure!(
                self.header_timeout <= idle,
                "--header-timeout must not be longer than {name}: the connection would end first"
            );
        }
        ensure!(
            self.max_body <= self.body_budget / 4,
            "--body-budget must be at least four times --max-body: one request would take it all"
        );
        Ok(())
    }

    /// Refuses more connections than a server of our own takes, for three services and what watches
    /// over each.
    pub fn check_for(&self, server: u32) -> anyhow::Result<()> {
        const SPARE: u32 = 20;
        let most = (server - SPARE) / 3;
        ensure!(
            self.database_connections <= most,
            "--database-connections must be at most {most} without --database-url: the server that \
             souk starts takes no more"
        );
        Ok(())
    }
}

/// The role of a process.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Role {
    /// Products, categories, stock
    Catalog,
    /// Accounts and tokens
    Auth,
    /// Orders
    Orders,
    /// REST over the contracts of the other three
    Gateway,
}

#[derive(Debug, Args)]
pub struct Serve {
    /// Which role to run
    #[arg(long, env = "SOUK_ROLE", value_enum)]
    pub role: Role,
    #[command(flatten)]
    pub listen: Listen,
    /// The database of the role; not for the gateway
    #[arg(long, env = "SOUK_DATABASE_URL", hide_env_values = true, value_name = "URL")]
    pub database_url: Option<String>,
    /// Where the catalog serves gRPC
    #[arg(long, env = "SOUK_CATALOG_URL", value_name = "URL")]
    pub catalog_url: Option<Uri>,
    /// Where auth serves gRPC
    #[arg(long, env = "SOUK_AUTH_URL", value_name = "URL")]
    pub auth_url: Option<Uri>,
    /// Where orders serves gRPC
    #[arg(long, env = "SOUK_ORDERS_URL", value_name = "URL")]
    pub orders_url: Option<Uri>,
    #[command(flatten)]
    pub limits: Limits,
}

#[derive(Debug, Args)]
pub struct Migrate {
    /// Only the database of this role, which the URL names; otherwise all three
    #[arg(long, env = "SOUK_ROLE", value_enum)]
    pub role: Option<Role>,
    #[command(flatten)]
    pub data: Data,
}

#[derive(Debug, Args)]
pub struct Import {
    /// A CSV file with a header line: sku, name, price, and, if you like, description, stock,
    /// categories (slugs separated by |), currency (USD)
    pub file: PathBuf,
    /// The running suite
    #[arg(long, env = "SOUK_SERVER", default_value = "http://127.0.0.1:50051", value_name = "URL")]
    pub server: Uri,
    /// The account to sign in with; its password comes from --password or SOUK_ADMIN_PASSWORD.
    /// SOUK_TOKEN, when set, is used instead
    #[arg(long, env = "SOUK_ADMIN_EMAIL")]
    pub email: Option<String>,
    /// The password of the account; others on this machine can see a flag, so prefer the variable
    #[arg(long, env = "SOUK_ADMIN_PASSWORD", hide_env_values = true)]
    pub password: Option<String>,
}

#[derive(Debug, Args)]
pub struct Healthcheck {
    /// Where the process serves gRPC
    #[arg(long, default_value = "http://127.0.0.1:50051", value_name = "URL")]
    pub server: Uri,
    /// Where the process serves REST; asked instead of the gRPC server
    #[arg(long, value_name = "ADDRESS")]
    pub http: Option<Uri>,
}

fn seconds(text: &str) -> Result<Duration, String> {
    let seconds: u64 = text.parse().map_err(|_| "must be a number of seconds".to_owned())?;
    match seconds {
        1..=2_592_000 => Ok(Duration::from_secs(seconds)),
        _ => Err("must be between 1 second and 30 days".to_owned()),
    }
}

fn at_least_one(text: &str) -> Result<usize, String> {
    match text.parse() {
        Ok(0) => Err("must be at least 1".to_owned()),
        Ok(number) => Ok(number),
        Err(_) => Err("must be a whole number".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    #[test]
    fn the_command_line_is_consistent() {
        super::Cli::command().debug_assert();
    }
}
