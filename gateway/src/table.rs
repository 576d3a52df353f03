//! Which route answers a request: by its path, then by its method.

use std::collections::BTreeMap;

use anyhow::{Context as _, bail};
use http::{HeaderValue, Method};
use percent_encoding::percent_decode_str;

use crate::http_rules::HttpRule;
use crate::routes::Route;

/// All routes.
pub(crate) struct Table {
    paths: matchit::Router<Endpoint>,
}

/// What one path answers.
#[derive(Default)]
struct Endpoint {
    routes: Vec<(Method, Route)>,
    /// The methods, as `Allow` names them.
    allow: String,
}

/// What there is for a request.
pub(crate) enum Found<'t, 'p> {
    /// A route, and the variables of its path, decoded, in their order.
    Route(&'t Route, Vec<std::borrow::Cow<'p, str>>),
    /// The path, but not with this method; those that it has.
    OtherMethods(HeaderValue),
    /// The path has text that is no UTF-8.
    NotUtf8,
    Nothing,
}

impl Table {
    pub(crate) fn new(routes: Vec<(HttpRule, Route)>) -> anyhow::Result<Self> {
        let mut endpoints: BTreeMap<String, Endpoint> = BTreeMap::new();
        for (rule, route) in routes {
            let endpoint = endpoints.entry(rule.path.clone()).or_default();
            if endpoint.routes.iter().any(|(method, _)| *method == rule.method) {
                bail!("{} has the method and path of another rpc: {}", route.path, rule.path);
            }
            endpoint.routes.push((rule.method, route));
        }
        let mut paths = matchit::Router::new();
        for (path, mut endpoint) in endpoints {
            endpoint.allow = allowed(&endpoint.routes);
            paths.insert(&path, endpoint).with_context(|| path.clone())?;
        }
        Ok(Self { paths })
    }

    /// What answers a request. `HEAD` is answered by what answers `GET` (RFC 9110, section 9.3.2).
    pub(crate) fn find<'t, 'p>(&'t self, method: &Method, path: &'p str) -> Found<'t, 'p> {
        let Ok(matched) = self.paths.at(path) else { return Found::Nothing };
        let method = if method == Method::HEAD { &Method::GET } else { method };
        let Some((_, route)) = matched.value.routes.iter().find(|(known, _)| known == method)
        else {
            let allow = HeaderValue::from_str(&matched.value.allow);
            return allow.map_or(Found::Nothing, Found::OtherMethods);
        };
        let decode = |(_, value)| percent_decode_str(value).decode_utf8();
        match matched.params.iter().map(decode).collect() {
            Ok(variables) => Found::Route(route, variables),
            Err(_) => Found::NotUtf8,
        }
    }
}

fn allowed(routes: &[(Method, Route)]) -> String {
    let head = routes.iter().any(|(method, _)| method == Method::GET).then_some("HEAD");
    let methods = routes.iter().map(|(method, _)| method.as_str()).chain(head);
    methods.collect::<Vec<_>>().join(",")
}
