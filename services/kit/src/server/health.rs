//! Whether the services of a process can work, as gRPC's health service says it.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use futures::future::{BoxFuture, join_all};
use tokio_util::sync::CancellationToken;
use tonic_health::ServingStatus;
use tonic_health::server::HealthReporter;

/// How often a service says whether it can work.
const PROBE_INTERVAL: Duration = Duration::from_millis(500);
/// How long a probe may take before it counts as a no.
const PROBE_LIMIT: Duration = Duration::from_secs(2);

/// Asks a service whether it can work.
pub type Probe = Arc<dyn Fn() -> BoxFuture<'static, bool> + Send + Sync>;

/// Says that nothing serves yet: a service without any status would be unknown.
pub(super) async fn begin(reporter: &HealthReporter, probes: &[(&'static str, Probe)]) {
    for name in probes.iter().map(|(name, _)| *name).chain([""]) {
        reporter.set_service_status(name, ServingStatus::NotServing).await;
    }
}

/// Keeps the health service up to date; the empty name stands for the whole process.
pub(super) async fn report(
    reporter: HealthReporter,
    probes: Vec<(&'static str, Probe)>,
    shutdown: CancellationToken,
) {
    let mut last = HashMap::new();
    while !shutdown.is_cancelled() {
        let answers = join_all(probes.iter().map(|(name, probe)| async move {
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
