//! Which roles run in this process, and how they reach each other.

use std::future::Future;
use std::net::SocketAddr;

use anyhow::Context as _;
use secrecy::SecretString;
use souk_auth::Auth;
use souk_catalog::Catalog;
use souk_gateway::Gateway;
use souk_kit::Channel;
use souk_kit::secret::{MasterSecret, random_token};
use souk_kit::server::{self, Service};
use souk_orders::Orders;
use souk_proto::souk::auth::v1::auth_service_server::SERVICE_NAME as AUTH;
use souk_proto::souk::catalog::v1::catalog_service_server::SERVICE_NAME as CATALOG;
use souk_proto::souk::orders::v1::orders_service_server::SERVICE_NAME as ORDERS;
use tokio::net::TcpListener;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use tonic::transport::Uri;

use crate::cli::{Role, Serve, Suite};
use crate::databases::{self, Databases};
use crate::welcome::{self, Welcome};
use crate::{sample, secrets};

/// Everything in this process; returns when it has been told to end, and has.
pub async fn run_all(options: Suite) -> anyhow::Result<()> {
    let shutdown = on_signal()?;
    let data_dir = &options.data.data_dir;
    std::fs::create_dir_all(data_dir)
        .with_context(|| format!("cannot make the data directory {}", data_dir.display()))?;
    // before anything is started: a port that is taken is the most common mistake
    let http = bind(options.listen.http, "--http").await?;
    let grpc = bind(options.listen.grpc, "--grpc").await?;
    let databases = tokio::select! {
        started = Databases::start(&options.data) => started?,
        () = shutdown.cancelled() => return Ok(()),
    };

    let served = tokio::select! {
        served = serve_all(&options, &databases, http, grpc, shutdown.clone()) => served,
        failed = databases.failed() => Err(failed),
    };
    shutdown.cancel();
    let _ = std::fs::remove_file(welcome::addresses_file(data_dir));
    databases.stop().await?;
    served
}

async fn serve_all(
    options: &Suite,
    databases: &Databases,
    http: TcpListener,
    grpc: TcpListener,
    shutdown: CancellationToken,
) -> anyhow::Result<()> {
    let data_dir = &options.data.data_dir;
    let secret = secrets::development_master(data_dir)?;
    // between two parts of this process, for as long as it lives
    let client_secret = match secrets::from_environment(secrets::ORDERS_CLIENT)? {
        Some(secret) => secret,
        None => random_token()?,
    };
    let connections = options.limits.database_connections;

    let database = databases.open("auth", &souk_auth::MIGRATOR, connections).await?;
    let auth = start_auth(database, secret.clone(), client_secret.clone()).await?;
    let to_auth = Channel::in_process(auth.service().routes);

    let database = databases.open("catalog", &souk_catalog::MIGRATOR, connections).await?;
    let catalog = Catalog::new(database, &secret, to_auth.clone());
    let to_catalog = Channel::in_process(catalog.service().routes);

    let database = databases.open("orders", &souk_orders::MIGRATOR, connections).await?;
    let ttl = options.limits.reservation_ttl;
    let settings = souk_orders::Options { secret, client_secret, reservation_ttl: ttl };
    let orders = Orders::new(database, settings, to_auth.clone(), to_catalog.clone());
    let to_orders = Channel::in_process(orders.service().routes);

    let admin = secrets::development_admin(data_dir)?;
    auth.ensure_admin(&admin.email, &admin.password).await.context("the admin account")?;
    if !options.no_sample_data && catalog.is_untouched().await? {
        sample::load(to_auth.clone(), to_catalog.clone(), &admin).await?;
    }

    let channels = [(AUTH, to_auth), (CATALOG, to_catalog.clone()), (ORDERS, to_orders)];
    let gateway = Gateway::new(channels, souk_gateway::Options::default())?;
    let services = vec![auth.service(), catalog.service(), orders.service()];
    let welcome = Welcome {
        http: http.local_addr()?,
        grpc: grpc.local_addr()?,
        admin: &admin,
        database: databases.data_dir(),
        product: sample::any_product(to_catalog).await?,
    };

    if shutdown.is_cancelled() {
        return Ok(());
    }
    let mut parts = Parts::new(shutdown.clone());
    parts.spawn("gateway", gateway.serve(http, shutdown.clone()));
    parts.spawn("grpc", server::serve(grpc, services, shutdown.clone()));
    parts.spawn("auth", worker(shutdown.clone(), move |end| async move { auth.run(end).await }));
    parts.spawn(
        "catalog",
        worker(shutdown.clone(), move |end| async move { catalog.run(end).await }),
    );
    parts.spawn("orders", worker(shutdown, move |end| async move { orders.run(end).await }));
    welcome.write_addresses(data_dir)?;
    welcome.print();
    parts.until_ended().await
}

