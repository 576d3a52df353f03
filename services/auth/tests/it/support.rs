//! An auth service of its own for each test, all on one PostgreSQL that ends with this process.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Command, Stdio};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use secrecy::SecretString;
use souk_auth::{Auth, Client, MIGRATOR, Options, scope};
use souk_db::{Database, create_database};
use souk_kit::Channel;
use souk_kit::auth::Claims;
use souk_kit::secret::MasterSecret;
use souk_kit::stack::Limits;
use souk_postgres::Server;
use souk_proto::souk::auth::v1::auth_service_client::AuthServiceClient;
use souk_proto::souk::auth::v1::{CreateTokenRequest, RegisterRequest, Token, User};
use sqlx::AssertSqlSafe;
use sqlx::postgres::{PgConnectOptions, PgPool};
use tokio::sync::OnceCell;
use tonic::{Request, Status};
use tonic_types::StatusExt as _;
use uuid::Uuid;

pub const EMAIL: &str = "ada@example.com";
pub const PASSWORD: &str = "correct horse battery staple";
pub const CLIENT_SECRET: &str = "the secret of the orders service";

pub struct World {
    pub auth: Auth,
    pub client: AuthServiceClient<Channel>,
    pub options: PgConnectOptions,
    /// Connections of the test's own to the service's database.
    pub pool: PgPool,
}

/// A new service on a database of its own.
pub async fn world() -> World {
    let options = new_database().await;
    let auth = start(&options, secret()).await;
    let pool = PgPool::connect_lazy_with(options.clone());
    World { client: client(&auth), auth, options, pool }
}

pub async fn new_database() -> PgConnectOptions {
    let options = server().await.connect_options(&format!("auth_{}", Uuid::new_v4().simple()));
    create_database(&options).await.unwrap();
    options
}

/// A process of the service, as far as the database can tell.
pub async fn start(options: &PgConnectOptions, secret: MasterSecret) -> Auth {
    let database = Database::open(options.clone(), &MIGRATOR, 4).await.unwrap();
    Auth::start(database, auth_options(secret)).await.unwrap()
}

pub fn auth_options(secret: MasterSecret) -> Options {
    let orders = Client {
        id: "orders",
        secret: CLIENT_SECRET.into(),
        scopes: &[scope::STOCK_RESERVE],
        audiences: &["catalog", "auth"],
    };
    Options { secret, clients: vec![orders], limits: Limits::default() }
}

pub fn secret() -> MasterSecret {
    MasterSecret::new("a secret of at least 32 characters".into()).unwrap()
}

pub fn client(auth: &Auth) -> AuthServiceClient<Channel> {
    AuthServiceClient::new(Channel::in_process(auth.service().stack))
}

impl World {
    pub async fn register(&self, email: &str) -> Result<User, Status> {
        self.register_with(email, PASSWORD, "Ada Lovelace").await
    }

    pub async fn register_with(
        &self,
        email: &str,
        password: &str,
        name: &str,
    ) -> Result<User, Status> {
        let (email, password, name) = (email.to_owned(), password.to_owned(), name.to_owned());
        let request = RegisterRequest { email, password, name };
        Ok(self.client.clone().register(request).await?.into_inner())
    }

    pub async fn token(&self, request: CreateTokenRequest) -> Result<Token, Status> {
        Ok(self.client.clone().create_token(request).await?.into_inner())
    }

    pub async fn sign_in(&self, username: &str, password: &str) -> Result<Token, Status> {
        self.token(CreateTokenRequest {
            grant_type: "password".to_owned(),
            username: username.to_owned(),
            password: password.to_owned(),
            ..CreateTokenRequest::default()
        })
        .await
    }

    /// The refresh token of a new account that has signed in.
    pub async fn session(&self) -> String {
        self.register(EMAIL).await.unwrap();
        self.sign_in(EMAIL, PASSWORD).await.unwrap().refresh_token.unwrap()
    }

