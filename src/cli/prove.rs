//! The options of `souk prove`.

use clap::Args;
use tonic::transport::Uri;

use super::Account;

#[derive(Debug, Args)]
pub struct Prove {
    /// How many buyers come, each with a key of their own
    #[arg(long, default_value_t = 1000, value_name = "N",
          value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    pub orders: u32,
    /// How many times a process is killed (`kill -9`) meanwhile, PostgreSQL among them
    #[arg(long, default_value_t = 10, value_name = "N", conflicts_with = "server")]
    pub kills: u32,
    /// How many times one is stopped (SIGSTOP) for longer than a claim on an order lasts; by default a fifth
    /// of --kills
    #[arg(long, value_name = "N", conflicts_with = "server")]
    pub stops: Option<u32>,
    /// What everything is drawn from: the same seed has the same buyers, and the same faults
    #[arg(long, value_name = "N")]
    pub seed: Option<u64>,
    /// Of 100 keys, how many must have been paid: a run in which everything fails proves nothing
    #[arg(long, default_value_t = 20, value_name = "PERCENT",
          value_parser = clap::value_parser!(u32).range(0..=100))]
    pub floor: u32,
    /// Keep the data directory, with the logs of all processes, also when nothing was found
    #[arg(long, conflicts_with = "server")]
    pub keep: bool,
    /// A running suite, as it serves gRPC, in place of one of its own: products, accounts and orders are
    /// made there, nothing is killed, and its public API alone is asked. It must take sandbox payments
    #[arg(long, value_name = "URL")]
    pub server: Option<Uri>,
    /// Where its auth serves gRPC, when --server is the role orders alone
    #[arg(long, value_name = "URL", requires = "server")]
    pub auth_url: Option<Uri>,
    /// Where its catalog does
    #[arg(long, value_name = "URL", requires = "server")]
    pub catalog_url: Option<Uri>,
    /// Where that suite serves REST, for a share of the buyers
    #[arg(long, value_name = "URL", requires = "server")]
    pub http: Option<Uri>,
    #[command(flatten)]
    pub account: Account,
}
