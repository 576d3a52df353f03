//! The peers: what a good engineer writes by hand for one route, `GET /v1/products/{id}`. Each runs
//! as a process of its own, so that its CPU time can be read.

mod bare;
mod catalog;
mod pipelined;
mod product;
mod remote;
mod sqlx_pool;

use std::io::Read as _;
use std::process::Command;

use anyhow::{Context as _, Result};
use axum::Router;
use axum::http::StatusCode;
use axum::serve::ListenerExt as _;
use tokio::net::TcpListener;

use crate::support::process::Process;

/// The first argument of a peer's process.
const ARGUMENT: &str = "peer";
/// Where a peer finds what it needs: a database, or a catalog.
const BACKEND: &str = "SOUK_BENCH_BACKEND";

/// How peers refuse.
type Refused = (StatusCode, &'static str);
const NOT_FOUND: Refused = (StatusCode::NOT_FOUND, "no such product");
const FAILED: Refused = (StatusCode::INTERNAL_SERVER_ERROR, "internal error");

/// A program to compare with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Peer {
    /// axum and nothing behind it: the floor.
    Bare,
    /// axum and a pool of sqlx.
    SqlxPool,
    /// axum and two connections that all requests share.
    Pipelined,
    /// axum and a client of tonic.
    Remote,
    /// What stands behind a gateway.
    Catalog,
}

impl Peer {
    const ALL: [Self; 5] =
        [Self::Bare, Self::SqlxPool, Self::Pipelined, Self::Remote, Self::Catalog];

    fn name(self) -> &'static str {
        match self {
            Self::Bare => "bare",
            Self::SqlxPool => "sqlx-pool",
            Self::Pipelined => "pipelined",
            Self::Remote => "remote",
            Self::Catalog => "catalog",
        }
    }

    /// Starts its process, and tells where it listens.
    pub fn start(self, backend: &str) -> Result<(Process, String)> {
        let mut command = Command::new(std::env::current_exe()?);
        command.args([ARGUMENT, self.name()]).env(BACKEND, backend);
        let process = Process::start(command)?;
        let address = process.last_word_of_line("listens on")?;
        Ok((process, address))
    }

    /// The peer that this process is meant to be, if any.
    pub fn of_this_process() -> Option<Self> {
        let mut arguments = std::env::args().skip(1);
        if arguments.next()? != ARGUMENT {
            return None;
        }
        let name = arguments.next()?;
        Self::ALL.into_iter().find(|peer| peer.name() == name)
    }

    /// Serves until the bench is gone.
    pub async fn serve(self) -> Result<()> {
        let backend = std::env::var(BACKEND).context(BACKEND)?;
        std::thread::spawn(|| {
            // the other end is the bench
            let _ = std::io::stdin().read(&mut [0]);
            std::process::exit(0);
        });
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let address = listener.local_addr()?;
        let router: Router = match self {
            Self::Bare => bare::router(),
            Self::SqlxPool => sqlx_pool::router(&backend).await?,
            Self::Pipelined => pipelined::router(&backend).await?,
            Self::Remote => remote::router(&backend).await?,
            Self::Catalog => {
                println!("listens on {address}");
                return catalog::serve(listener).await;
            }
        };
        println!("listens on {address}");
        let listener = listener.tap_io(|stream| {
            let _ = stream.set_nodelay(true);
        });
        Ok(axum::serve(listener, router).await?)
    }
}
