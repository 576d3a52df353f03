//! The command line. Each option is explained where it is declared; clap makes the help of it.

mod cache;
mod images;
mod limits;
mod origin;
mod prove;
mod rates;
mod razorpay;
mod tls;
mod webhooks;

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::{ArgAction, ArgGroup, Args, Parser, Subcommand, ValueEnum};
use souk_gateway::transcode::Style;
use souk_kit::telemetry::LogFormat;
use tonic::transport::Uri;

pub use images::Images;
pub use limits::{HttpLimits, Limits};
pub use prove::Prove;
pub use razorpay::Razorpay;
pub use tls::TlsFiles;
pub use webhooks::Webhooks;

/// Where data lives, unless it is said where.
pub const DATA_DIR: &str = ".souk";

const ABOUT: &str = "\
A commerce backend: catalog, auth and orders over gRPC, and the same contracts over REST.

Without a command, everything runs in this process, on a PostgreSQL that it starts itself.";

const AFTER_HELP: &str = "\
Every option can also be set in the environment (as shown) or in souk.toml, or another file named \
by SOUK_CONFIG, with the long flag as the key. A flag wins over the environment, that over the \
file.

These secrets have no flag: SOUK_ADMIN_EMAIL and SOUK_ADMIN_PASSWORD (the first admin), \
SOUK_SECRET (the master secret of a role), SOUK_ORDERS_CLIENT_SECRET (with which orders calls \
catalog; the same for auth and orders), SOUK_TOKEN (an access token for import and export). With _FILE \
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
    /// Serve the contracts of other gRPC services over REST
    Gateway(Gateway),
    /// Print the OpenAPI document of what is served over REST
    Openapi(Openapi),
    /// Bring the databases up to date, and end
    Migrate(Migrate),
    /// Create or update products from a CSV file, by SKU
    Import(Import),
    /// Write all products as CSV, or as JSON in lines
    Export(Export),
    /// Ask a running process whether it works; for containers
    Healthcheck(Healthcheck),
    /// Buy from a suite of its own while its processes are killed, and audit what is left
    Prove(Prove),
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
    /// Whether orders can be paid in a sandbox, where no money moves
    #[arg(long, env = "SOUK_SANDBOX_PAYMENTS", default_value_t = true, action = ArgAction::Set,
          value_name = "BOOL")]
    pub sandbox_payments: bool,
    #[command(flatten)]
    pub razorpay: Razorpay,
    #[command(flatten)]
    pub webhooks: Webhooks,
    #[command(flatten)]
    pub images: Images,
    #[command(flatten)]
    pub limits: Limits,
}

#[derive(Debug, Args)]
pub struct Listen {
    /// Where to serve REST; port 0 picks a free one
    #[arg(long, env = "SOUK_HTTP", default_value = "127.0.0.1:8080", value_name = "ADDRESS")]
    pub http: SocketAddr,
    #[command(flatten)]
    pub tls: TlsFiles,
    /// Where to serve gRPC; port 0 picks a free one
    #[arg(long, env = "SOUK_GRPC", default_value = "127.0.0.1:50051", value_name = "ADDRESS")]
    pub grpc: SocketAddr,
}

/// Where data lives in development.
#[derive(Debug, Args)]
pub struct Data {
    /// Where the database, and the secrets of this installation, are kept
    #[arg(long, env = "SOUK_DATA_DIR", default_value = DATA_DIR, value_name = "DIR")]
    pub data_dir: PathBuf,
    /// A PostgreSQL that you run, instead of one of our own: NAME_auth, NAME_catalog and
    /// NAME_orders are used, and created where they are missing
    #[arg(long, env = "SOUK_DATABASE_URL", hide_env_values = true, value_name = "URL")]
    pub database_url: Option<String>,
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
    /// Whether orders can be paid in a sandbox, where no money moves; for the role orders
    #[arg(long, env = "SOUK_SANDBOX_PAYMENTS", default_value_t = false, action = ArgAction::Set,
          value_name = "BOOL")]
    pub sandbox_payments: bool,
    #[command(flatten)]
    pub razorpay: Razorpay,
    #[command(flatten)]
    pub webhooks: Webhooks,
    #[command(flatten)]
    pub images: Images,
    #[command(flatten)]
    pub limits: Limits,
}

/// How JSON looks.
#[derive(Debug, Clone, Copy, ValueEnum)]
pub enum Json {
    /// As protobuf defines it: lowerCamelCase names, enum values in full, zeros left out
    Canonical,
    /// As Souk's own: the names of the contract, enum values in lowercase, all fields always
    Plain,
}

impl From<Json> for Style {
    fn from(json: Json) -> Self {
        match json {
            Json::Canonical => Self::Canonical,
            Json::Plain => Self::Plain,
        }
    }
}

