//! `souk healthcheck`: asks a running process whether it works.

mod any_certificate;

use std::time::Duration;

use anyhow::Context as _;
use souk_kit::Channel;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tonic::transport::Uri;
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_check_response::ServingStatus;
use tonic_health::pb::health_client::HealthClient;

use crate::cli::Healthcheck;

const LIMIT: Duration = Duration::from_secs(5);

/// Succeeds when the process says that it is serving.
pub async fn run(command: Healthcheck) -> anyhow::Result<()> {
    let check = async {
        match &command.http {
            Some(address) => check_http(address).await,
            None => check_grpc(command.server).await,
        }
    };
    tokio::time::timeout(LIMIT, check).await.context("no answer in time")??;
    println!("serving");
    Ok(())
}

/// Whether a process serves gRPC, and says that all is well.
pub async fn check_grpc(server: Uri) -> anyhow::Result<()> {
    let request = HealthCheckRequest { service: String::new() };
    let response = HealthClient::new(Channel::remote(server)).check(request).await?.into_inner();
    anyhow::ensure!(response.status() == ServingStatus::Serving, "not serving");
    Ok(())
}

/// The same of one that serves REST.
pub async fn check_http(address: &Uri) -> anyhow::Result<()> {
    let authority = address.authority().context("--http must look like http://host:port")?;
    let tcp = TcpStream::connect(authority.as_str()).await?;
    if address.scheme_str() == Some("https") {
        ask(any_certificate::connect(authority.host(), tcp).await?, authority.as_str()).await
    } else {
        ask(tcp, authority.as_str()).await
    }
}

/// One request without a client library: this runs every few seconds in a container.
async fn ask(mut stream: impl AsyncRead + AsyncWrite + Unpin, host: &str) -> anyhow::Result<()> {
    let request = format!("GET /healthz HTTP/1.1\r\nhost: {host}\r\nconnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await?;
    let mut response = Vec::new();
    stream.read_to_end(&mut response).await?;
    anyhow::ensure!(response.starts_with(b"HTTP/1.1 200"), "not serving");
    Ok(())
}