    pub async fn refresh(&self, token: &str) -> Result<Token, Status> {
        self.token(refresh_request(token)).await
    }

    pub async fn service_token(&self, audience: &str) -> Token {
        self.token(service_request("orders", CLIENT_SECRET, audience)).await.unwrap()
    }

    pub async fn sql(&self, statement: &str) {
        sqlx::query(AssertSqlSafe(statement)).execute(&self.pool).await.unwrap();
    }

    /// How often something is in the audit log.
    pub async fn audited(&self, action: &str) -> i64 {
        self.count(&format!("audit_log where action = '{action}' and request_id <> ''")).await
    }

    pub async fn has_admin(&self) -> bool {
        self.count("accounts where 'admin' = any (roles)").await > 0
    }

    pub async fn count(&self, from: &str) -> i64 {
        let query = AssertSqlSafe(format!("select count(*) from {from}"));
        sqlx::query_scalar(query).fetch_one(&self.pool).await.unwrap()
    }
}

pub fn refresh_request(token: &str) -> CreateTokenRequest {
    CreateTokenRequest {
        grant_type: "refresh_token".to_owned(),
        refresh_token: token.to_owned(),
        ..CreateTokenRequest::default()
    }
}

pub fn service_request(id: &str, secret: &str, audience: &str) -> CreateTokenRequest {
    CreateTokenRequest {
        grant_type: "client_credentials".to_owned(),
        client_id: id.to_owned(),
        client_secret: secret.to_owned(),
        audience: audience.to_owned(),
        ..CreateTokenRequest::default()
    }
}

pub fn signed<T>(message: T, access_token: &str) -> Request<T> {
    let mut request = Request::new(message);
    let bearer = format!("Bearer {access_token}").parse().unwrap();
    request.metadata_mut().insert("authorization", bearer);
    request
}

/// One part of a JWT: 0 the header, 1 the claims.
pub fn part(jwt: &str, index: usize) -> serde_json::Value {
    let part = jwt.split('.').nth(index).unwrap();
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(part).unwrap()).unwrap()
}

pub fn claims(jwt: &str) -> Claims {
    serde_json::from_value(part(jwt, 1)).unwrap()
}

pub fn reason<T>(answer: Result<T, Status>) -> String {
    let status = answer.err().unwrap();
    status.get_error_details().error_info().unwrap().reason.clone()
}

/// The fields that a refusal names.
pub fn fields<T>(answer: Result<T, Status>) -> Vec<String> {
    let status = answer.err().unwrap();
    let details = status.get_error_details();
    assert_eq!(details.error_info().unwrap().reason, "VALIDATION_FAILED");
    let violations = &details.bad_request().unwrap().field_violations;
    violations.iter().map(|violation| violation.field.clone()).collect()
}

pub fn password(text: &str) -> SecretString {
    text.into()
}

pub async fn server() -> &'static Server {
    static SERVER: OnceCell<Server> = OnceCell::const_new();
    SERVER
        .get_or_init(|| async {
            let name = format!("souk-auth-tests-{}", std::process::id());
            let dir = std::env::temp_dir().join(name);
            fs::create_dir_all(&dir).unwrap();
            // the server may run as another user
            fs::set_permissions(&dir, Permissions::from_mode(0o755)).unwrap();
            remove_afterwards(&dir);
            // it is never stopped: it ends with this process, however that ends
            Server::start(&souk_postgres::Options::new(dir)).await.unwrap()
        })
        .await
}

/// Removes the directory when this process is gone: then the pipe to the shell breaks.
fn remove_afterwards(dir: &Path) {
    let mut shell = Command::new("sh");
    shell.args(["-c", "cat; sleep 2; rm -rf \"$0\""]).arg(dir).process_group(0);
    shell.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null());
    // kept for ever, and with it this end of the pipe
    Box::leak(Box::new(shell.spawn().unwrap()));
}
