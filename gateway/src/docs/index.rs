//! Where everything is: for people, and for programs.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::Arc;

use axum::extract::State;
use axum::response::Response;
use axum::routing::{MethodRouter, get};
use http::header::{ACCEPT, VARY};
use http::{HeaderMap, HeaderValue};
use serde::Serialize;
use serde_json::json;
use souk_proto::souk::policy::v1::Idempotency;
use souk_proto::souk::policy::v1::policy::Access;

use crate::api::comments::{Comments, first_sentence};
use crate::api::{Api, Operation};
use crate::docs::page::{Frame, escape, prose};
use crate::docs::resource::Resource;
use crate::openapi::title;
use crate::response::accept;

/// What is not from the contracts: its name for programs, where it is, and for people its title and
/// what it is good for.
const PLACES: [(&str, &str, &str, &str); 8] = [
    ("docs", "/docs", "Try it", "Every call in the browser, with your own token."),
    ("reference", "/redoc", "Reference", "All calls and messages on one page, to read."),
    ("errors", "/docs/errors", "Errors", "What each code means, and what to do."),
    ("openapi", "/openapi.json", "OpenAPI", "For generators of clients, as JSON."),
    ("openapi_yaml", "/openapi.yaml", "OpenAPI, YAML", "The same, for people with editors."),
    ("postman", "/postman.json", "Postman", "A collection to import."),
    ("health", "/healthz", "Health", "Whether the gateway lives."),
    ("readiness", "/readyz", "Readiness", "Whether its services can work."),
];

/// A service, and where its RPCs are.
struct Service {
    name: String,
    comment: String,
    routes: Vec<Route>,
}

/// An HTTP method and path, and what is there.
#[derive(Serialize)]
struct Route {
    method: String,
    path: String,
    rpc: String,
    summary: String,
    /// `public`, `signed_in`, or the scope that a token must carry.
    access: String,
    needs_idempotency_key: bool,
    is_deprecated: bool,
}

/// Serves `/` as HTML to those who name it, and as JSON to all others.
pub(super) fn route(api: &Api, frame: &Frame) -> MethodRouter {
    async fn serve(State(index): State<Arc<[Resource; 2]>>, headers: HeaderMap) -> Response {
        let [html, json] = &*index;
        let wants_html = accept::names(&headers, "text/html");
        let mut response = if wants_html { html } else { json }.answer(&headers);
        response.headers_mut().insert(VARY, HeaderValue::from(ACCEPT));
        response
    }
    let services = services(api);
    let html = frame.text("/", &title(api), &main(&services));
    get(serve).with_state(Arc::new([html, Resource::json(for_programs(&services).into())]))
}

fn services(api: &Api) -> Vec<Service> {
    let comments = Comments::of(&api.pool);
    let mut services: Vec<Service> = Vec::new();
    for operation in &api.operations {
        let service = operation.method.parent_service();
        if services.last().is_none_or(|last| last.name != service.full_name()) {
            services.push(Service {
                name: service.full_name().to_owned(),
                comment: comments.on(service).to_owned(),
                routes: Vec::new(),
            });
        }
        if let Some(last) = services.last_mut() {
            last.routes.extend(routes(operation, &comments));
        }
    }
    services
}

fn routes(operation: &Operation, comments: &Comments) -> impl Iterator<Item = Route> {
    let Operation { method, rpc, rules } = operation;
    let summary = first_sentence(comments.on(method));
    let access = match &rpc.policy.access {
        Some(Access::Public(true)) => "public",
        Some(Access::Scope(scope)) => scope,
        _ => "signed_in",
    };
    rules.iter().map(move |rule| Route {
        // a rule without a method answers any
        method: rule.method.as_ref().map_or("ANY", |method| method.as_str()).to_owned(),
        path: rule.path.clone(),
        rpc: method.full_name().to_owned(),
        summary: summary.clone(),
        access: access.to_owned(),
        needs_idempotency_key: rpc.policy.idempotency() == Idempotency::Required,
        is_deprecated: rpc.policy.deprecation.is_some(),
    })
}

fn for_programs(services: &[Service]) -> String {
    let links: BTreeMap<_, _> = PLACES.iter().map(|(name, path, ..)| (name, path)).collect();
    let routes: Vec<_> = services.iter().flat_map(|service| &service.routes).collect();
    json!({ "links": links, "routes": routes }).to_string()
}

fn main(services: &[Service]) -> String {
    let mut html =
        "<p class=\"lead\">REST and JSON, made from the contracts of its services. Paths \
        are relative to this address.</p><ul class=\"cards\">"
            .to_owned();
    for (_, path, title, what) in PLACES {
        let _ = write!(
            html,
            "<li><a href=\"{path}\"><b>{title}</b></a><span>{what}</span><code>{path}</code></li>"
        );
    }
    html.push_str("</ul>");
    for service in services {
        let (name, comment) = (escape(&service.name), prose(&service.comment));
        let _ = write!(
            html,
            "<section><h2>{name}</h2><p>{comment}</p><table class=\"routes\"><thead><tr>\
             <th>Method</th><th>Path</th><th>What it does</th><th>Who may call it</th></tr></thead>\
             <tbody>"
        );
        for route in &service.routes {
            html.push_str(&row(route));
        }
        html.push_str("</tbody></table></section>");
    }
    html
}

fn row(route: &Route) -> String {
    let Route { method, path, summary, access, .. } = route;
    let (method, path, summary) = (escape(method), escape(path), prose(summary));
    let is_link = method == "GET" && access == "public" && !path.contains(['{', '*']);
    let path = if is_link { format!("<a href=\"{path}\">{path}</a>") } else { path };
    let mut who = match access.as_str() {
        "public" => "anyone".to_owned(),
        "signed_in" => "signed in".to_owned(),
        scope => format!("<code>{}</code>", escape(scope)),
    };
    if route.needs_idempotency_key {
        who.push_str(", with an <code>Idempotency-Key</code>");
    }
    let deprecated = if route.is_deprecated { " <em>deprecated</em>" } else { "" };
    format!(
        "<tr><td><span class=\"method {method}\">{method}</span></td><td><code>{path}</code></td>\
         <td>{summary}{deprecated}</td><td>{who}</td></tr>"
    )
}