/// One role in this process; returns when it has been told to end, and has.
pub async fn run_role(options: Serve) -> anyhow::Result<()> {
    let shutdown = on_signal()?;
    let mut parts = Parts::new(shutdown.clone());
    match options.role {
        Role::Auth => {
            let admin = secrets::admin()?;
            let client_secret = secrets::required_long(secrets::ORDERS_CLIENT)?;
            let secret = MasterSecret::new(secrets::required(secrets::MASTER)?)?;
            let database = open(&options, &souk_auth::MIGRATOR).await?;
            let auth = start_auth(database, secret, client_secret).await?;
            if let Some(admin) = admin {
                auth.ensure_admin(&admin.email, &admin.password)
                    .await
                    .context("the admin account")?;
            }
            serve_grpc(&mut parts, &options, auth.service(), shutdown.clone()).await?;
            parts.spawn("auth", worker(shutdown, move |end| async move { auth.run(end).await }));
        }
        Role::Catalog => {
            let secret = MasterSecret::new(secrets::required(secrets::MASTER)?)?;
            let to_auth = remote(options.auth_url.as_ref(), "--auth-url")?;
            let database = open(&options, &souk_catalog::MIGRATOR).await?;
            let catalog = Catalog::new(database, &secret, to_auth);
            serve_grpc(&mut parts, &options, catalog.service(), shutdown.clone()).await?;
            let run = move |end| async move { catalog.run(end).await };
            parts.spawn("catalog", worker(shutdown, run));
        }
        Role::Orders => {
            let settings = souk_orders::Options {
                secret: MasterSecret::new(secrets::required(secrets::MASTER)?)?,
                client_secret: secrets::required_long(secrets::ORDERS_CLIENT)?,
                reservation_ttl: options.limits.reservation_ttl,
            };
            let to_auth = remote(options.auth_url.as_ref(), "--auth-url")?;
            let to_catalog = remote(options.catalog_url.as_ref(), "--catalog-url")?;
            let database = open(&options, &souk_orders::MIGRATOR).await?;
            let orders = Orders::new(database, settings, to_auth, to_catalog);
            serve_grpc(&mut parts, &options, orders.service(), shutdown.clone()).await?;
            parts
                .spawn("orders", worker(shutdown, move |end| async move { orders.run(end).await }));
        }
        Role::Gateway => {
            let channels = [
                (AUTH, remote(options.auth_url.as_ref(), "--auth-url")?),
                (CATALOG, remote(options.catalog_url.as_ref(), "--catalog-url")?),
                (ORDERS, remote(options.orders_url.as_ref(), "--orders-url")?),
            ];
            let gateway = Gateway::new(channels, souk_gateway::Options::default())?;
            let listener = bind(options.listen.http, "--http").await?;
            announce(options.role, listener.local_addr()?);
            parts.spawn("gateway", gateway.serve(listener, shutdown));
        }
    }
    parts.until_ended().await
}

