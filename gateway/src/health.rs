//! Whether the process lives, and whether the services that it needs can work.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use futures::future::join_all;
use http::header::{CACHE_CONTROL, CONTENT_TYPE};
use souk_kit::Channel;
use souk_proto::souk::types::v1::Reason;
use tokio::time::timeout;
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_check_response::ServingStatus;
use tonic_health::pb::health_client::HealthClient;

use crate::errors::Problem;

/// How long a service may take to say that it can work.
const LIMIT: Duration = Duration::from_secs(1);

type Services = Arc<[(String, Channel)]>;

/// `/healthz` and `/readyz`. Services in this process are as ready as the process.
pub(crate) fn router(channels: &HashMap<String, Channel>) -> Router {
    let is_remote = |channel: &Channel| matches!(channel, Channel::Remote(_));
    let services: Services = channels
        .iter()
        .filter(|(_, channel)| is_remote(channel))
        .map(|(name, channel)| (name.clone(), channel.clone()))
        .collect();
    Router::new()
        .route("/healthz", get(async || yes()))
        .route("/readyz", get(ready))
        .with_state(services)
}

async fn ready(State(services): State<Services>) -> Response {
    let answers = join_all(services.iter().map(|(name, channel)| serves(name, channel))).await;
    if answers.into_iter().all(|serving| serving) {
        return yes();
    }
    Problem::new(Reason::Unavailable, "a service is not ready").into_response()
}

async fn serves(name: &str, channel: &Channel) -> bool {
    let mut client = HealthClient::new(channel.clone());
    let question = HealthCheckRequest { service: name.to_owned() };
    let answer = timeout(LIMIT, client.check(question)).await;
    answer.is_ok_and(|answer| {
        answer.is_ok_and(|answer| answer.into_inner().status() == ServingStatus::Serving)
    })
}

fn yes() -> Response {
    let headers = [(CONTENT_TYPE, "application/json"), (CACHE_CONTROL, "no-store")];
    (headers, r#"{"status":"ok"}"#).into_response()
}
