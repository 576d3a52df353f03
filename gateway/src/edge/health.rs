//! Whether the process lives, and whether the services that it needs can work.

use std::sync::Arc;
use std::time::Duration;

use axum::extract::State;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use futures::future::join_all;
use http::header::{CACHE_CONTROL, CONTENT_TYPE};
use souk_proto::souk::types::v1::Reason;
use tokio::time::timeout;
use tonic::Code;
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_check_response::ServingStatus;
use tonic_health::pb::health_client::HealthClient;

use super::pages::Page;
use crate::errors::problem::Problem;
use crate::upstream::Upstream;

/// How long a service may take to say that it can work.
const LIMIT: Duration = Duration::from_secs(1);

const LIVES: &str = "/healthz";
const WORKS: &str = "/readyz";

/// Whether somebody asks for health: whoever watches over the process, as often as they like.
pub(crate) fn is_at(path: &str) -> bool {
    matches!(path, LIVES | WORKS)
}

/// `/healthz` and `/readyz`.
pub(crate) fn pages(upstreams: Vec<Upstream>) -> [Page; 2] {
    let works = get(ready).with_state(Arc::from(upstreams));
    [(LIVES.to_owned(), get(async || yes())), (WORKS.to_owned(), works)]
}

async fn ready(State(upstreams): State<Arc<[Upstream]>>) -> Response {
    let answers = join_all(upstreams.iter().map(serves)).await;
    if answers.into_iter().all(|serving| serving) {
        return yes();
    }
    Problem::new(Reason::Unavailable, "a service is not ready").into_response()
}

async fn serves(upstream: &Upstream) -> bool {
    let answer = async {
        if let Some(probe) = &upstream.probe {
            return probe().await;
        }
        let mut client = HealthClient::new(upstream.channel.clone());
        let question = HealthCheckRequest { service: upstream.name.clone() };
        match client.check(question).await {
            Ok(answer) => answer.into_inner().status() == ServingStatus::Serving,
            // a server without the health service has answered all the same
            Err(status) => status.code() == Code::Unimplemented,
        }
    };
    timeout(LIMIT, answer).await.unwrap_or(false)
}

fn yes() -> Response {
    let headers = [(CONTENT_TYPE, "application/json"), (CACHE_CONTROL, "no-store")];
    (headers, r#"{"status":"ok"}"#).into_response()
}
