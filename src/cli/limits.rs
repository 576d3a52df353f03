//! The limits of a process.

use std::time::Duration;

use anyhow::ensure;
use clap::Args;
use http::HeaderValue;
use souk_gateway::{ForwardedHeader, Streams};
use souk_kit::listener::{self, Network, Protocol, Tls, connections_that_fit};
use souk_kit::server::DRAIN_LIMIT;
use souk_kit::stack::{self, CALL_LIMIT};

use super::cache::Cache;
use super::origin::origin;
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
    #[arg(long, env = "SOUK_MAX_CONNECTIONS", default_value_t = usual().max_connections,
          value_name = "N", value_parser = at_least_one)]
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
    /// Calls that a service works on at once; others are refused as OVERLOADED. The gateway has twice as
    /// many under way, so that a service which hangs leaves room to the others. Answers of services that
    /// are streams do not count, of which there may be as many
    #[arg(long, env = "SOUK_MAX_CALLS", default_value_t = stack::Limits::default().calls,
          value_name = "N", value_parser = at_least_one)]
    pub max_calls: usize,
    /// Streams that the gateway has under way at once; others are refused as OVERLOADED. They do not
    /// count as calls
    #[arg(long, env = "SOUK_MAX_STREAMS", default_value_t = usual().streams.max, value_name = "N",
          value_parser = at_least_one)]
    pub max_streams: usize,
    /// Downloads that the gateway has under way at once, images among them; others are refused as
    /// OVERLOADED. They count neither as calls nor as streams
    #[arg(long, env = "SOUK_MAX_DOWNLOADS", default_value_t = usual().streams.max_downloads,
          value_name = "N", value_parser = at_least_one)]
    pub max_downloads: usize,
    /// The largest body of a request over REST, in bytes, whatever its contract takes
    #[arg(long, env = "SOUK_MAX_BODY", default_value_t = usual().max_body, value_name = "BYTES",
          value_parser = at_least_one)]
    pub max_body: usize,
    /// Bytes of requests that are still arriving, for each service and the gateway
    #[arg(long, env = "SOUK_BODY_BUDGET", default_value_t = usual().body_bytes,
          value_name = "BYTES", value_parser = at_least_one)]
    pub body_budget: usize,
    /// How long a client may take for the head of a request, or to begin a connection, in seconds
    #[arg(long, env = "SOUK_HEADER_TIMEOUT", default_value = in_seconds(usual().header_timeout),
          value_name = "SECONDS", value_parser = seconds)]
    pub header_timeout: Duration,
    /// How long a client may pause while it sends a body, in seconds
    #[arg(long, env = "SOUK_BODY_TIMEOUT", default_value = in_seconds(usual().body_idle),
          value_name = "SECONDS", value_parser = seconds)]
    pub body_timeout: Duration,
    /// How long a request over REST may take, in seconds, at most 15
    #[arg(long, env = "SOUK_REQUEST_TIMEOUT", default_value = in_seconds(usual().request_limit),
          value_name = "SECONDS", value_parser = seconds)]
    pub request_timeout: Duration,
    /// How long an answer over REST may last that is a stream, in seconds; its client may then ask again
    #[arg(long, env = "SOUK_STREAM_TIMEOUT", default_value = in_seconds(usual().streams.limit),
          value_name = "SECONDS", value_parser = seconds)]
    pub stream_timeout: Duration,
    /// How long a connection over REST may have nothing to do, in seconds
    #[arg(long, env = "SOUK_IDLE_TIMEOUT", default_value = in_seconds(usual().connection_idle),
          value_name = "SECONDS", value_parser = seconds)]
    pub idle_timeout: Duration,
    /// An origin whose pages may call over REST, for example https://shop.example; `*` is any. Can be
    /// given more than once, or as a list with commas
    #[arg(long, env = "SOUK_CORS_ORIGIN", value_name = "ORIGIN", value_delimiter = ',',
          value_parser = origin)]
    pub cors_origin: Vec<HeaderValue>,
    /// A header that services know: requests that have it pass it on as gRPC metadata, and metadata of
    /// this name comes back as a header. Can be given more than once, or as a list with commas
    #[arg(long, env = "SOUK_FORWARD_HEADER", value_name = "NAME", value_delimiter = ',')]
    pub forward_header: Vec<ForwardedHeader>,
}

impl Limits {
    /// Those of a service.
    pub fn of_service(&self) -> stack::Limits {
        stack::Limits {
            calls: self.http.max_calls,
            streams: self.max_imports,
            answers: self.http.max_calls,
            // a stream that is not taken ends before its connection does
            patience: stack::Limits::default().patience.min(self.grpc_idle_timeout / 2),
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
    pub async fn of_gateway(
        &self,
        listeners: usize,
        tls: Option<Tls>,
    ) -> anyhow::Result<souk_gateway::Options> {
        let connections = connections_that_fit(self.max_connections, listeners);
        Ok(souk_gateway::Options {
            tls,
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
            // of each service behind it, the limit is its own
            max_calls: 2 * self.max_calls,
            origins: self.cors_origin.clone(),
            forwarded_headers: self.forward_header.clone(),
            drain_limit: DRAIN_LIMIT,
            streams: Streams {
                max: self.max_streams,
                max_downloads: self.max_downloads,
                limit: self.stream_timeout,
                ..Streams::within(self.request_timeout, self.idle_timeout)
            },
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
            self.request_timeout <= self.stream_timeout,
            "--request-timeout must not be longer than --stream-timeout: a stream would end before it \
             has begun"
        );
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

/// What a gateway has by itself.
fn usual() -> souk_gateway::Options {
    souk_gateway::Options::default()
}

fn in_seconds(time: Duration) -> String {
    time.as_secs().to_string()
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
    use clap::Parser as _;

    use crate::cli::Cli;

    #[tokio::test]
    async fn a_stream_begins_and_says_that_it_is_there_within_the_other_limits() {
        let short = ["souk", "--request-timeout=2", "--body-timeout=1", "--stream-timeout=7"];
        let short = [&short[..], &["--idle-timeout=4", "--header-timeout=1"]].concat();
        let short = [&short[..], &["--max-streams=3", "--max-downloads=4"]];
        for arguments in [vec!["souk"], short.concat()] {
            let cli = Cli::parse_from(arguments.clone());
            let options = cli.suite.limits.http.of_gateway(1, None).await.unwrap();
            let streams = options.streams;
            assert!(streams.first < options.request_limit, "{arguments:?}");
            assert!(streams.heartbeat < options.connection_idle, "{arguments:?}");
            assert!(streams.patience < options.connection_idle, "{arguments:?}");
            let told = (streams.max, streams.max_downloads, streams.limit.as_secs());
            assert_eq!(told, if arguments.len() == 1 { (512, 512, 3600) } else { (3, 4, 7) });
        }
    }
}
