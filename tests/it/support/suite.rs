//! A running suite: one process, or four.

use std::path::PathBuf;
use std::process::Command;

use souk_kit::Channel;
use souk_postgres::Server;
use souk_proto::souk::auth::v1::{CreateTokenRequest, RegisterRequest};
use sqlx::{ConnectOptions as _, PgConnection};
use tokio::sync::OnceCell;

use super::process::{Process, souk, souk_with_descriptors};
use super::{Auth, Catalog, Databases, Http, Orders, PASSWORD, template, unique};

pub const ADMIN_EMAIL: &str = "admin@example.com";
pub const ADMIN_PASSWORD: &str = "a password for the tests only";
pub const MASTER_SECRET: &str = "the master secret of the tests, long enough";
pub const CLIENT_SECRET: &str = "the secret of the orders service in tests";

/// A suite on databases of its own.
pub struct Suite {
    /// `None` when the suite runs a PostgreSQL of its own.
    databases: Option<Databases>,
    environment: Vec<(&'static str, &'static str)>,
    /// How many files each process may have open; `None` leaves the system's limit.
    descriptors: Option<u32>,
    processes: Vec<Process>,
    addresses: Addresses,
    admin: OnceCell<String>,
    scratch: Scratch,
}

#[derive(Debug, Clone)]
struct Addresses {
    http: String,
    auth: String,
    catalog: String,
    orders: String,
}

impl Suite {
    /// Starts a suite as the profile says.
    pub async fn start() -> Self {
        Self::start_with(&[]).await
    }

    /// Starts a suite with some options in its environment.
    pub async fn start_with(environment: &[(&'static str, &'static str)]) -> Self {
        Self::start_on(Databases::create().await, environment)
    }

    /// Starts a suite on databases that are there.
    pub fn start_on(databases: Databases, environment: &[(&'static str, &'static str)]) -> Self {
        Self::launched(Some(databases), environment, None)
    }

    /// Starts a suite whose processes may have no more than so many files open each.
    pub async fn start_with_descriptors(descriptors: u32) -> Self {
        Self::launched(Some(Databases::create().await), &[], Some(descriptors))
    }

    /// Starts a suite that dies together with its database: in one process, bare `souk` with the
    /// PostgreSQL that it starts itself. The roles have no such database, and keep the shared one.
    pub async fn start_with_own_database() -> Self {
        match is_one_process() {
            true => Self::launched(None, &[], None),
            false => Self::start().await,
        }
    }

    fn launched(
        databases: Option<Databases>,
        environment: &[(&'static str, &'static str)],
        descriptors: Option<u32>,
    ) -> Self {
        let nowhere = String::new;
        let addresses =
            Addresses { http: nowhere(), auth: nowhere(), catalog: nowhere(), orders: nowhere() };
        let mut suite = Self {
            databases,
            environment: environment.to_vec(),
            descriptors,
            processes: Vec::new(),
            addresses,
            admin: OnceCell::new(),
            scratch: Scratch::new(),
        };
        suite.restart();
        suite
    }

    /// `kill -9` for every process at once.
    pub fn kill(&mut self) {
        for process in self.processes.drain(..) {
            process.kill();
        }
    }

    /// Starts the suite again on the same databases.
    pub fn restart(&mut self) {
        (self.processes, self.addresses) = match &self.databases {
            Some(databases) if !is_one_process() => self.launch_roles(databases),
            databases => self.launch_one(databases.as_ref()),
        };
    }

    /// Ends the suite as a user does, and waits for it.
    pub fn interrupt(&mut self) {
        for process in self.processes.drain(..) {
            assert!(process.interrupt().success());
        }
    }

    /// The process that runs a role: the only one, in one process.
    pub fn process(&self, role: &str) -> &Process {
        let place = ["auth", "catalog", "orders", "gateway"].iter().position(|name| *name == role);
        let place = place.expect("a role");
        self.processes.get(place).unwrap_or(&self.processes[0])
    }

    /// The folder that the files of images are in.
    pub fn images(&self) -> PathBuf {
        self.scratch.0.join("images")
    }

