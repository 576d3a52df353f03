//! The methods under which operations stand in a document.

use http::Method;

use crate::api::HttpRule;

/// The methods that OpenAPI 3.1 knows. Of what answers others, only the info object tells.
const METHODS: [(Method, &str); 8] = [
    (Method::GET, "get"),
    (Method::PUT, "put"),
    (Method::POST, "post"),
    (Method::DELETE, "delete"),
    (Method::OPTIONS, "options"),
    (Method::HEAD, "head"),
    (Method::PATCH, "patch"),
    (Method::TRACE, "trace"),
];

/// What a rule for any method stands for.
const ANY: [Method; 5] = [Method::GET, Method::PUT, Method::POST, Method::DELETE, Method::PATCH];

/// Those of an operation with this rule; none where OpenAPI does not know its method.
pub(super) fn methods(rule: &HttpRule) -> impl Iterator<Item = (Method, &'static str)> {
    METHODS.into_iter().filter(|(method, _)| match &rule.method {
        Some(only) => only == method,
        None => ANY.contains(method),
    })
}