/// What contracts of others do not say.
#[derive(Debug, Args)]
#[command(group = ArgGroup::new("access").args(["public", "require_token"]))]
pub struct Foreign {
    /// How their JSON looks
    #[arg(long, env = "SOUK_JSON", value_enum, default_value = "canonical", value_name = "STYLE")]
    pub json: Json,
    /// Anyone may call the RPCs that have no policy
    #[arg(long, env = "SOUK_PUBLIC")]
    pub public: bool,
    /// Anyone with a valid access token may call the RPCs that have no policy
    #[arg(long, env = "SOUK_REQUIRE_TOKEN")]
    pub require_token: bool,
}

/// A gateway before services of others.
#[derive(Debug, Args)]
pub struct Gateway {
    /// Where to serve REST; port 0 picks a free one
    #[arg(long, env = "SOUK_HTTP", default_value = "127.0.0.1:8080", value_name = "ADDRESS")]
    pub http: SocketAddr,
    #[command(flatten)]
    pub tls: TlsFiles,
    /// The contracts, with all that they import: what `buf build -o FILE` writes, or `protoc
    /// --include_imports --include_source_info -o FILE`
    #[arg(long, env = "SOUK_DESCRIPTORS", value_name = "FILE")]
    pub descriptors: PathBuf,
    /// Where their services are
    #[arg(long, env = "SOUK_UPSTREAM", value_name = "URL")]
    pub upstream: Uri,
    #[command(flatten)]
    pub foreign: Foreign,
    /// Where auth serves gRPC, whose access tokens count
    #[arg(long, env = "SOUK_AUTH_URL", value_name = "URL")]
    pub auth_url: Option<Uri>,
    #[command(flatten)]
    pub limits: HttpLimits,
}

#[derive(Debug, Args)]
pub struct Openapi {
    /// As YAML instead of JSON
    #[arg(long)]
    pub yaml: bool,
    /// Of the contracts in this file instead of our own: what `buf build -o FILE` writes, or `protoc
    /// --include_imports --include_source_info -o FILE`
    #[arg(long, env = "SOUK_DESCRIPTORS", value_name = "FILE")]
    pub descriptors: Option<PathBuf>,
    #[command(flatten)]
    pub foreign: Foreign,
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
    /// categories (slugs separated by |), currency (USD), and the attributes of --type
    pub file: PathBuf,
    /// The type of its products: columns that this type knows become attributes (lists separated by |)
    #[arg(long = "type", value_name = "NAME")]
    pub product_type: Option<String>,
    /// Only say what would be created, updated and rejected
    #[arg(long)]
    pub dry_run: bool,
    /// Write all rejected rows to this CSV file: line, field, issue
    #[arg(long, value_name = "FILE")]
    pub report: Option<PathBuf>,
    #[command(flatten)]
    pub login: Login,
}

/// Where a suite runs, and who one is there.
#[derive(Debug, Args)]
pub struct Login {
    /// The running suite
    #[arg(long, env = "SOUK_SERVER", default_value = "http://127.0.0.1:50051", value_name = "URL")]
    pub server: Uri,
    #[command(flatten)]
    pub account: Account,
}

/// Who one is at a suite.
#[derive(Debug, Clone, Args)]
pub struct Account {
    /// The account to sign in with; its password comes from --password or SOUK_ADMIN_PASSWORD.
    /// SOUK_TOKEN, when set, is used instead; without either, the admin of --data-dir is
    #[arg(long, env = "SOUK_ADMIN_EMAIL")]
    pub email: Option<String>,
    /// Where a suite that was started on this machine keeps the password of its admin
    #[arg(long, env = "SOUK_DATA_DIR", default_value = DATA_DIR, value_name = "DIR")]
    pub data_dir: PathBuf,
    /// The password of the account; others on this machine can see a flag, so prefer the variable
    #[arg(long, env = "SOUK_ADMIN_PASSWORD", hide_env_values = true)]
    pub password: Option<String>,
}

/// How exported products are written.
#[derive(Debug, Clone, Copy, ValueEnum)]
pub enum ExportFormat {
    /// With a header line; `souk import` reads it
    Csv,
    /// JSON, a product in each line
    Ndjson,
}

#[derive(Debug, Args)]
pub struct Export {
    /// Only products of this type, whose attributes become columns of CSV
    #[arg(long = "type", value_name = "NAME")]
    pub product_type: Option<String>,
    /// How products are written
    #[arg(long, value_enum, default_value = "csv")]
    pub format: ExportFormat,
    /// Where to; the standard output otherwise
    #[arg(long, value_name = "FILE")]
    pub output: Option<PathBuf>,
    #[command(flatten)]
    pub login: Login,
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

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    #[test]
    fn the_command_line_is_consistent() {
        super::Cli::command().debug_assert();
    }
}
