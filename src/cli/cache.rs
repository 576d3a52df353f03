//! Answers that a gateway keeps.

use std::time::Duration;

use anyhow::Context as _;
use clap::Args;
use souk_gateway::Valkey;

/// How long, and where.
#[derive(Debug, Clone, Args)]
pub struct Cache {
    /// How long what anyone may read is answered again without asking the service, in seconds; 0 is not
    /// at all
    #[arg(long = "cache-ttl", env = "SOUK_CACHE_TTL", default_value_t = 0, value_name = "SECONDS",
          value_parser = clap::value_parser!(u32).range(..=86_400))]
    ttl: u32,
    /// A Valkey or Redis where several gateways keep such answers together; each keeps its own without
    /// it, and while it is away
    #[arg(
        id = "cache-store",
        long,
        env = "SOUK_CACHE_STORE",
        hide_env_values = true,
        value_name = "URL"
    )]
    store: Option<String>,
}

impl Cache {
    pub(super) fn ttl(&self) -> Duration {
        Duration::from_secs(self.ttl.into())
    }

    /// Where they are kept together.
    pub(super) async fn open_store(&self) -> anyhow::Result<Option<Valkey>> {
        match &self.store {
            Some(url) => Valkey::open(url).await.context("--cache-store").map(Some),
            None => Ok(None),
        }
    }
}
