//! The command line. Each option is explained where it is declared; clap makes the help of it.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Parser, Subcommand, ValueEnum};
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

/// The command line of `souk`.
#[derive(Debug, Parser)]
#[command(version, about = ABOUT, after_help = AFTER_HELP, args_conflicts_with_subcommands = true)]
pub struct Cli {
    #[command(subcommand)]
    pub command: Option<Command>,
    #[command(flatten)]
    pub suite: Suite,
    #[command(flatten)]
    pub log: Log,
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
    #[arg(long, env = "SOUK_DATABASE_CONNECTIONS", default_value_t = 16, value_name = "N")]
    pub database_connections: u32,
    /// How long stock is held for an order that is not paid, in seconds
    #[arg(long, env = "SOUK_RESERVATION_TTL", default_value = "86400", value_name = "SECONDS",
          value_parser = seconds)]
    pub reservation_ttl: Duration,
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

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    #[test]
    fn the_command_line_is_consistent() {
        super::Cli::command().debug_assert();
    }
}
