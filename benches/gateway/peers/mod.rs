//! The peers: what a good engineer writes by hand for one route, `GET /v1/products/{id}`, or for that
//! and the list of products; and the services behind gateways. Each runs as a process of its own, so
//! that its CPU time can be read.

mod bare;
mod catalog;
mod connections;
mod library;
mod members;
mod pipelined;
mod product;
mod remote;
mod sqlx_pool;

use std::io::Read as _;
use std::net::SocketAddr;
use std::process::Command;

use anyhow::{Context as _, Result};
use axum::Router;
use axum::http::StatusCode;
use axum::serve::ListenerExt as _;
use tokio::net::TcpListener;
use tonic::service::Routes;
use tonic::transport::Server;
use tonic::transport::server::TcpIncoming;

use crate::support::process::Process;

/// The first argument of a peer's process.
const ARGUMENT: &str = "peer";
/// Where a peer finds what it needs: a database, or services.
pub const BACKEND: &str = "SOUK_BENCH_BACKEND";

/// How peers refuse.
type Refused = (StatusCode, &'static str);
const NOT_FOUND: Refused = (StatusCode::NOT_FOUND, "no such product");
const FAILED: Refused = (StatusCode::INTERNAL_SERVER_ERROR, "internal error");

/// How many threads a peer has: as many as Souk takes by default, which costs peers least too.
pub fn threads() -> usize {
    std::thread::available_parallelism().map_or(1, |cores| cores.get() - 1).max(1)
}

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
    /// The same with access tokens, limits and headers, and with the list of products.
    Members,
    /// Products, behind gateways.
    Catalog,
    /// Books, behind gateways.
    Library,
}

impl Peer {
    const ALL: [Self; 7] = [
        Self::Bare,
        Self::SqlxPool,
        Self::Pipelined,
        Self::Remote,
        Self::Members,
        Self::Catalog,
        Self::Library,
    ];

    fn name(self) -> &'static str {
        match self {
            Self::Bare => "bare",
            Self::SqlxPool => "sqlx-pool",
            Self::Pipelined => "pipelined",
            Self::Remote => "remote",
            Self::Members => "members",
            Self::Catalog => "catalog",
            Self::Library => "library",
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
        match self {
            Self::Bare => rest(listener, bare::router()).await,
            Self::SqlxPool => rest(listener, sqlx_pool::router(&backend).await?).await,
            Self::Pipelined => rest(listener, pipelined::router(&backend).await?).await,
            Self::Remote => rest(listener, remote::router(&backend).await?).await,
            Self::Members => rest(listener, members::router(&backend).await?).await,
            Self::Catalog => grpc(listener, catalog::routes()).await,
            Self::Library => grpc(listener, library::routes()).await,
        }
    }
}

async fn rest(listener: TcpListener, router: Router) -> Result<()> {
    println!("listens on {}", listener.local_addr()?);
    let listener = listener.tap_io(|stream| {
        let _ = stream.set_nodelay(true);
    });
    let router = router.into_make_service_with_connect_info::<SocketAddr>();
    Ok(axum::serve(listener, router).await?)
}

async fn grpc(listener: TcpListener, routes: Routes) -> Result<()> {
    println!("listens on {}", listener.local_addr()?);
    let incoming = TcpIncoming::from(listener).with_nodelay(Some(true));
    Ok(Server::builder().add_routes(routes).serve_with_incoming(incoming).await?)
}
