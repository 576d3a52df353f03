//! One PostgreSQL for the whole run, and databases of its own for each test: clones of a migrated
//! template.

use std::path::{Path, PathBuf};
use std::sync::{LazyLock, OnceLock};

use secrecy::ExposeSecret as _;
use souk_postgres::{Options, Server};
use sqlx::migrate::Migrator;
use sqlx::{AssertSqlSafe, ConnectOptions as _, PgConnection};
use tokio::sync::OnceCell;

use super::unique;

pub const SERVICES: [&str; 3] = ["auth", "catalog", "orders"];
static MIGRATORS: [&Migrator; 3] =
    [&souk_auth::MIGRATOR, &souk_catalog::MIGRATOR, &souk_orders::MIGRATOR];

/// The server of this run. It ends with the process, however that ends.
pub fn server() -> &'static Server {
    static SERVER: OnceLock<Server> = OnceLock::new();
    SERVER.get_or_init(|| {
        // a runtime of its own: each test has another, which ends with it
        let start = || {
            let runtime =
                tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            let options = Options { template: Some(template()), ..Options::new(directory()) };
            runtime.block_on(Server::start(&options)).unwrap()
        };
        std::thread::scope(|scope| scope.spawn(start).join().unwrap())
    })
}

/// Where every PostgreSQL of this run has its cluster from: only the first runs `initdb`.
pub fn template() -> PathBuf {
    directory().join("template")
}

/// The directory of this run.
fn directory() -> &'static Path {
    static DIRECTORY: LazyLock<PathBuf> = LazyLock::new(|| {
        remove_leftovers();
        std::env::temp_dir().join(format!("souk-it-{}", std::process::id()))
    });
    &DIRECTORY
}

/// Removes what runs that have ended left behind.
fn remove_leftovers() {
    for entry in std::fs::read_dir(std::env::temp_dir()).into_iter().flatten().flatten() {
        let name = entry.file_name();
        let pid = name.to_str().and_then(|name| name.strip_prefix("souk-it-"));
        if let Some(pid) = pid
            && !Path::new("/proc").join(pid).exists()
        {
            let _ = std::fs::remove_dir_all(entry.path());
        }
    }
}

/// The databases of one test.
#[derive(Debug, Clone)]
pub struct Databases {
    base: String,
    /// How the suite reaches a database, whose name stands where `{}` is.
    url: String,
}

impl Databases {
    /// Clones the templates.
    pub async fn create() -> Self {
        static TEMPLATES: OnceCell<()> = OnceCell::const_new();
        TEMPLATES.get_or_init(make_templates).await;
        let databases = Self::unnamed();
        let mut admin = connect("postgres").await;
        for service in SERVICES {
            let name = databases.name_of(service);
            let clone = format!("create database {name} template template_{service}");
            sqlx::query(AssertSqlSafe(clone)).execute(&mut admin).await.unwrap();
        }
        databases
    }

    /// Databases as the first release has left them: with its migrations, and no later ones.
    pub async fn of_the_first_release() -> Self {
        let databases = Self::unnamed();
        for (service, migrator) in SERVICES.into_iter().zip(MIGRATORS) {
            let options = server().connect_options(&databases.name_of(service));
            souk_db::create_database(&options).await.unwrap();
            let first = migrator.iter().filter(|migration| migration.version == 1).cloned();
            let first = Migrator::with_migrations(first.collect());
            souk_db::migrate(&options, &first).await.unwrap();
        }
        databases
    }

    fn unnamed() -> Self {
        Self::at(server().url("{}").expose_secret().to_owned())
    }

    /// Databases that nobody has created yet, at a URL with `{}` for their names.
    pub fn at(url: String) -> Self {
        Self { base: unique("test").replace('-', "_"), url }
    }

    /// The same databases for a suite that reaches their server by way of another port.
    pub fn by_way_of(&self, port: u16) -> Self {
        let own = format!(":{}/", server().connect_options("postgres").get_port());
        Self { url: self.url.replace(&own, &format!(":{port}/")), ..self.clone() }
    }

    /// The URL from which a suite in one process makes the names of its databases.
    pub fn url(&self) -> String {
        self.url.replace("{}", &self.base)
    }

    /// The URL of the database of one service.
    pub fn url_of(&self, service: &str) -> String {
        self.url.replace("{}", &self.name_of(service))
    }

    /// The name of the database of one service.
    pub fn name_of(&self, service: &str) -> String {
        format!("{}_{service}", self.base)
    }

    /// A connection to the database of one service.
    pub async fn connect(&self, service: &str) -> PgConnection {
        connect(&self.name_of(service)).await
    }
}

async fn connect(database: &str) -> PgConnection {
    server().connect_options(database).connect().await.unwrap()
}

async fn make_templates() {
    for (service, migrator) in SERVICES.into_iter().zip(MIGRATORS) {
        let options = server().connect_options(&format!("template_{service}"));
        souk_db::create_database(&options).await.unwrap();
        souk_db::migrate(&options, migrator).await.unwrap();
    }
}
