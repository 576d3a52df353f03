//! Which roles run in this process, and how they reach each other.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;

use anyhow::Context as _;
use secrecy::SecretString;
use souk_auth::Auth;
use souk_catalog::Catalog;
use souk_gateway::{Contracts, Gateway, Upstream};
use souk_kit::Channel;
use souk_kit::auth::{AUDIENCE, Verifier};
use souk_kit::listener;
use souk_kit::secret::{MasterSecret, random_token};
use souk_kit::server::{self, Service};
use souk_orders::Orders;
use souk_orders::razorpay::Razorpay;
use souk_proto::souk::auth::v1::auth_service_server::SERVICE_NAME as AUTH;
use souk_proto::souk::books::v1::book_service_server::SERVICE_NAME as BOOKS;
use souk_proto::souk::catalog::v1::catalog_service_server::SERVICE_NAME as CATALOG_V1;
use souk_proto::souk::catalog::v2::catalog_service_server::SERVICE_NAME as CATALOG;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use tonic::transport::Uri;

use crate::cli::{self, Images, Limits, Role, Serve, Suite, Webhooks};
use crate::databases::{self, Databases};
use crate::parts::{Parts, on_signal, until};
use crate::welcome::{self, Welcome};
use crate::{sample, secrets};

/// Everything in this process; returns when it has been told to end, and has.
pub async fn run_all(options: Suite) -> anyhow::Result<()> {
    options.limits.check()?;
    if options.data.database_url.is_none() {
        options.limits.check_for(souk_postgres::MAX_CONNECTIONS)?;
    }
    let shutdown = on_signal()?;
    let data_dir = &options.data.data_dir;
    std::fs::create_dir_all(data_dir)
        .with_context(|| format!("cannot make the data directory {}", data_dir.display()))?;
    // before anything is started: a port that is taken is the most common mistake
    let http = bind(options.listen.http, "--http")?;
    let grpc = bind(options.listen.grpc, "--grpc")?;
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
    let (data_dir, limits) = (&options.data.data_dir, &options.limits);
    let secret = secrets::development_master(data_dir)?;
    // between two parts of this process, for as long as it lives
    let client_secret = match secrets::from_environment(secrets::ORDERS_CLIENT)? {
        Some(secret) => secret,
        None => random_token()?,
    };
    let tls = options.listen.tls.load().await?;
    let scheme = if tls.is_some() { "https" } else { "http" };
    let for_gateway = limits.http.of_gateway(2, tls).await?;
    let connections = limits.database_connections;

    let database = databases.open("auth", &souk_auth::MIGRATOR, connections).await?;
    let auth = start_auth(database, secret.clone(), client_secret.clone(), limits).await?;
    let auth_service = auth.service();
    let to_auth = Channel::in_process(auth_service.stack.clone());

    let database = databases.open("catalog", &souk_catalog::MIGRATOR, connections).await?;
    let settings = catalog_options(secret.clone(), &options.images, data_dir, limits);
    let catalog = Catalog::new(database, settings, to_auth.clone())?;
    let catalog_services = with_books(&catalog, to_auth.clone(), limits).await?;
    let to_catalog = Channel::in_process(catalog_services[0].stack.clone());

    let database = databases.open("orders", &souk_orders::MIGRATOR, connections).await?;
    let sandbox = options.sandbox_payments;
    let razorpay = secrets::razorpay(&options.razorpay.url)?;
    let settings =
        orders_options(secret, client_secret, sandbox, (razorpay, options.webhooks), limits);
    let orders = Orders::new(database, settings, to_auth.clone(), to_catalog.clone())?;

    let admin = secrets::development_admin(data_dir)?;
    auth.ensure_admin(&admin.email, &admin.password).await.context("the admin account")?;
    if !options.no_sample_data && catalog.is_untouched().await? {
        sample::load(to_auth.clone(), to_catalog.clone(), &admin).await?;
    }

    let services: Vec<Service> =
        [auth_service].into_iter().chain(catalog_services).chain(orders.services()).collect();
    let upstreams = services.iter().map(in_process).collect();
    let verifier = Arc::new(Verifier::new(to_auth, AUDIENCE));
    let gateway = gateway(upstreams, &verifier, for_gateway)?;
    let welcome = Welcome {
        scheme,
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
    let grpc_limits = limits.of_grpc(2);
    parts.spawn("gateway", |end| gateway.serve(http, end));
    parts.spawn_fallible("grpc", server::serve(grpc, services, grpc_limits, shutdown));
    parts.spawn("keys", |end| async move { until(end, verifier.keep_fresh()).await });
    parts.spawn("auth", |end| async move { auth.run(end).await });
    parts.spawn("catalog", |end| async move { catalog.run(end).await });
    parts.spawn("orders", |end| async move { orders.run(end).await });
    welcome.write_addresses(data_dir)?;
    welcome.print();
    parts.until_ended().await
}

/// One role in this process; returns when it has been told to end, and has.
pub async fn run_role(options: Serve) -> anyhow::Result<()> {
    options.limits.check()?;
    // roles may share an environment, but nobody shall believe that all of them speak TLS by it
    if options.role != Role::Gateway && options.listen.tls.is_some() {
        tracing::warn!("--tls-certificate and --tls-key are for REST: grpc is served without tls");
    }
    let limits = &options.limits;
    let mut parts = Parts::new(on_signal()?);
    match options.role {
        Role::Auth => {
            let admin = secrets::admin()?;
            let client_secret = secrets::required_long(secrets::ORDERS_CLIENT)?;
            let database = open(&options, &souk_auth::MIGRATOR).await?;
            let auth = start_auth(database, master_secret()?, client_secret, limits).await?;
            if let Some(admin) = admin {
                auth.ensure_admin(&admin.email, &admin.password)
                    .await
                    .context("the admin account")?;
            }
            serve_grpc(&mut parts, &options, vec![auth.service()]).await?;
            parts.spawn("auth", |end| async move { auth.run(end).await });
        }
        Role::Catalog => {
            let data_dir = Path::new(cli::DATA_DIR);
            let settings = catalog_options(master_secret()?, &options.images, data_dir, limits);
            let to_auth = remote(options.auth_url.as_ref(), "--auth-url")?;
            let database = open(&options, &souk_catalog::MIGRATOR).await?;
            let catalog = Catalog::new(database, settings, to_auth.clone())?;
            let services = with_books(&catalog, to_auth, limits).await?;
            serve_grpc(&mut parts, &options, services).await?;
            parts.spawn("catalog", |end| async move { catalog.run(end).await });
        }
        Role::Orders => {
            let client_secret = secrets::required_long(secrets::ORDERS_CLIENT)?;
            let (secret, sandbox) = (master_secret()?, options.sandbox_payments);
            let razorpay = secrets::razorpay(&options.razorpay.url)?;
            let settings = orders_options(
                secret,
                client_secret,
                sandbox,
                (razorpay, options.webhooks),
                limits,
            );
            let to_auth = remote(options.auth_url.as_ref(), "--auth-url")?;
            let to_catalog = remote(options.catalog_url.as_ref(), "--catalog-url")?;
            let database = open(&options, &souk_orders::MIGRATOR).await?;
            let orders = Orders::new(database, settings, to_auth, to_catalog)?;
            serve_grpc(&mut parts, &options, orders.services()).await?;
            parts.spawn("orders", |end| async move { orders.run(end).await });
        }
        Role::Gateway => {
            let to_auth = remote(options.auth_url.as_ref(), "--auth-url")?;
            let to_catalog = remote(options.catalog_url.as_ref(), "--catalog-url")?;
            let to_orders = remote(options.orders_url.as_ref(), "--orders-url")?;
            let mut upstreams = vec![
                behind(AUTH, to_auth.clone()),
                behind(CATALOG_V1, to_catalog.clone()),
                behind(CATALOG, to_catalog.clone()),
                behind(BOOKS, to_catalog),
            ];
            upstreams.extend(souk_orders::SERVICES.map(|name| behind(name, to_orders.clone())));
            let verifier = Arc::new(Verifier::new(to_auth, AUDIENCE));
            let tls = options.listen.tls.load().await?;
            let settings = limits.http.of_gateway(1, tls).await?;
            let gateway = gateway(upstreams, &verifier, settings)?;
            let listener = bind(options.listen.http, "--http")?;
            announce(options.role, listener.local_addr()?);
            parts.spawn("gateway", |end| gateway.serve(listener, end));
            parts.spawn("keys", |end| async move { until(end, verifier.keep_fresh()).await });
        }
    }
    parts.until_ended().await
}

fn master_secret() -> anyhow::Result<MasterSecret> {
    Ok(MasterSecret::new(secrets::required(secrets::MASTER)?)?)
}

async fn start_auth(
    database: souk_db::Database,
    secret: MasterSecret,
    orders_secret: SecretString,
    limits: &Limits,
) -> anyhow::Result<Auth> {
    let orders = souk_auth::Client {
        id: souk_orders::CLIENT_ID,
        secret: orders_secret,
        scopes: souk_orders::CLIENT_SCOPES,
        audiences: souk_orders::CLIENT_AUDIENCES,
    };
    let limits = limits.of_service();
    let options = souk_auth::Options { secret, clients: vec![orders], limits };
    Ok(Auth::start(database, options).await?)
}

/// The services of a catalog, and what stands on it, in the same process: the newest version of the catalog
/// comes first.
async fn with_books(
    catalog: &Catalog,
    to_auth: Channel,
    limits: &Limits,
) -> anyhow::Result<Vec<Service>> {
    catalog.ensure_type(souk_books::product_type()).await.context("the type of books")?;
    let mut services = Vec::from(catalog.services());
    let to_catalog = Channel::in_process(services[0].stack.clone());
    let probe = services[0].probe.clone();
    services.push(souk_books::service(to_catalog, to_auth, probe, limits.of_service()));
    Ok(services)
}

fn catalog_options(
    secret: MasterSecret,
    images: &Images,
    data_dir: &Path,
    limits: &Limits,
) -> souk_catalog::Options {
    let images = images.of_catalog(data_dir);
    souk_catalog::Options { secret, images, limits: limits.of_service() }
}

fn orders_options(
    secret: MasterSecret,
    client_secret: SecretString,
    sandbox_payments: bool,
    (razorpay, webhooks): (Option<Razorpay>, Webhooks),
    limits: &Limits,
) -> souk_orders::Options {
    souk_orders::Options {
        secret,
        client_secret,
        reservation_ttl: limits.reservation_ttl,
        product_slots: limits.product_slots,
        sandbox_payments,
        razorpay,
        webhooks: webhooks.policy(),
        limits: limits.of_service(),
    }
}

/// A gateway before the services of this build.
fn gateway(
    upstreams: Vec<Upstream>,
    verifier: &Arc<Verifier>,
    options: souk_gateway::Options,
) -> anyhow::Result<Gateway> {
    Gateway::new(&Contracts::of_this_build(), upstreams, Some(verifier.clone()), options)
}

/// A service of this process, as the gateway reaches it.
fn in_process(service: &Service) -> Upstream {
    Upstream {
        name: service.name.to_owned(),
        channel: Channel::in_process(service.stack.clone()),
        probe: Some(service.probe.clone()),
    }
}

/// A service of another process, as the gateway reaches it.
fn behind(name: &str, channel: Channel) -> Upstream {
    Upstream { name: name.to_owned(), channel, probe: None }
}

async fn serve_grpc(
    parts: &mut Parts,
    options: &Serve,
    services: Vec<Service>,
) -> anyhow::Result<()> {
    let listener = bind(options.listen.grpc, "--grpc")?;
    announce(options.role, listener.local_addr()?);
    let (limits, shutdown) = (options.limits.of_grpc(1), parts.shutdown());
    parts.spawn_fallible("grpc", server::serve(listener, services, limits, shutdown));
    Ok(())
}

async fn open(
    options: &Serve,
    migrator: &'static sqlx::migrate::Migrator,
) -> anyhow::Result<souk_db::Database> {
    let url = options.database_url.as_ref().context("a role needs --database-url")?;
    databases::open_url(url, migrator, options.limits.database_connections).await
}

pub fn remote(url: Option<&Uri>, flag: &str) -> anyhow::Result<Channel> {
    let url = url.with_context(|| format!("the role needs {flag}"))?;
    anyhow::ensure!(
        url.scheme_str() == Some("http") && url.authority().is_some(),
        "{flag} must look like http://host:port"
    );
    Ok(Channel::remote(url.clone()))
}

pub fn bind(address: SocketAddr, flag: &str) -> anyhow::Result<TcpListener> {
    listener::bind(address)
        .with_context(|| format!("cannot listen on {address}; choose another address with {flag}"))
}

/// Tells whoever started the process where it listens.
fn announce(role: Role, address: SocketAddr) {
    println!("souk {} listens on {address}", format!("{role:?}").to_lowercase());
}