async fn start_auth(
    database: souk_db::Database,
    secret: MasterSecret,
    orders_secret: SecretString,
) -> anyhow::Result<Auth> {
    let orders = souk_auth::Client {
        id: souk_orders::CLIENT_ID,
        secret: orders_secret,
        scopes: souk_orders::CLIENT_SCOPES,
        audiences: souk_orders::CLIENT_AUDIENCES,
    };
    let options = souk_auth::Options { secret, clients: vec![orders] };
    Ok(Auth::start(database, options).await?)
}

async fn serve_grpc(
    parts: &mut Parts,
    options: &Serve,
    service: Service,
    shutdown: CancellationToken,
) -> anyhow::Result<()> {
    let listener = bind(options.listen.grpc, "--grpc").await?;
    announce(options.role, listener.local_addr()?);
    parts.spawn("grpc", server::serve(listener, vec![service], shutdown));
    Ok(())
}

async fn open(
    options: &Serve,
    migrator: &'static sqlx::migrate::Migrator,
) -> anyhow::Result<souk_db::Database> {
    let url = options.database_url.as_ref().context("a role needs --database-url")?;
    databases::open_url(url, migrator, options.limits.database_connections).await
}

fn remote(url: Option<&Uri>, flag: &str) -> anyhow::Result<Channel> {
    let url = url.with_context(|| format!("the role needs {flag}"))?;
    anyhow::ensure!(
        url.scheme_str() == Some("http") && url.authority().is_some(),
        "{flag} must look like http://host:port"
    );
    Ok(Channel::remote(url.clone()))
}

async fn bind(address: SocketAddr, flag: &str) -> anyhow::Result<TcpListener> {
    TcpListener::bind(address)
        .await
        .with_context(|| format!("cannot listen on {address}; choose another address with {flag}"))
}

/// Tells whoever started the process where it listens.
fn announce(role: Role, address: SocketAddr) {
    println!("souk {} listens on {address}", format!("{role:?}").to_lowercase());
}

/// Background work that ends with `shutdown`.
async fn worker<F: Future<Output = ()>>(
    shutdown: CancellationToken,
    run: impl FnOnce(CancellationToken) -> F,
) -> anyhow::Result<()> {
    run(shutdown).await;
    Ok(())
}

/// The parts of a process. When one ends, all do.
struct Parts {
    running: JoinSet<(&'static str, anyhow::Result<()>)>,
    shutdown: CancellationToken,
}

impl Parts {
    fn new(shutdown: CancellationToken) -> Self {
        Self { running: JoinSet::new(), shutdown }
    }

    fn spawn(
        &mut self,
        name: &'static str,
        part: impl Future<Output = anyhow::Result<()>> + Send + 'static,
    ) {
        self.running.spawn(async move { (name, part.await) });
    }

    /// Waits for the end of every part; the first failure is the process's.
    async fn until_ended(mut self) -> anyhow::Result<()> {
        let mut first = Ok(());
        while let Some(ended) = self.running.join_next().await {
            let result = match ended {
                Ok((name, result)) => result.context(name),
                Err(panicked) => Err(panicked.into()),
            };
            let expected = self.shutdown.is_cancelled();
            self.shutdown.cancel();
            if first.is_ok() {
                first = match result {
                    Ok(()) if !expected => Err(anyhow::anyhow!("a part ended by itself")),
                    result => result,
                };
            }
        }
        first
    }
}

/// A token that is cancelled by the first Ctrl-C or SIGTERM; the second ends the process at once.
fn on_signal() -> anyhow::Result<CancellationToken> {
    use tokio::signal::unix::{SignalKind, signal};
    let shutdown = CancellationToken::new();
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut terminate = signal(SignalKind::terminate())?;
    let token = shutdown.clone();
    tokio::spawn(async move {
        loop {
            tokio::select! {
                _ = interrupt.recv() => {}
                _ = terminate.recv() => {}
            }
            if token.is_cancelled() {
                std::process::exit(130);
            }
            eprintln!("souk: ending; once more to end at once");
            token.cancel();
        }
    });
    Ok(shutdown)
}
