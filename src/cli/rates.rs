//! How many requests clients may make.

use anyhow::Context as _;
use clap::Args;
use souk_gateway::{Options, Valkey};

/// Those of a gateway.
#[derive(Debug, Clone, Args)]
pub struct Rates {
    /// Requests a minute without a good token that one client address may make (an IPv4 address, or a /64
    /// of IPv6); 0 is any number, also of those that the contracts limit further, such as sign-ins
    #[arg(long = "rate-limit-address", env = "SOUK_RATE_LIMIT_ADDRESS",
          default_value_t = Options::default().address_limit, value_name = "N",
          value_parser = clap::value_parser!(u32).range(..=MOST))]
    pub address: u32,
    /// Requests a minute that one account or service may make, from wherever; 0 is no limit of their own:
    /// then they count for their addresses
    #[arg(long = "rate-limit-principal", env = "SOUK_RATE_LIMIT_PRINCIPAL",
          default_value_t = Options::default().principal_limit, value_name = "N",
          value_parser = clap::value_parser!(u32).range(..=MOST))]
    pub principal: u32,
    /// A Valkey or Redis where several gateways count requests together; each counts alone without it,
    /// and while it is away
    #[arg(
        id = "rate-limit-store",
        long,
        env = "SOUK_RATE_LIMIT_STORE",
        hide_env_values = true,
        value_name = "URL"
    )]
    pub store: Option<String>,
}

/// A million a second: beyond that it is no limit any more.
const MOST: i64 = 60_000_000;

impl Rates {
    /// Where they are counted together.
    pub(super) async fn open_store(&self) -> anyhow::Result<Option<Valkey>> {
        match &self.store {
            Some(url) => Valkey::open(url).await.context("--rate-limit-store").map(Some),
            None => Ok(None),
        }
    }
}