    /// A connection to the database of a service.
    pub async fn database(&self, service: &str) -> PgConnection {
        self.databases.as_ref().expect("a shared server").connect(service).await
    }

    /// A connection to the database of a service after the end of the suite, and the server that
    /// it is on, when the suite ran one of its own.
    pub async fn database_afterwards(&self, service: &str) -> (Option<Server>, PgConnection) {
        if self.databases.is_some() {
            return (None, self.database(service).await);
        }
        let server = Server::start(&souk_postgres::Options::new(&self.scratch.0)).await.unwrap();
        let options = server.connect_options(&format!("souk_{service}"));
        let connection = options.connect().await.unwrap();
        (Some(server), connection)
    }

    pub fn http(&self) -> Http {
        Http::new(&self.addresses.http)
    }

    /// The ids of its processes.
    pub fn processes(&self) -> Vec<u32> {
        self.processes.iter().map(Process::id).collect()
    }

    /// The address of the gateway.
    pub fn http_address(&self) -> &str {
        &self.addresses.http
    }

    /// The gRPC address of the catalog.
    pub fn catalog_url(&self) -> String {
        self.addresses.catalog.clone()
    }

    /// The same without the scheme.
    pub fn catalog_address(&self) -> &str {
        self.addresses.catalog.trim_start_matches("http://")
    }

    /// The gRPC channel of a service, by its full name.
    pub fn channel(&self, service: &str) -> Channel {
        Channel::remote(self.url_of(service).parse().unwrap())
    }

    /// The gRPC URL of a service, by its full name.
    pub fn url_of(&self, service: &str) -> &str {
        match service {
            "souk.auth.v1.AuthService" => &self.addresses.auth,
            "souk.catalog.v1.CatalogService"
            | "souk.catalog.v2.CatalogService"
            | "souk.books.v1.BookService" => &self.addresses.catalog,
            orders if orders.starts_with("souk.orders.v1.") => &self.addresses.orders,
            other => panic!("no such service: {other}"),
        }
    }

    pub fn auth(&self) -> Auth {
        Auth::new(self.channel("souk.auth.v1.AuthService"))
    }

    pub fn catalog(&self) -> Catalog {
        Catalog::new(self.channel("souk.catalog.v1.CatalogService"))
    }

    pub fn orders(&self) -> Orders {
        Orders::new(self.channel("souk.orders.v1.OrdersService"))
    }

    /// An access token of the admin.
    pub async fn admin(&self) -> String {
        self.admin.get_or_init(|| self.sign_in(ADMIN_EMAIL, ADMIN_PASSWORD)).await.clone()
    }

    /// An access token of a new account.
    pub async fn user(&self) -> String {
        let email = format!("{}@example.com", unique("user"));
        let request = RegisterRequest {
            email: email.clone(),
            password: PASSWORD.to_owned(),
            name: "A User".to_owned(),
        };
        self.auth().register(request).await.unwrap();
        self.sign_in(&email, PASSWORD).await
    }

    /// An access token of the orders service, for the catalog.
    pub async fn service(&self) -> String {
        let request = CreateTokenRequest {
            grant_type: "client_credentials".to_owned(),
            client_id: "orders".to_owned(),
            client_secret: CLIENT_SECRET.to_owned(),
            audience: "catalog".to_owned(),
            ..CreateTokenRequest::default()
        };
        self.auth().create_token(request).await.unwrap().into_inner().access_token
    }

    pub async fn sign_in(&self, email: &str, password: &str) -> String {
        let request = CreateTokenRequest {
            grant_type: "password".to_owned(),
            username: email.to_owned(),
            password: password.to_owned(),
            ..CreateTokenRequest::default()
        };
        self.auth().create_token(request).await.unwrap().into_inner().access_token
    }

    fn launch_one(&self, databases: Option<&Databases>) -> (Vec<Process>, Addresses) {
        let mut command = self.command();
        command
            .args(["--http", "127.0.0.1:0", "--grpc", "127.0.0.1:0", "--no-sample-data"])
            .arg("--data-dir")
            .arg(&self.scratch.0);
        match databases {
            Some(databases) => command.env("SOUK_DATABASE_URL", databases.url()),
            None => command.env("SOUK_POSTGRES_TEMPLATE", template()),
        };
        let process = Process::start(command);
        let http = process.line("REST").replace("http://", "");
        let grpc = process.line("gRPC");
        let (auth, catalog, orders) = (grpc.clone(), grpc.clone(), grpc);
        (vec![process], Addresses { http, auth, catalog, orders })
    }

