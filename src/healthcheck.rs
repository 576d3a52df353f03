//! `souk healthcheck`: asks a running process whether it works.

use std::time::Duration;

use anyhow::Context as _;
use souk_kit::Channel;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
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

async fn check_grpc(server: Uri) -> anyhow::Result<()> {
    let request = HealthCheckRequest { service: String::new() };
    let response = HealthClient::new(Channel::remote(server)).check(request).await?.into_inner();
    anyhow::ensure!(response.status() == ServingStatus::Serving, "not serving");
    Ok(())
}

/// One request without a client library: this runs every few seconds in a container.
async fn check_http(address: &Uri) -> anyhow::Result<()> {
    let authority = address.authority().context("--http must look like http://host:port")?;
    let mut stream = TcpStream::connect(authority.as_str()).await?;
    let request =
        format!("GET /healthz HTTP/1.1\r\nhost: {authority}\r\nconnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await?;
    let mut response = Vec::new();
    stream.read_to_end(&mut response).await?;
    anyhow::ensure!(response.starts_with(b"HTTP/1.1 200"), "not serving");
    Ok(())
}
