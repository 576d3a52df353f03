//! The axum router: a route for each HTTP rule of the contracts, the documentation of errors, and
//! health.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use anyhow::bail;
use axum::Router;
use axum::extract::rejection::RawPathParamsRejection;
use axum::extract::{RawPathParams, Request};
use axum::response::{IntoResponse as _, Response};
use axum::routing::{MethodFilter, MethodRouter, on};
use http::{Method, StatusCode};
use souk_kit::Channel;
use souk_proto::souk::types::v1::Reason;

use crate::Options;
use crate::call::Calls;
use crate::docs::Pages;
use crate::errors::Problem;
use crate::routes::{self, Route};
use crate::{docs, health};

/// The handlers of one path, and the methods that they answer.
#[derive(Default)]
struct Endpoint {
    methods: Vec<MethodFilter>,
    handlers: MethodRouter,
}

/// Everything that the gateway answers.
pub(crate) fn build(
    channels: &HashMap<String, Channel>,
    options: &Options,
) -> anyhow::Result<Router> {
    let (routes, plans) = routes::compile(channels)?;
    let calls = Arc::new(Calls::new(plans, options));
    let mut endpoints: BTreeMap<String, Endpoint> = BTreeMap::new();
    for (rule, route) in routes {
        let endpoint = endpoints.entry(rule.path.clone()).or_default();
        // axum panics over the second of two
        if endpoint.methods.contains(&rule.method) {
            bail!("{} has the method and path of another rpc: {}", route.rpc, rule.path);
        }
        endpoint.methods.push(rule.method);
        let handlers = std::mem::take(&mut endpoint.handlers);
        endpoint.handlers = handlers.merge(handler(rule.method, calls.clone(), Arc::new(route)));
    }
    let mut router = Router::new();
    for (path, endpoint) in endpoints {
        router = router.route(&path, endpoint.handlers);
    }
    Ok(router
        .merge(docs::router(Pages::build()))
        .merge(health::router(channels))
        .fallback(no_route)
        // axum adds `Allow` to what this answers
        .method_not_allowed_fallback(no_method))
}

fn handler(method: MethodFilter, calls: Arc<Calls>, route: Arc<Route>) -> MethodRouter {
    on(method, move |path: Result<RawPathParams, RawPathParamsRejection>, request: Request| {
        let (calls, route) = (calls.clone(), route.clone());
        async move { calls.call(&route, path, request).await }
    })
}

async fn no_route() -> Problem {
    Problem::new(Reason::RouteNotFound, "there is no such route")
}

async fn no_method(method: Method) -> Response {
    if method == Method::OPTIONS {
        return StatusCode::NO_CONTENT.into_response();
    }
    Problem::new(Reason::MethodNotAllowed, format!("the route does not answer {method}"))
        .into_response()
}