    fn launch_roles(&self, databases: &Databases) -> (Vec<Process>, Addresses) {
        let (first, auth) = self.launch_role("auth", databases, &[]);
        let mut neighbours = vec![("SOUK_AUTH_URL", auth.clone())];
        let (second, catalog) = self.launch_role("catalog", databases, &neighbours);
        neighbours.push(("SOUK_CATALOG_URL", catalog.clone()));
        let (third, orders) = self.launch_role("orders", databases, &neighbours);
        neighbours.push(("SOUK_ORDERS_URL", orders.clone()));
        let (fourth, http) = self.launch_role("gateway", databases, &neighbours);
        let http = http.replace("http://", "");
        (vec![first, second, third, fourth], Addresses { http, auth, catalog, orders })
    }

    fn launch_role(
        &self,
        role: &str,
        databases: &Databases,
        neighbours: &[(&str, String)],
    ) -> (Process, String) {
        let mut command = self.command();
        command.args(["serve", "--role", role, "--http", "127.0.0.1:0", "--grpc", "127.0.0.1:0"]);
        if role != "gateway" {
            command.env("SOUK_DATABASE_URL", databases.url_of(role));
        }
        command.env("SOUK_IMAGE_STORE", self.images());
        command.envs(neighbours.iter().map(|(name, address)| (name, address)));
        let process = Process::start(command);
        let line = process.line("souk ");
        let address = line.rsplit(' ').next().unwrap();
        (process, format!("http://{address}"))
    }

    /// One more orders process on the same databases, with some options in its environment: it, and its gRPC address.
    pub fn another_orders_process(&self, environment: &[(&str, &str)]) -> (Process, String) {
        let databases = self.databases.as_ref().expect("a shared server");
        let mut command = self.command();
        command.args(["serve", "--role", "orders", "--grpc", "127.0.0.1:0"]);
        command
            .env("SOUK_DATABASE_URL", databases.url_of("orders"))
            .env("SOUK_AUTH_URL", &self.addresses.auth)
            .env("SOUK_CATALOG_URL", &self.addresses.catalog)
            .envs(environment.iter().copied());
        let process = Process::start(command);
        let line = process.line("souk ");
        (process, format!("http://{}", line.rsplit(' ').next().unwrap()))
    }

    fn command(&self) -> Command {
        let mut command = self.descriptors.map_or_else(souk, souk_with_descriptors);
        let log = std::env::var("SOUK_TEST_LOG").unwrap_or_else(|_| "warn".to_owned());
        command
            .env("SOUK_LOG", log)
            // all clients are of one address
            .env("SOUK_RATE_LIMIT_ADDRESS", "0")
            .env("SOUK_RATE_LIMIT_PRINCIPAL", "0")
            .env("SOUK_SANDBOX_PAYMENTS", "true")
            .env("SOUK_ADMIN_EMAIL", ADMIN_EMAIL)
            .env("SOUK_ADMIN_PASSWORD", ADMIN_PASSWORD)
            .env("SOUK_SECRET", MASTER_SECRET)
            .env("SOUK_ORDERS_CLIENT_SECRET", CLIENT_SECRET)
            .envs(self.environment.iter().copied());
        command
    }
}

/// Whether the profile is the whole suite in one process.
pub fn is_one_process() -> bool {
    match std::env::var("SOUK_TEST_PROFILE").as_deref() {
        Ok("roles") => false,
        Ok("one") | Err(_) => true,
        Ok(other) => panic!("SOUK_TEST_PROFILE is one or roles, not {other}"),
    }
}

/// A directory that goes with the test.
#[derive(Debug)]
pub struct Scratch(pub PathBuf);

impl Scratch {
    pub fn new() -> Self {
        let path = std::env::temp_dir().join(unique("souk-scratch"));
        std::fs::create_dir_all(&path).unwrap();
        Self(path)
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}
