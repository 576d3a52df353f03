//! Server assembly: the gRPC listener of a process, with health, reflection, limits, and a drain
//! that ends.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use futures::future::{BoxFuture, join_all};
use tokio::net::TcpListener;
use tokio_stream::wrappers::TcpListenerStream;
use tokio_util::sync::CancellationToken;
use tonic::service::Routes;
use tonic::transport::Server;
use tonic_health::ServingStatus;
use tonic_health::server::HealthReporter;

/// Requests that one connection may have under way.
const REQUESTS_PER_CONNECTION: u32 = 1024;
/// How often a service says whether it can work.
const PROBE_INTERVAL: Duration = Duration::from_millis(500);
/// How long a probe may take before it counts as a no.
const PROBE_LIMIT: Duration = Duration::from_secs(2);
/// How long requests may take to finish once the process has been told to end.
pub const DRAIN_LIMIT: Duration = Duration::from_secs(10);

/// A service, ready to be served or called in process.
#[derive(Clone)]
pub struct Service {
    /// The full gRPC name: `souk.catalog.v1.CatalogService`.
    pub name: &'static str,
    /// Its routes, with the layers of [`crate::stack`] around them.
    pub routes: Routes,
    /// Whether it can work: usually whether its database answers.
    pub probe: Probe,
}

/// Asks a service whether it can work.
pub type Probe = Arc<dyn Fn() -> BoxFuture<'static, bool> + Send + Sync>;

/// Serves services on a listener until `shutdown`, then drains.
///
/// # Errors
///
/// The server cannot be built, or the listener fails.
pub async fn serve(
    listener: TcpListener,
    services: Vec<Service>,
    shutdown: CancellationToken,
) -> anyhow::Result<()> {
    let (reporter, health) = tonic_health::server::health_reporter();
    let mut router = axum::Router::new();
    for service in &services {
        router = router.merge(service.routes.clone().into_axum_router().reset_fallback());
    }
    // until the first probe has answered; a service without any status would be unknown
    for name in services.iter().map(|service| service.name).chain([""]) {
        reporter.set_service_status(name, ServingStatus::NotServing).await;
    }
    let probes = services.into_iter().map(|service| (service.name, service.probe)).collect();
    tokio::spawn(report_health(reporter, probes, shutdown.clone()));
    // outside the services' layers: whoever reaches the port may ask for health and reflection
    let routes = Routes::from(router.fallback(unimplemented))
        .add_service(health)
        .add_service(reflection().build_v1()?)
        .add_service(reflection().build_v1alpha()?);

    let serving = Server::builder()
        .max_concurrent_streams(REQUESTS_PER_CONNECTION)
        .http2_keepalive_interval(Some(Duration::from_secs(20)))
        .http2_keepalive_timeout(Some(Duration::from_secs(10)))
        .add_routes(routes.prepare())
        .serve_with_incoming_shutdown(
            TcpListenerStream::new(listener),
            shutdown.clone().cancelled_owned(),
        );
    let drained = async {
        shutdown.cancelled().await;
        tokio::time::sleep(DRAIN_LIMIT).await;
    };
    tokio::select! {
        served = serving => Ok(served?),
        () = drained => {
            tracing::warn!("requests were still running after the drain limit");
            Ok(())
        }
    }
}

fn reflection() -> tonic_reflection::server::Builder<'static> {
    tonic_reflection::server::Builder::configure()
        .register_encoded_file_descriptor_set(souk_proto::DESCRIPTORS)
        .register_encoded_file_descriptor_set(tonic_health::pb::FILE_DESCRIPTOR_SET)
}

/// Keeps the health service up to date; the empty name stands for the whole process.
async fn report_health(
    reporter: HealthReporter,
    services: Vec<(&'static str, Probe)>,
    shutdown: CancellationToken,
) {
    let mut last = HashMap::new();
    while !shutdown.is_cancelled() {
        let answers = join_all(services.iter().map(|(name, probe)| async move {
            (*name, tokio::time::timeout(PROBE_LIMIT, probe()).await.unwrap_or(false))
        }))
        .await;
        let all = answers.iter().all(|(_, serving)| *serving);
        for (name, serving) in answers.into_iter().chain([("", all)]) {
            if last.insert(name, serving) != Some(serving) {
                tracing::info!(service = name, serving, "health changed");
                reporter.set_service_status(name, status(serving)).await;
            }
        }
        tokio::select! {
            () = shutdown.cancelled() => {}
            () = tokio::time::sleep(PROBE_INTERVAL) => {}
        }
    }
    // load balancers look elsewhere while the rest drains
    for name in last.into_keys() {
        reporter.set_service_status(name, ServingStatus::NotServing).await;
    }
}

fn status(serving: bool) -> ServingStatus {
    if serving { ServingStatus::Serving } else { ServingStatus::NotServing }
}

async fn unimplemented() -> axum::response::Response {
    tonic::Status::unimplemented("there is no such rpc").into_http()
}
