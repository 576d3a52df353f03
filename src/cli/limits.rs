//! The limits of a process.

use std::time::Duration;

use anyhow::ensure;
use clap::Args;
use http::HeaderValue;
use souk_kit::listener::{self, Network, Protocol, connections_that_fit};
use souk_kit::server::DRAIN_LIMIT;
use souk_kit::stack::{self, CALL_LIMIT};

use super::cache::Cache;
use super::rates::Rates;

/// Requests that one gRPC connection may have under way.
const REQUESTS_PER_CONNECTION: u32 = 256;

/// Those of a process with services.
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
    /// Imports that run at once
    #[arg(long, env = "SOUK_MAX_IMPORTS", default_value_t = 16, value_name = "N",
          value_parser = at_least_one)]
    pub max_imports: usize,
    /// How long a connection over gRPC may have nothing to do, in seconds
    #[arg(long, env = "SOUK_GRPC_IDLE_TIMEOUT", default_value = "300", value_name = "SECONDS",
          value_parser = seconds)]
    pub grpc_idle_timeout: Duration,
    #[command(flatten)]
    pub http: HttpLimits,
}

/// Those that a gateway has too.
#[derive(Debug, Clone, Args)]
pub struct HttpLimits {
    /// Connections of clients that a listener serves at once; the idlest make room for new ones
    #[arg(long, env = "SOUK_MAX_CONNECTIONS", default_value_t = 10_000, value_name = "N",
          value_parser = at_least_one)]
    pub max_connections: usize,
    /// Those of them that one client may have: an IPv4 address, or a /64 of IPv6; its own idlest makes room.
    /// By default a quarter; 0 is all
    #[arg(long, env = "SOUK_MAX_CONNECTIONS_PER_ADDRESS", value_name = "N")]
    pub max_connections_per_address: Option<usize>,
    /// Proxies before the listeners, as addresses or networks separated by commas. What they say of a
    /// client's address counts (Forwarded, X-Forwarded-For), and their connections are those of many
    #[arg(long, env = "SOUK_TRUSTED_PROXY", value_name = "NETWORK", value_delimiter = ',')]
    pub trusted_proxy: Vec<Network>,
    #[command(flatten)]
    pub rates: Rates,
    #[command(flatten)]
    pub cache: Cache,
    /// Calls that a service, and the gateway, work on at once; others are refused as OVERLOADED
    #[arg(long, env = "SOUK_MAX_CALLS", default_value_t = 2048, value_name = "N",
          value_parser = at_least_one)]
    pub max_calls: usize,
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
    /// An origin whose pages may call over REST, for example https://shop.example; `*` is any. Can be
    /// given more than once, or as a list with commas
    #[arg(long, env = "SOUK_CORS_ORIGIN", value_name = "ORIGIN", value_delimiter = ',')]
    pub cors_origin: Vec<HeaderValue>,
}

impl Limits {
    /// Those of a service.
    pub fn of_service(&self) -> stack::Limits {
        stack::Limits {
            calls: self.http.max_calls,
            streams: self.max_imports,
            message_bytes: self.http.body_budget,
        }
    }

    /// Those of the gRPC listener, in a process with so many listeners.
    pub fn of_grpc(&self, listeners: usize) -> listener::Options {
        let connections = connections_that_fit(self.http.max_connections, listeners);
        listener::Options {
            protocol: Protocol::Grpc,
            tls: None,
            connections,
            connections_per_address: self.http.connections_per_address(connections),
            proxies: self.http.trusted_proxy.iter().copied().collect(),
            streams: REQUESTS_PER_CONNECTION,
            header_timeout: self.http.header_timeout,
            idle: self.grpc_idle_timeout,
            drain: DRAIN_LIMIT,
            rejection: None,
        }
    }

    /// Refuses limits that contradict each other.
    pub fn check(&self) -> anyhow::Result<()> {
        self.http.check()?;
        self.http.check_idle("--grpc-idle-timeout", self.grpc_idle_timeout)
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

impl HttpLimits {
    /// Those of the gateway, in a process with so many listeners.
    pub async fn of_gateway(&self, listeners: usize) -> anyhow::Result<souk_gateway::Options> {
        let connections = connections_that_fit(self.max_connections, listeners);
        Ok(souk_gateway::Options {
            tls: None,
            max_body: self.max_body,
            body_bytes: self.body_budget,
            header_timeout: self.header_timeout,
            body_idle: self.body_timeout,
            request_limit: self.request_timeout,
            connection_idle: self.idle_timeout,
            max_connections: connections,
            max_connections_per_address: self.connections_per_address(connections),
            trusted_proxies: self.trusted_proxy.iter().copied().collect(),
            address_limit: self.rates.address,
            principal_limit: self.rates.principal,
            limit_store: self.rates.open_store().await?,
            cache_ttl: self.cache.ttl(),
            cache_store: self.cache.open_store().await?,
            // each of the services behind it has its own
            max_calls: 2 * self.max_calls,
            origins: self.cors_origin.clone(),
            drain_limit: DRAIN_LIMIT,
            streams: souk_gateway::Streams::default(),
        })
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
        self.check_idle("--idle-timeout", self.idle_timeout)?;
        ensure!(
            self.max_body <= self.body_budget / 4,
            "--body-budget must be at least four times --max-body: one request would take it all"
        );
        Ok(())
    }

    /// Of so many connections, those that one client may have.
    fn connections_per_address(&self, connections: usize) -> usize {
        match self.max_connections_per_address {
            None => connections.div_ceil(4),
            Some(0) => connections,
            Some(most) => most,
        }
    }

    fn check_idle(&self, flag: &str, idle: Duration) -> anyhow::Result<()> {
        ensure!(
            self.header_timeout <= idle,
            "--header-timeout must not be longer than {flag}: the connection would end first"
        );
        Ok(())
    }
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
